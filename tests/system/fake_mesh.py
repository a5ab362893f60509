#!/usr/bin/env python3
"""A stand-in for the processes and the supervisor of the mesh rack8, for tests of relay and dashboard.

Publishes telemetry (docs/telemetry.md) to DIR/relay.pub every 100 ms and answers requests
(docs/commands.md) at DIR/sup.cmd. The flows are the DC solution of the network, so currents add up
at every node and powers to what the feeds give. kill, start, cut, heal, pause, resume, load act. DIR/fake.up says that
it can be asked.

    fake_mesh.py --dir DIR [--garbage]      --garbage: broken messages among the good ones
"""
import argparse
import os
import signal
import sys
import time

import msgpack
import zmq

STEP_NS = 100_000
FEEDS = {"n1": 48.5, "n3": 48.5, "n6": 48.5}
DROOP_OHM = 0.01536
RATED_A = 62.5
NODES = [f"n{i}" for i in range(1, 9)]
LINKS = {f"l{i}": ends for i, ends in enumerate(
    [("n1", "n2"), ("n2", "n3"), ("n3", "n4"), ("n4", "n5"), ("n5", "n6"), ("n6", "n7"), ("n7", "n8"),
     ("n8", "n1"), ("n1", "n5"), ("n2", "n6"), ("n3", "n7"), ("n4", "n8")], 1)}
LINK_OHM = {link: 0.01 if int(link[1:]) <= 8 else 0.02 for link in LINKS}
MODULES = {"m1": ("n1", "n2", 180), "m2": ("n1", "n8", 150), "m3": ("n2", "n1", 120),
           "m4": ("n4", "n5", 300), "m5": ("n3", "n4", 170), "m6": ("n3", "n2", 400),
           "m7": ("n5", "n6", 160), "m8": ("n6", "n7", 250), "m9": ("n7", "n6", 140),
           "m10": ("n8", "n7", 200)}


class Mesh:
    def __init__(self):
        self.alive = {p: True for p in [*NODES, *MODULES]}
        self.inc = {p: 1 for p in self.alive}
        self.exit = {p: "" for p in self.alive}
        self.seq = {p: 0 for p in self.alive}
        self.event_seq = {p: 0 for p in self.alive}
        self.open = set()
        self.load = {n: 60.0 for n in NODES}
        self.joule = {p: {"source": 0.0, "useful": 0.0, "loss": 0.0} for p in self.alive}
        self.v = {n: 48.0 for n in NODES}
        self.k = 0
        self.state = "running"

    def owner(self, module):
        a, b, _ = MODULES[module]
        return 0 if self.alive[a] else 1 if self.alive[b] else -1

    def closed(self, link):
        return link not in self.open and all(self.alive[n] for n in LINKS[link])

    def demand(self, node):
        served = [m for m in MODULES if self.alive[m] and self.owner(m) >= 0
                  and MODULES[m][self.owner(m)] == node]
        return self.load[node] + sum(MODULES[m][2] for m in served)

    def solve(self):
        """Node voltages by Gauss-Seidel on current balances."""
        for _ in range(400):
            for n in NODES:
                if not self.alive[n]:
                    continue
                g, i = (1 / DROOP_OHM, FEEDS[n] / DROOP_OHM) if n in FEEDS else (0.0, 0.0)
                for link, ends in LINKS.items():
                    if n in ends and self.closed(link):
                        other = ends[1 - ends.index(n)]
                        g += 1 / LINK_OHM[link]
                        i += self.v[other] / LINK_OHM[link]
                if g:
                    self.v[n] = (i - self.demand(n) / self.v[n]) / g

    def current(self, link, node):
        """Out of the node."""
        a, b = LINKS[link]
        other = b if node == a else a
        return (self.v[node] - self.v[other]) / LINK_OHM[link] if self.closed(link) else 0.0


def common(mesh, proc, /, **more):
    return {"t_ns": mesh.k * STEP_NS, "k": mesh.k, "seq": mesh.seq[proc], "inc": mesh.inc[proc],
            "speed": 1.0, "state": mesh.state, **more}


def node_messages(mesh, n, dt):
    v = mesh.v[n]
    feed_i = (FEEDS[n] - v) / DROOP_OHM if n in FEEDS else 0.0
    joule = mesh.joule[n]
    joule["source"] += v * feed_i * dt
    joule["useful"] += mesh.load[n] * dt
    links = [(link, mesh.current(link, n)) for link, ends in LINKS.items() if n in ends]
    joule["loss"] += sum(i * i * LINK_OHM[link] / 2 for link, i in links) * dt
    yield f"t1.node.{n}", common(
        mesh, n, mesh="rack8", v_v=v, v_min_v=v - 0.02, v_max_v=v + 0.02, v_sc_v=v, feed_i_a=feed_i,
        feed_i_avg_a=feed_i, loading=feed_i / RATED_A, load_p_w=mesh.load[n], served=1,
        temp_degc=41.0, available=1.0, fault_g_s=0.0,
        source_j=joule["source"], useful_j=joule["useful"], loss_j=joule["loss"], unserved_j=0.0)
    for link, i in links:
        yield f"t1.link.{link}", common(mesh, n, end=n, link_state=2 if mesh.closed(link) else 0, i_a=i,
                                        i_avg_a=i, net_j=0.0, wave_j=0.0, p_w=v * i)


def module_messages(mesh, m, dt):
    a, b, power = MODULES[m]
    owner = mesh.owner(m)
    served = owner >= 0
    mesh.joule[m]["useful"] += power * dt * served
    v_in = mesh.v[MODULES[m][owner]] - 0.05 if served else 0.0
    cpu = int(m[1:]) not in (4, 6, 8, 10)
    yield f"t1.module.{m}", common(
        mesh, m, mesh="rack8", v_in_v=v_in, v_in_min_v=v_in, v_in_max_v=v_in, v_v=0.8 if cpu else v_in,
        i_a=power / (0.8 if cpu else 48), p_w=power * served, demand_w=power, served=int(served),
        owner=owner, epoch=mesh.inc[m] + (owner == 1), phase=0, temp_degc=48.0 if cpu else 0.0,
        throughput=1.0 if cpu else 0.0, errors=0.0, useful_j=mesh.joule[m]["useful"], loss_j=0.0,
        unserved_j=0.0, **{f"in.{a}.live": 1, f"in.{a}.i_a": 0.0, f"in.{b}.live": 1, f"in.{b}.i_a": 0.0})


def event(mesh, proc, name, key, subject, a=0.0, b=0.0):
    mesh.event_seq[proc] += 1
    body = common(mesh, proc, kind="node" if proc in NODES else "module", proc=proc, event=name, key=key,
                  name=subject, a=float(a), b=float(b), c=0.0, d=0.0)
    body["seq"] = mesh.event_seq[proc]
    return "t1.event", body


def act(mesh, verb, target, request):
    """Returns the events of a request, or the text of an error."""
    def openings(links, cause, at):
        for link in links:
            for end in LINKS[link]:
                if mesh.alive[end] and end != at:
                    yield event(mesh, end, "link.open", "link", link, cause, mesh.k - 1)

    if verb in ("pause", "resume"):
        mesh.state = "paused" if verb == "pause" else "running"
        return []
    if verb in ("kill", "start"):
        if target not in mesh.alive:
            return f"no process '{target}'"
        if mesh.alive[target] == (verb == "start"):
            return f"{target} is {'running' if mesh.alive[target] else 'dead'}"
        links = [link for link in LINKS if target in LINKS[link] and link not in mesh.open]
        if verb == "kill":
            mesh.alive[target] = False
            mesh.exit[target] = f"SIGKILL, by request, step {mesh.k}"
            takeovers = [event(mesh, m, "takeover", "module", "", 1, 2)
                         for m in MODULES if MODULES[m][0] == target and mesh.alive[m]]
            return [*openings(links, 1, target), *takeovers]
        mesh.alive[target] = True
        mesh.inc[target] += 1
        mesh.seq[target] = 0
        mesh.exit[target] = ""
        return [event(mesh, target, "joined", "subject", "", mesh.inc[target])]
    if verb in ("cut", "heal"):
        if target not in LINKS:
            return f"no link '{target}'"
        (mesh.open.add if verb == "cut" else mesh.open.discard)(target)
        if verb == "cut":
            return list(openings([target], 2, None))
        return [event(mesh, end, "link.close", "link", target, 2) for end in LINKS[target]]
    if verb == "load":
        if target not in mesh.load or not isinstance(request.get("level_w"), (int, float)):
            return "load: node and level_w wanted"
        mesh.load[target] = float(request["level_w"])
        return []
    return [] if verb == "down" else f"unknown verb '{verb}'"


def status(mesh):
    return {"mesh": "rack8", "seed": 42, "topology": "rack8.yaml", "run_dir": "/nonexistent", "pid": os.getpid(),
            "k": mesh.k, "t_ns": mesh.k * STEP_NS, "step_ns": STEP_NS, "end_k": -1, "speed": 1.0,
            "state": mesh.state, "overruns": 0,
            "processes": [{"id": p, "kind": "node" if p in NODES else "module", "pid": 1,
                           "incarnation": mesh.inc[p], "state": "running" if mesh.alive[p] else "dead",
                           "k": mesh.k, "exit": mesh.exit[p]} for p in mesh.alive]}


def answer(mesh, request):
    verb, target = request.get("verb"), request.get("target", "")
    if verb == "status":
        return {"ok": True, "code": 0, "text": "", "data": status(mesh)}, []
    events = act(mesh, verb, target, request)
    if isinstance(events, str):
        return {"ok": False, "code": 64, "text": events, "data": None}, []
    return {"ok": True, "code": 0, "text": f"{verb} {target}: done".strip(), "data": {"step": mesh.k}}, events


GARBAGE = [[b"t1.node.n1"], [b"t1.node.n1", b""], [b"t1.node.n1", b"\xdf\xff\xff\xff\xff"],
           [b"t1.node.n1", msgpack.packb([1])], [b"t1.node.", msgpack.packb({})],
           [b"t1.node.n1", msgpack.packb({"t_ns": 1})], [b"t1.what.n1", msgpack.packb({})],
           [b"t1.node.n1", msgpack.packb({}), b"more"]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--garbage", action="store_true")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    context = zmq.Context()
    pub, cmd = context.socket(zmq.PUB), context.socket(zmq.ROUTER)
    for socket in (pub, cmd):
        socket.linger = 0
    pub.connect(f"ipc://{args.dir}/relay.pub")
    cmd.bind(f"ipc://{args.dir}/sup.cmd")
    with open(f"{args.dir}/fake.up", "w", encoding="ascii"):
        pass
    mesh, answered, last = Mesh(), {}, time.monotonic()
    due = last
    while True:
        if cmd.poll(max(0, int((due - time.monotonic()) * 1000))):
            *route, body = cmd.recv_multipart()
            request = msgpack.unpackb(body)
            reply, events = answered.get(request["id"], (None, []))
            if reply is None:
                reply, events = answer(mesh, request)
            if request["verb"] != "status":
                answered[request["id"]] = (reply, [])
            for topic, body in events:
                pub.send_multipart([topic.encode(), msgpack.packb(body)])
            cmd.send_multipart([*route, msgpack.packb({"id": request["id"], **reply})])
            continue
        now = time.monotonic()
        due = now + 0.1
        dt = now - last if mesh.state == "running" else 0.0
        last = now
        steps = int(dt * 1e9 / STEP_NS)
        mesh.k += steps
        mesh.solve()
        for p in mesh.alive:
            if not mesh.alive[p]:
                continue
            mesh.seq[p] += 1
            messages = node_messages if p in NODES else module_messages
            for topic, body in messages(mesh, p, steps * STEP_NS * 1e-9):
                pub.send_multipart([topic.encode(), msgpack.packb(body)])
        for parts in GARBAGE if args.garbage else []:
            pub.send_multipart(parts)


if __name__ == "__main__":
    main()
