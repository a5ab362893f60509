#!/usr/bin/python3
"""The relay: telemetry and requests pass, it may be killed and started again, it dies with its parent."""
import os
import signal
import subprocess
import sys
import tempfile
import time

try:
    import msgpack
    import zmq
except ImportError as missing:
    print(f"SKIP: {missing}")
    sys.exit(77)

SRC = os.environ.get("VL_SRC") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
RELAY = os.path.join(os.environ.get("VL_BIN", SRC), "voltloom-relay")
PATIENCE_S = 20
children = []


def spawn(*args, **kwargs):
    child = subprocess.Popen([str(a) for a in args], **kwargs)
    children.append(child)
    return child


def check(what, truth, seen=""):
    if not truth:
        raise SystemExit(f"FAIL: {what} {seen}")


def until(what, probe):
    """Asks again until there is an answer."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        answer = probe()
        if answer:
            return answer
        time.sleep(0.01)
    raise SystemExit(f"FAIL: {what}: not within {PATIENCE_S} s")


class Client:
    def __init__(self, folder, topic=b"t1."):
        self.context = zmq.Context()
        self.sub, self.cmd = self.context.socket(zmq.SUB), self.context.socket(zmq.DEALER)
        for line in (self.sub, self.cmd):
            line.linger = 0
        self.sub.connect(f"ipc://{folder}/relay.sub")
        self.sub.subscribe(topic)
        self.cmd.connect(f"ipc://{folder}/relay.cmd")

    def hear(self, timeout_s=PATIENCE_S):
        if not self.sub.poll(int(timeout_s * 1000)):
            return None
        topic, body = self.sub.recv_multipart()
        return topic.decode(), msgpack.unpackb(body)

    def drain(self):
        while self.sub.poll(0):
            self.sub.recv_multipart()

    def ask(self, ident, verb, **more):
        """As docs/commands.md says: again with the same id until it is answered."""
        request = msgpack.packb({"id": ident, "verb": verb, **more})
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.cmd.send(request)
            while self.cmd.poll(1000):
                reply = msgpack.unpackb(self.cmd.recv())
                if reply["id"] == ident:
                    return reply
        raise SystemExit(f"FAIL: no answer to {verb}")

    def close(self):
        self.sub.close()
        self.cmd.close()
        self.context.term()


def telemetry(client):
    topics, flows, deadline = set(), {}, time.monotonic() + PATIENCE_S
    while len(topics) < 8 + 12 + 10 and time.monotonic() < deadline:
        heard = client.hear()
        check("telemetry arrives", heard)
        topic, body = heard
        topics.add(topic)
        for key in ("t_ns", "k", "seq", "inc", "speed", "state"):
            check(f"{topic} has {key}", key in body, body)
        if topic.startswith("t1.link."):
            flows.setdefault((topic, body["k"]), {})[body["end"]] = body["i_a"]
    check("every topic is heard", len(topics) == 30, sorted(topics))
    pairs = [ends for ends in flows.values() if len(ends) == 2]
    check("both ends of links are heard", pairs)
    for ends in pairs:
        check("what leaves one end enters the other", abs(sum(ends.values())) < 1e-9, ends)


def requests(client):
    reply = client.ask("a1", "status")
    check("status", reply["ok"] and reply["data"]["mesh"] == "rack8", reply)
    reply = client.ask("a2", "cut", target="l1")
    check("cut", reply["ok"], reply)
    check("the same id is answered the same", client.ask("a2", "cut", target="l1") == reply)
    reply = client.ask("a3", "cut", target="l99")
    check("an error comes back", not reply["ok"] and "l99" in reply["text"] and reply["code"] == 64, reply)
    client.ask("a4", "heal", target="l1")
    return reply


def two_clients(folder, first):
    second = Client(folder)
    for i in range(20):
        ids = (f"x{i}", f"y{i}")
        for client, ident in zip((first, second), ids):
            client.cmd.send(msgpack.packb({"id": ident, "verb": "status"}))
        for client, ident in zip((first, second), ids):
            check("an answer", client.cmd.poll(PATIENCE_S * 1000))
            check("its own answer", msgpack.unpackb(client.cmd.recv())["id"] == ident)
    second.close()


def script(folder):
    out = subprocess.run([sys.executable, f"{SRC}/scripts/subscribe.py", folder, "24"], timeout=PATIENCE_S,
                         capture_output=True, text=True, check=True).stdout.splitlines()
    check("subscribe.py prints flows", len(out) == 24 and all(" A " in l and " W" in l for l in out), out)


def restart(folder, relay, mesh, client):
    before = client.ask("b1", "status")["data"]["k"]
    relay.kill()
    relay.wait()
    check("the sockets of the dead are still there", os.path.exists(f"{folder}/relay.pub"))
    relay = spawn(RELAY, "--dir", folder)
    client.drain()
    check("telemetry comes back", client.hear())
    after = client.ask("b2", "status")["data"]["k"]
    check("the mesh went on", after > before and mesh.poll() is None, (before, after))
    return relay


def idle(relay, client):
    def cpu_s():
        with open(f"/proc/{relay.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    client.drain()
    start, used = time.monotonic(), cpu_s()
    while time.monotonic() - start < 1:
        client.hear()
    spent, wall = cpu_s() - used, time.monotonic() - start
    check("it waits instead of spinning", spent < 0.3 * wall, f"{spent:.2f} s in {wall:.2f} s")


def dies_with_parent(folder):
    """A parent that starts it and is killed; the pipe that it inherits closes when it ends."""
    code = ("import os, subprocess, sys\n"
            "p = subprocess.Popen([sys.argv[1], '--dir', sys.argv[2], '--ppid', str(os.getpid())], pass_fds=[int(sys.argv[3])])\n"
            "print(p.pid, flush=True)\n"
            "p.wait()\n")
    read, write = os.pipe()
    parent = spawn(sys.executable, "-c", code, RELAY, folder, write, pass_fds=[write], stdout=subprocess.PIPE, text=True)
    os.close(write)
    check("the parent started it", int(parent.stdout.readline()) > 0)
    until("the relay listens", lambda: os.path.exists(f"{folder}/relay.cmd"))
    parent.kill()
    parent.wait()
    with os.fdopen(read, "rb") as pipe:
        os.set_blocking(pipe.fileno(), False)
        until("the relay ends with its parent", lambda: pipe.read() == b"")


def arguments(folder):
    def run(*args):
        done = subprocess.run([RELAY, *args], timeout=PATIENCE_S, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    check("--help", run("--help")[0] == 0)
    check("no --dir", run()[0] == 64)
    check("an unknown option", run("--dir", folder, "--what")[0] == 64)
    check("--ppid x", run("--dir", folder, "--ppid", "x")[0] == 64)
    status, _, talk = run("--dir", folder, "--ppid", "1")
    check("a parent that is not there", status == 4 and "gone" in talk, (status, talk))
    status, _, talk = run("--dir", f"{folder}/not-there")
    check("a folder that is not there", status == 4 and "not-there" in talk, (status, talk))
    status, _, talk = run("--dir", "/tmp/" + 110 * "x")
    check("a path too long for a socket", status == 3 and "107" in talk, (status, talk))


def main():
    with tempfile.TemporaryDirectory(prefix="relay-") as folder:
        relay = spawn(RELAY, "--dir", folder)
        mesh = spawn(sys.executable, f"{SRC}/tests/system/fake_mesh.py", "--dir", folder)
        client = Client(folder)
        telemetry(client)
        requests(client)
        two_clients(folder, client)
        script(folder)
        for _ in range(3):
            relay = restart(folder, relay, mesh, client)
        idle(relay, client)
        relay.send_signal(signal.SIGTERM)
        check("SIGTERM ends it in order", relay.wait(PATIENCE_S) == 0)
        client.close()
        arguments(folder)
    with tempfile.TemporaryDirectory(prefix="relay-") as folder:
        dies_with_parent(folder)
    print("ok")


if __name__ == "__main__":
    try:
        main()
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()
