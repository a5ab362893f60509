#!/usr/bin/python3
"""The developer scripts catch what they are there to catch: each check is shown a planted error."""
import os
import re
import subprocess
import sys
import tempfile

SRC = os.environ["VL_SRC"]
BIN = os.environ["VL_BIN"]

failed = 0


def expect(what, ok, evidence=""):
    global failed
    print(f"{'ok  ' if ok else 'FAIL'} {what}")
    if not ok:
        failed += 1
        print(evidence)


def call(*args, **env):
    p = subprocess.run(args, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                       env=dict(os.environ, **env))
    return p.returncode, p.stdout + p.stderr


def script(folder, name, text):
    path = f"{folder}/test_{name}.sh"
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def runner(tmp):
    good = script(tmp, "good", "exit 0\n")
    bad = script(tmp, "bad", "echo the reason; exit 3\n")
    skip = script(tmp, "skip", "echo no such tool; exit 77\n")
    hang = script(tmp, "hang", "exec sleep 1000\n")
    stray = script(tmp, "stray", "setsid sleep 1000 >/dev/null 2>&1 &\nexit 0\n")
    check = script(tmp, "check", "echo '50%: Checks: 4, Failures: 1, Errors: 1'; exit 1\n")
    none = script(tmp, "none", "echo '100%: Checks: 0, Failures: 0, Errors: 0'\n")
    crash = script(tmp, "crash", "kill -SEGV $$\n")
    cases = [  # programs, exit status, closing line, words of the output
        ([good], 0, "1 passed, 0 failed", "ok "),
        ([good, bad], 1, "1 passed, 1 failed", "the reason"),
        ([good, skip], 0, "1 passed, 0 failed", "no such tool"),
        ([hang], 1, "0 passed, 1 failed", "timed out after 1 s"),
        ([stray], 1, "1 passed, 1 failed", "left behind:"),
        ([check], 1, "2 passed, 2 failed", "2 of 4 checks failed"),
        ([none], 1, "0 passed, 1 failed", "no check ran"),
        ([crash], 1, "0 passed, 1 failed", "signal 11"),
        ([f"{tmp}/absent.sh"], 1, "0 passed, 1 failed", "No such file"),
        ([], 1, "0 passed, 0 failed", ""),
    ]
    for programs, status, closing, words in cases:
        got, out = call(f"{SRC}/scripts/run-tests", "--timeout", "1", "--tmp", tmp, "--suite", "s", *programs)
        ok = got == status and out.rstrip().split("\n")[-1] == closing and words in out
        expect(f"run-tests: {[os.path.basename(p) for p in programs]}", ok, out)


def bare_exchange():
    line = re.compile(r"procs (\d+) steps (\d+) seconds \S+ steps_per_s (\S+) cpu_us_per_step (\S+)")
    program = f"{BIN}/tests/bench/bare_exchange"
    if not os.path.exists(program):
        print("SKIP bare_exchange: not built (make bench-bins)")
        return
    runtime = os.environ["XDG_RUNTIME_DIR"]
    for more in ((), ("--seqpacket",)):
        for graph, procs in (("ring:3", 3), ("torus:2x3", 6)):
            status, out = call(program, "--seconds", "0.1", *more, graph)
            found = line.fullmatch(out.strip())
            ok = status == 0 and found and int(found[1]) == procs and float(found[3]) > 0 \
                and float(found[4]) > 0 and not os.listdir(runtime)
            expect(f"bare_exchange {' '.join(more)} {graph}", ok, out)
    for graph in ("ring:1", f"{runtime}/absent"):
        status, out = call(program, graph)
        expect(f"bare_exchange refuses {os.path.basename(graph)}", status == 4, out)


def libraries():
    """Hundreds of these processes may run: what they load counts (docs/decisions/0001)."""
    for program in ("voltloom-node", "voltloom-module"):
        status, out = call("objdump", "-p", f"{BIN}/{program}")
        needed = re.findall(r"NEEDED\s+(\S+)", out)
        heavy = [n for n in needed if re.match(r"lib(crypto|yaml|czmq|ncurses)", n)]
        expect(f"{program} loads libzmq and no library that it does not need",
               status == 0 and any(n.startswith("libzmq") for n in needed) and not heavy, out)


def installed():
    """What `make install` lays out runs from there, and `make uninstall` takes it away."""
    with tempfile.TemporaryDirectory() as tmp:
        where = ("-s", "-C", SRC, f"DESTDIR={tmp}", "PREFIX=/opt/vl")
        status, out = call("make", *where, "install")
        expect("make install", status == 0, out)
        voltloom = f"{tmp}/opt/vl/bin/voltloom"
        mesh = f"{tmp}/opt/vl/share/voltloom/topologies/tri3.yaml"
        status, out = call(voltloom, "run", mesh, "--for", "10ms", "--out", f"{tmp}/run")
        expect("the installed voltloom finds its helpers and runs a mesh",
               status == 0 and re.search(r"^trace [0-9a-f]{64}$", out, re.M), out)
        status, out = call("make", *where, "uninstall")
        left = [os.path.join(d, f) for d, _, files in os.walk(f"{tmp}/opt") for f in files]
        expect("make uninstall", status == 0 and not left, out + str(left))


def main():
    status, out = call(f"{SRC}/scripts/check-includes", "--self-test")
    expect("check-includes finds planted errors", status == 0, out)
    with tempfile.TemporaryDirectory() as tmp:
        runner(tmp)
    bare_exchange()
    libraries()
    installed()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
