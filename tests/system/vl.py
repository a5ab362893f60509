"""For tests of real meshes: not a test itself.

A Home is a place of its own: socket, state and temporary directories, and a mark in the environment
that every process started from it inherits. A Mesh is one `voltloom up` there. Everything goes
through the command line; waiting is waiting for a condition, with a deadline. Only pids that
`voltloom ps --json` of the own mesh names, and that carry the mark, are ever signalled.

Needs VL_BIN (folder of the programs) and VL_SRC (the checkout), as scripts/run-tests sets them.
"""
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback

BIN = os.path.abspath(os.environ["VL_BIN"])
SRC = os.path.abspath(os.environ["VL_SRC"])
NIGHTLY = bool(os.environ.get("VL_NIGHTLY"))
PATIENCE_S = 30.0  # for what takes milliseconds on an idle machine
GONE_S = 1.0       # nothing may be left this long after the supervisor was killed
LOOK_S = 0.01


class Failure(Exception):
    pass


def check(ok, text):
    if not ok:
        raise Failure(text() if callable(text) else text)


def until(condition, what, seconds=PATIENCE_S):
    """Waits until condition() is true, and returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        late = time.monotonic() > end  # looked at once more after the deadline
        got = condition()
        if got:
            return got
        if late:
            raise Failure(f"after {seconds:g} s still not so: {what() if callable(what) else what}")
        time.sleep(LOOK_S)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def topology(name, **mesh):
    """Text of topologies/NAME.yaml with other keys of `mesh:`, each of which must not be there yet."""
    text = read(f"{SRC}/topologies/{name}.yaml")
    flow = "".join(f", {k}: {v}" for k, v in mesh.items())
    block = "".join(f"\n  {k}: {v}" for k, v in mesh.items())
    for key in mesh:
        check(not re.search(rf"\b{key}:", text), f"{name} has '{key}' already")
    out = text.replace(f"mesh: {{ name: {name}", f"mesh: {{ name: {name}{flow}", 1)
    if out == text:
        out = text.replace(f"  name: {name}\n", f"  name: {name}{block}\n", 1)
    check(not mesh or out != text, f"{name}: no 'mesh:' to change")
    return out


def ends_of(text):
    """Nodes, {link: (node, node)} and {module: [nodes]} of a topology with one entry per line."""
    entry = re.compile(r"^\s*- (?:\{ )?id: (\w+)(.*)$", re.M)
    nodes, links, modules = [], {}, {}
    for name, rest in entry.findall(text):
        between = re.search(r"between: \[(\w+), (\w+)\]", rest)
        feeds = re.search(r"feeds: \[([\w, ]+)\]", rest)
        if between:
            links[name] = between.groups()
        elif feeds:
            modules[name] = feeds.group(1).split(", ")
        else:
            nodes.append(name)
    return nodes, links, modules


class Result:
    def __init__(self, args, status, out, err):
        self.args, self.status, self.out, self.err = args, status, out, err

    def __str__(self):
        return (f"voltloom {' '.join(self.args)}: exit status {self.status}\n--- stdout\n"
                f"{self.out[-2000:]}--- stderr\n{self.err[-2000:]}")

    def wants(self, status, *words):
        """This exit status, and these words somewhere in what it printed."""
        check(self.status == status, lambda: f"wanted exit status {status}: {self}")
        for word in words:
            check(word in self.out + self.err, lambda w=word: f"'{w}' is not said: {self}")
        return self

    def json(self):
        return [json.loads(line) for line in self.out.splitlines()]


class Home:
    made = 0

    def __init__(self, bin_dir=BIN):
        Home.made += 1
        self.dir = tempfile.mkdtemp(prefix="h")
        self.bin = bin_dir
        self.mark = f"{os.getpid()}.{Home.made}"
        self.run_root = f"{self.dir}/s/voltloom/runs"
        self.env = dict(os.environ, VL_HOME_MARK=self.mark, XDG_RUNTIME_DIR=f"{self.dir}/r",
                        XDG_STATE_HOME=f"{self.dir}/s", TMPDIR=self.dir, HOME=self.dir)
        os.mkdir(f"{self.dir}/r", 0o700)
        self.children = []

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        """Whatever happened, nothing stays; a case that went well must have left nothing."""
        try:
            if kind is None:
                self.check_empty()
        finally:
            self.end_all()
            if not (kind and os.environ.get("VL_KEEP")):  # VL_KEEP=1: to look at a failure
                shutil.rmtree(self.dir, ignore_errors=True)

    def file(self, name, text, mode=0o644):
        return write(f"{self.dir}/{name}", text, mode)

    def argv(self, args):
        return [f"{self.bin}/voltloom", *args]

    def vl(self, *args, timeout=120, env=None, prefix=()):
        try:
            p = subprocess.run([*prefix, *self.argv(args)], capture_output=True, text=True,
                               stdin=subprocess.DEVNULL, timeout=timeout, env=env or self.env,
                               cwd=self.dir, errors="replace")
        except subprocess.TimeoutExpired:
            raise Failure(f"voltloom {' '.join(args)} has not ended after {timeout} s") from None
        return Result(args, p.returncode, p.stdout, p.stderr)

    def ok(self, *args, **kw):
        return self.vl(*args, **kw).wants(0)

    def start(self, *args, prefix=()):
        """In the background; what it prints goes to two files. Waited for by end()."""
        n = len(self.children)
        out, err = f"{self.dir}/out.{n}", f"{self.dir}/err.{n}"
        with open(out, "wb") as o, open(err, "wb") as e:
            p = subprocess.Popen([*prefix, *self.argv(args)], stdin=subprocess.DEVNULL, stdout=o,
                                 stderr=e, env=self.env, cwd=self.dir)
        p.vl_args, p.vl_out, p.vl_err = args, out, err
        self.children.append(p)
        return p

    def end(self, p, seconds=PATIENCE_S):
        try:
            p.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"voltloom {' '.join(p.vl_args)} has not ended after {seconds:g} s:\n"
                          f"{read(p.vl_err)}") from None
        return Result(p.vl_args, p.returncode, read(p.vl_out), read(p.vl_err))

    # ---- what is left ------------------------------------------------------------------------

    def marked(self):
        """pids of processes that were started from here. A zombie has no environment."""
        want, found = f"VL_HOME_MARK={self.mark}".encode(), []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if want in f.read().split(b"\0"):
                        found.append(int(pid))
            except OSError:
                pass  # gone, or not ours
        return found

    def sockets(self):
        """Sockets, and socket directories of meshes."""
        found = []
        for root in (f"{self.dir}/r/vl", f"{self.dir}/vl-{os.geteuid()}"):
            if os.path.isdir(root):
                found += [f"{root}/{name}" for name in os.listdir(root)]
        for folder, _, names in os.walk(self.dir):
            for name in names:
                path = f"{folder}/{name}"
                try:
                    if stat.S_ISSOCK(os.lstat(path).st_mode):
                        found.append(path)
                except OSError:
                    pass
        return found

    def check_no_process(self, seconds=PATIENCE_S):
        until(lambda: not self.marked(),
              lambda: "no process is left; there are " + ", ".join(map(describe, self.marked())),
              seconds)

    def check_empty(self, seconds=PATIENCE_S):
        self.check_no_process(seconds)
        check(not self.sockets(), lambda: f"left behind: {self.sockets()}")

    def end_all(self):
        """Only processes that carry the mark of this home."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            pids = self.marked()
            for pid in pids:
                signal_marked(pid, self.mark, signal.SIGKILL)
            if not pids:
                break
            time.sleep(LOOK_S)
        for p in self.children:
            p.wait()

    def latest(self, name):
        root = f"{self.run_root}/{name}"
        return f"{root}/{max(n for n in os.listdir(root) if n[0].isdigit())}"


class Programs:
    """A folder with the programs; one has another content (text or bytes), or is missing (None)."""

    def __init__(self, name, text):
        self.name, self.text = name, text

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="b")
        for name in ("voltloom", "voltloom-node", "voltloom-module", "voltloom-relay"):
            shutil.copy2(f"{BIN}/{name}", f"{self.dir}/{name}")
        self.put(self.text)
        return self.dir

    def put(self, text):
        path = f"{self.dir}/{self.name}"
        if os.path.exists(path):
            os.unlink(path)  # not written over: it may be running
        if isinstance(text, bytes):
            with open(path, "wb") as f:
                f.write(text)
            os.chmod(path, 0o755)
        elif text is not None:
            write(path, text, 0o755)

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)


def describe(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f"{pid} {f.read().replace(bytes(1), b' ').decode(errors='replace')[:150]}"
    except OSError:
        return str(pid)


def signal_marked(pid, mark, signo):
    """By pidfd: the pid cannot become another process' between the look and the signal."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            if f"VL_HOME_MARK={mark}".encode() not in f.read().split(b"\0"):
                return False
        signal.pidfd_send_signal(fd, signo)
        return True
    except (ProcessLookupError, FileNotFoundError):
        return False
    finally:
        os.close(fd)


class Mesh:
    """A mesh that is up, detached."""

    def __init__(self, home, path, *args):
        self.home, self.path = home, path
        self.up = home.vl("up", path, "--detach", "--json", *args).wants(0).json()[-1]
        self.name, self.run_dir, self.sock_dir = (self.up[k] for k in ("mesh", "run_dir", "sock_dir"))

    def vl(self, verb, *args):
        return self.home.vl(verb, *args, "--mesh", self.name)

    def do(self, verb, *args):
        return self.vl(verb, *args).wants(0)

    def look(self):
        got = self.do("ps", "--json").json()
        check(len(got) == 1 and "processes" in got[0], lambda: f"ps does not answer: {got}")
        return got[0]

    def ps(self):
        return {p["id"]: p for p in self.look()["processes"]}

    def alive(self):
        return [p["id"] for p in self.ps().values() if p["pid"]]

    def signal(self, name, signo):
        """A signal from outside, as a user would send it from another terminal."""
        pid = self.up["pid"] if name == "supervisor" else self.ps()[name]["pid"]
        check(pid > 1, f"{name} has no process")
        check(signal_marked(pid, self.home.mark, signo), f"{name} ({pid}) is not ours, or gone")
        return pid

    def until_dead(self, name):
        return until(lambda: self.ps()[name]["pid"] == 0 and self.ps()[name]["exit"],
                     lambda: f"{name} is dead; it is {self.ps()[name]}")

    def check_steps(self, more=3):
        """Every living process steps on from where it is now."""
        was = {p["id"]: p for p in self.ps().values() if p["pid"]}
        check(was, "nobody lives")

        def moved():
            now = self.ps()
            return all(now[n]["incarnation"] != p["incarnation"] or now[n]["k"] >= p["k"] + more
                       for n, p in was.items())
        until(moved, lambda: f"every living process steps: {was} -> {self.ps()}, {self.lines()}")

    def lines(self):
        return read(f"{self.run_dir}/supervisor.log")

    def until_said(self, text):
        until(lambda: text in self.lines(), lambda: f"'{text}' in {self.lines()}")

    def events(self, wanted=None):
        args = ["events", "--run", self.run_dir, "--json"] + ([wanted] if wanted else [])
        return self.home.ok(*args).json()

    def down(self, *words):
        total = self.up["total"]
        self.do("down").wants(0, f"{self.name} stopped: {total}/{total} exited, 0 left behind", *words)
        self.home.check_no_process(GONE_S)
        check(not os.path.exists(self.sock_dir), f"{self.sock_dir} is left")

    def host(self):
        return json.loads(read(f"{self.run_dir}/host.json"))


def run_cases(cases):
    """Runs all (or those named on the command line); the last line says how many failed."""
    if not os.access(f"{BIN}/voltloom", os.X_OK):
        sys.exit(f"{BIN} (VL_BIN) holds no voltloom")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that homes end what is theirs
    named = sys.argv[1:]
    for name in named:
        if name not in [c.__name__ for c in cases]:
            sys.exit(f"no case '{name}'; there are {', '.join(c.__name__ for c in cases)}")
    failed = []
    for case in cases:
        if named and case.__name__ not in named:
            continue
        start = time.monotonic()
        try:
            word = case() or "ok"
        except Failure as e:
            failed.append(case.__name__)
            word = f"FAILED: {e}"
        except Exception:  # a fault of the test is a failure too, and the others still run
            failed.append(case.__name__)
            word = f"FAILED: {traceback.format_exc()}"
        print(f"{case.__name__:32} {time.monotonic() - start:6.2f} s  {word}", flush=True)
    print(f"failed: {' '.join(failed)}" if failed else "all passed")
    sys.exit(1 if failed else 0)
