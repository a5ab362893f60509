#!/usr/bin/python3
"""One input, one trace: rack8 with a kill and a restart by a drill, over processes (pinned and not,
free and paced, under load), in memory, and with every build; one watt more gives another.

In check only builds that are there and not older than their sources are compared; nightly makes them.
"""
import filecmp
import glob
import os
import re
import shutil
import subprocess
import sys

from vl import BIN, NIGHTLY, SRC, Failure, Home, check, run_cases, topology

FULL = "500ms"
SHORT = FULL if NIGHTLY else "100ms"
PACE = "0.2"
# (make arguments, folder): gcc and clang, -O0 and -O2, sanitizers
BUILDS = [([], "release"), (["MODE=debug"], "debug"), (["CC=clang"], "release-clang"),
          (["MODE=debug", "CC=clang"], "debug-clang"), (["MODE=sanitize"], "sanitize")]
# Which folders the bytes of a program come from.
SOURCES = {"voltloom": ("common", "nodes", "loadmods", "broker"), "voltloom-node": ("common", "nodes"),
           "voltloom-module": ("common", "loadmods")}


def drill(home, plant, text=None, name="mesh"):
    """Kill and restart of n3, which has a feed and owns modules, inside a run of this length."""
    home.file(f"{name}.yaml", text or topology("rack8"))
    k, s = (100, 250) if plant == "500ms" else (20, 50)
    return home.file(f"{name}.drill.yaml", f"""drill: 1
topology: {name}.yaml
time: {{ duration: {plant} }}
timeline:
  - {{ at: {k}ms, do: kill, target: n3 }}
  - {{ at: {s}ms, do: start, target: n3 }}
""")


class Run:
    """One run; its trace, and its files as long as the home lives."""

    def __init__(self, home, path, *args, program=None, env=None):
        Run.n = getattr(Run, "n", 0) + 1
        self.dir, self.what = f"{home.dir}/run{Run.n}", " ".join(args)
        here, home.bin = home.bin, program or home.bin
        try:
            r = home.ok("run", "--drill", path, "--out", self.dir, *args, env=env)
        finally:
            home.bin = here
        found = re.search(r"^trace ([0-9a-f]{64})$", r.out, re.M)
        check(found, lambda: f"no trace: {r}")
        self.trace = found.group(1)
        log = open(f"{self.dir}/supervisor.log", encoding="utf-8").read()
        k = re.findall(r"n3: SIGKILL, scripted, step (\d+)", log)
        check("--memory" in args or len(k) == 1, f"n3 was not killed: {log}")

    def differs(self, other):
        """Which files do; of frames the space beyond the last is not part of the trace."""
        names = sorted(os.listdir(f"{self.dir}/rec"))
        if names != sorted(os.listdir(f"{other.dir}/rec")):
            return f"files {names} and {sorted(os.listdir(f'{other.dir}/rec'))}"
        bad = [n for n in names if not filecmp.cmp(f"{self.dir}/rec/{n}", f"{other.dir}/rec/{n}", False)]
        return f"{self.dir}/rec and {other.dir}/rec: {' '.join(bad)}"

    def same(self, other):
        if self.trace != other.trace:
            keep = "kept_determinism"
            for r in (self, other):
                shutil.copytree(r.dir, f"{os.environ.get('TMPDIR', '/tmp')}/{keep}.{os.path.basename(r.dir)}")
            raise Failure(f"'{self.what}' gives {self.trace}, '{other.what}' {other.trace}: "
                          f"{self.differs(other)}; both are kept as {keep}.*")

    def done(self):
        shutil.rmtree(self.dir)


BUSY = "import os\nwhile os.getppid() == %d: pass" % os.getpid()


class Load:
    """As many busy processes as there are processors."""

    def __enter__(self):
        self.p = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1)]

    def __exit__(self, *_):
        for p in self.p:
            p.kill()
            p.wait()


def whole():
    """500 ms over processes and in memory."""
    with Home() as home:
        path = drill(home, FULL)
        Run(home, path).same(Run(home, path, "--memory"))


def hosts():
    """Five ways to run the processes."""
    with Home() as home:
        path = drill(home, SHORT)
        want = Run(home, path, "--memory")
        for args in ([], ["--no-pin"], ["--speed", PACE], ["--no-pin", "--speed", PACE]):
            run = Run(home, path, *args)
            run.same(want)
            run.done()
        with Load():
            for args in ([], ["--no-pin", "--speed", "1"]):
                run = Run(home, path, *args)
                run.same(want)
                run.done()


def sensitive():
    """One watt more at one node of eight, and another seed, give other traces; the same again does not."""
    with Home() as home:
        plain = topology("rack8")
        more = plain.replace("{ id: n2, at: [1, 0] }", "{ id: n2, at: [1, 0], load: [[0ms, 61W, 1ms]] }")
        same = plain.replace("{ id: n2, at: [1, 0] }", "{ id: n2, at: [1, 0], load: [[0ms, 60W, 1ms]] }")
        check(plain != more, "rack8 has changed: no n2 to change")
        a = Run(home, drill(home, SHORT, plain, "a"), "--memory")
        b = Run(home, drill(home, SHORT, more, "b"), "--memory")
        p = Run(home, drill(home, SHORT, more, "b"))
        p.same(b)
        check(a.trace != b.trace, "1 W more gives the same trace")
        s = Run(home, drill(home, SHORT, plain, "a"), "--memory", "--seed", "43")
        check(s.trace != a.trace, "another seed gives the same trace")
        c = Run(home, drill(home, SHORT, same, "a"), "--memory")
        check(c.trace == a.trace, "60 W said twice is not 60 W")


def limits():
    """Prices and offsets of a limit that feeds hold, through a death and a return."""
    with Home() as home:
        text = topology("rack8").replace("{ id: l1, between: [n1, n2] }", "{ id: l1, between: [n1, n2], limit: 500mA }")
        path = drill(home, SHORT, text, "limited")
        want = Run(home, path, "--memory")
        events = home.ok("events", "--run", want.dir).out
        check("link.limited link=l1 state=begins" in events, lambda: f"no price acts: {events}")
        Run(home, path).same(want)


def newest(folders):
    return max(os.stat(f).st_mtime for d in folders for f in glob.glob(f"{SRC}/{d}/*.[ch]"))


def why_not(folder):
    """Why a build cannot be compared, or None."""
    for program, folders in SOURCES.items():
        path = f"{folder}/{program}"
        if not os.access(path, os.X_OK):
            return "not built"
        if os.stat(path).st_mtime < newest(folders):
            return f"{program} is older than its sources"
    return None


def make(args):
    if any("clang" in a for a in args) and not shutil.which("clang"):
        raise Failure("no clang here")
    p = subprocess.run(["make", "-C", SRC, f"-j{os.cpu_count()}", *args, "bins"], capture_output=True,
                       text=True, stdin=subprocess.DEVNULL)
    check(p.returncode == 0, lambda: f"make {' '.join(args)}: {p.stdout[-1500:]}{p.stderr[-3000:]}")


def builds():
    """gcc and clang, -O0 and -O2, sanitizers: in memory and over processes."""
    with Home() as home:
        path = drill(home, SHORT)
        want = Run(home, path, "--memory")
        env = dict(home.env, ASAN_OPTIONS="detect_leaks=0:abort_on_error=1")
        compared = [os.path.basename(BIN)]
        for args, name in BUILDS:
            folder = f"{SRC}/build/{name}"
            if os.path.realpath(folder) == os.path.realpath(BIN):
                continue
            if NIGHTLY:
                make(args)
            skip = why_not(folder)
            if skip:
                print(f"SKIP build/{name}: {skip}")
                continue
            for how in (["--memory"], []):
                run = Run(home, path, *how, program=folder, env=env)
                run.what += f" of build/{name}"
                run.same(want)
                run.done()
            compared.append(name)
        check(not NIGHTLY or len(compared) >= len(BUILDS), f"only {compared} were compared")
        return f"compared: {' '.join(compared)}"


if __name__ == "__main__":
    run_cases([whole, hosts, sensitive, limits, builds])
