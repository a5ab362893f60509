#!/usr/bin/python3
"""Disks that are full, folders that cannot be written or vanish, programs that are missing or broken:
an error that names the path or the process, exit status 4, and nothing left behind."""
import os
import re
import shutil
import signal
import subprocess

from vl import BIN, Home, Mesh, Programs, check, read, run_cases, topology, until

TRI3 = topology("tri3")
SMALL_FS_MB = 40


def limited(blocks):
    """Files cannot grow beyond so many KiB (the unit of `ulimit -f` is 512 bytes in POSIX shells)."""
    return ["sh", "-c", f'ulimit -f {2 * blocks} && exec "$@"', "sh"]


def cannot_grow():
    """RLIMIT_FSIZE: the process that cannot write says which file, and its death is named."""
    with Home() as home:
        path = home.file("mesh.yaml", TRI3)
        for args in (["run", path, "--for", "1s", "--out", f"{home.dir}/o"], ["up", path],
                     ["up", path, "--detach"]):
            r = home.vl(*args, prefix=limited(512)).wants(4, "error: ", ".frames", "File too large")
            check(re.search(r"^error: n[123] ended before the mesh started: exit 70", r.err, re.M), str(r))
            home.check_empty()


def disk_full():
    """A file system that fills up while the mesh runs."""
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "--propagation", "private", "sh", "-c"]
    with Home() as home:
        path = home.file("mesh.yaml", TRI3)
        disk = f"{home.dir}/disk"
        os.mkdir(disk)
        mount = f"mount -t tmpfs -o size={SMALL_FS_MB}m none {disk}"
        if subprocess.run([*unshare, mount], capture_output=True).returncode != 0:
            return "SKIP disk_full: no file system can be mounted here"
        # Another program takes the space after the recorder has checked that it is there.
        script = f"""{mount}
            "$@" & pid=$!
            until [ -e {disk}/o/rec/node.n3.1.frames ]; do
                kill -0 $pid 2>/dev/null || {{ wait $pid; exit; }}
                timeout 0.01 tail -f /dev/null
            done
            cat /dev/zero > {disk}/other 2>/dev/null
            wait $pid"""
        r = home.vl("run", path, "--for", "2s", "--speed", "1", "--out", f"{disk}/o",
                    prefix=[*unshare, script, "sh"], timeout=60)
        r.wants(4, "error: ", f"{disk}/o/rec/", "No space left on device")
        home.check_empty()


def no_place():
    """Run and socket directories that cannot be made: before anything starts."""
    with Home() as home:
        path, file = home.file("mesh.yaml", TRI3), home.file("file", "")
        cases = [({"XDG_STATE_HOME": f"{file}/x"}, [f"{file}/x"]),
                 ({"XDG_STATE_HOME": "/proc/nothing"}, ["/proc/nothing"]),
                 ({"XDG_STATE_HOME": "relative", "HOME": "/proc/home"}, ["/proc/home"]),
                 ({"XDG_STATE_HOME": "", "HOME": ""}, ["XDG_STATE_HOME", "HOME"]),
                 ({"XDG_RUNTIME_DIR": f"{home.dir}/no", "TMPDIR": f"{file}/y"}, [f"{file}/y"])]
        readonly = f"{home.dir}/readonly"
        os.mkdir(readonly, 0o500)
        if not os.access(readonly, os.W_OK):  # root may
            cases.append(({"XDG_STATE_HOME": readonly}, [readonly]))
        for env, words in cases:
            env = dict(home.env, **env)
            home.vl("up", path, "--detach", env=env).wants(4, "error: ", *words)
            home.vl("up", path, env=env).wants(4, "error: ", *words)
            home.vl("run", path, "--for", "1ms", env=env).wants(4, "error: ", *words)
        home.vl("run", path, "--for", "1ms", "--out", f"{file}/o").wants(4, f"{file}/o")
        os.mkdir(f"{home.dir}/open", 0o755)
        os.mkdir(f"{home.dir}/open/vl", 0o755)  # others could put sockets there
        os.chmod(f"{home.dir}/open/vl", 0o755)
        env = dict(home.env, XDG_RUNTIME_DIR=f"{home.dir}/open")
        home.vl("up", path, "--detach", env=env).wants(4, f"{home.dir}/open/vl")


def run_dir_vanishes():
    """Somebody removes the run directory: who runs goes on, a start says what is missing, down works."""
    with Home() as home:
        mesh = Mesh(home, home.file("mesh.yaml", TRI3), "--speed", "0.1")
        mesh.do("kill", "n2")
        shutil.rmtree(mesh.run_dir)
        mesh.vl("start", "n2").wants(4, mesh.run_dir)
        mesh.check_steps()
        check(mesh.ps()["n2"]["pid"] == 0, mesh.ps())
        mesh.vl("down")
        home.check_empty()


def program_missing():
    with Programs("voltloom-node", None) as programs, Home(programs) as home:
        path = home.file("mesh.yaml", TRI3)
        for args in (["up", path, "--detach"], ["up", path], ["run", path, "--for", "1s"]):
            home.vl(*args).wants(4, "n1", f"{programs}/voltloom-node", "No such file")
            home.check_empty()
    with Programs("voltloom-relay", None) as programs, Home(programs) as home:
        home.vl("up", home.file("mesh.yaml", TRI3), "--detach").wants(4, f"{programs}/voltloom-relay")


def program_broken():
    """What it wrote last stands in the error; a text without an interpreter is named too."""
    broken = "#!/bin/sh\necho all is well\necho the bearings are worn >&2\nexit 3\n"
    with Programs("voltloom-node", broken) as programs, Home(programs) as home:
        path = home.file("mesh.yaml", TRI3)
        for args in (["up", path, "--detach"], ["up", path], ["run", path, "--for", "1s"]):
            r = home.vl(*args).wants(4, "exit 3, last line of its log: the bearings are worn")
            check(re.search(r"^error: n[123] ended before the mesh started", r.err, re.M), str(r))
            home.check_empty()
    with Programs("voltloom-node", "not a program\n") as programs, Home(programs) as home:
        home.vl("up", home.file("mesh.yaml", TRI3), "--detach").wants(4, f"{programs}/voltloom-node")
    crash = "#!/bin/sh\necho falling >&2\nkill -SEGV $$\n"
    with Programs("voltloom-node", crash) as programs, Home(programs) as home:
        home.vl("up", home.file("mesh.yaml", TRI3)).wants(4, "SIGSEGV, last line of its log: falling")


def broken_while_up():
    """The program is replaced while the mesh runs: only the newcomer fails, and is named."""
    programs = Programs("voltloom-node", read_bytes_of("voltloom-node"))
    with programs as folder, Home(folder) as home:
        mesh = Mesh(home, home.file("mesh.yaml", TRI3), "--speed", "0.1")
        mesh.do("kill", "n2")
        programs.put("#!/bin/sh\necho worn >&2\nexit 3\n")
        mesh.vl("start", "n2").wants(4, "exit 3, last line of its log: worn")
        programs.put(None)
        mesh.vl("start", "n2").wants(4, f"{folder}/voltloom-node", "No such file")
        mesh.check_steps()
        ps = mesh.ps()["n2"]
        check(ps["pid"] == 0 and ps["state"] == "dead" and ps["incarnation"] == 3, ps)
        programs.put(read_bytes_of("voltloom-node"))
        mesh.do("start", "n2")
        mesh.check_steps()
        check(mesh.ps()["n2"]["incarnation"] == 4, mesh.ps())
        mesh.vl("down")  # it says that two processes went wrong
        home.check_empty()


def read_bytes_of(program):
    with open(f"{BIN}/{program}", "rb") as f:
        return f.read()


def relay_broken():
    """The relay carries no power: the mesh runs without it, commands work, its deaths are named."""
    with Programs("voltloom-relay", "#!/bin/sh\nexit 3\n") as programs, Home(programs) as home:
        mesh = Mesh(home, home.file("mesh.yaml", TRI3), "--speed", "0.1")
        mesh.until_said("relay: exit 3; it comes back")
        mesh.do("kill", "n1")
        mesh.check_steps()
        mesh.do("start", "n1")
        mesh.down()


def process_fails():
    """A run in which a process is killed from outside is not a result: named, exit status 4."""
    with Home() as home:
        path = home.file("mesh.yaml", TRI3)
        p = home.start("run", path, "--for", "10s", "--speed", "0.1")
        look = until(lambda: [m for m in home.vl("ps", "--json").json() if m["state"] == "running"],
                     "the run runs")[0]
        mesh = Mesh.__new__(Mesh)
        mesh.home, mesh.name, mesh.up = home, look["mesh"], {}
        mesh.signal("n2", signal.SIGKILL)
        until(lambda: "n2: SIGKILL, from outside, step " in read(p.vl_err), "its death is named")
        home.ok("speed", "5")
        p.send_signal(signal.SIGINT)
        home.end(p)
        check(p.returncode in (4, 130), f"exit status {p.returncode}")
        home.check_empty()


if __name__ == "__main__":
    run_cases([cannot_grow, disk_full, no_place, run_dir_vanishes, program_missing, program_broken,
               broken_while_up, relay_broken, process_fails])
