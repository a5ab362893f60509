#!/usr/bin/python3
"""Random schedules of SIGKILL, SIGSTOP, restart, cut, heal and pause with real processes, on tri3, rack8
and generated lines and rings with modules: life.py says what must be true.

    VL_SEED=17 VL_COUNT=1 test_life_real.py     one schedule again
"""
import os
import random
import re

from life import PRECHARGE, RACK8, STALL, TRI3, Life
from vl import BIN, NIGHTLY, Failure, Home, check, run_cases

COUNT = int(os.environ.get("VL_COUNT") or (200 if NIGHTLY else 12))
FAILURES_SHOWN = 5
SEED = int(os.environ.get("VL_SEED") or 1)


def generated(rng):
    """A line or a ring of 3 to 5 nodes with feeds at two of them, and modules with one or two feeds."""
    n, ring = rng.randint(3, 5), rng.random() < 0.5
    feeds = {1, rng.randint(2, n)}
    rows = [f"mesh: {{ name: {'ring' if ring else 'line'}{n}, stall: {STALL}, "
            f"port_period: {rng.choice([1, 2, 5])}, seed: {rng.randint(1, 999)}, "
            f"control: {rng.choice(['none', 'droop', 'consensus'])} }}", "nodes:"]
    for i in range(1, n + 1):
        feed = "feed: { i_rated: 31.25A }, " if i in feeds else ""
        rows.append(f"  - {{ id: n{i}, c_bus: 100mF, {feed}load: [[0ms, {rng.randint(20, 200)}W, 1ms]] }}")
    rows.append("links:")
    for i in range(1, n + ring):
        rows.append(f"  - {{ id: l{i}, between: [n{i}, n{i % n + 1}], r: 15mOhm, l: 2uH, {PRECHARGE} }}")
    rows.append("modules:")
    for i in range(1, rng.randint(2, 4)):
        on = rng.sample([f"n{j}" for j in range(1, n + 1)], rng.randint(1, 2))
        kind = rng.choice(["class: fixed, power: 150W", "class: cpu"])
        rows.append(f"  - {{ id: m{i}, {kind}, feeds: [{', '.join(on)}] }}")
    return "voltloom: 1\n" + "\n".join(rows) + "\n"


def op_kill(life, rng):
    life.kill(rng.choice(sorted(life.up())))


def op_kill_outside(life, rng):
    life.kill_outside([rng.choice(sorted(life.up()))])


def op_kill_two(life, rng):
    """Two that share a channel, so that each dies while it may be telling the other."""
    pairs = [e for e in life.channels.values() if not set(e) & life.dead]
    if pairs and len(life.up()) > 2:
        life.kill_outside(list(rng.choice(pairs)))


def op_start(life, rng):
    if life.dead:
        life.start(rng.choice(sorted(life.dead)))


def op_restart(life, rng):
    name = rng.choice(sorted(life.up()))
    life.kill(name)
    life.start(name)


def op_stop_cont(life, rng):
    name = rng.choice(sorted(life.up()))
    life.mesh.do("stop", name)
    check(life.mesh.ps()[name]["state"] == "stopped", f"{name} is not shown as stopped")
    life.mesh.do("cont", name)


def op_hang(life, rng):
    if not any(cause.startswith("stalled") for _, _, cause, _ in life.deaths):  # once: it takes time
        life.hang(rng.choice(sorted(life.up())))


def op_cut(life, rng):
    life.settle()
    able = sorted(c for c, e in life.links.items() if c not in life.cut | life.unsure
                  and not set(e) & life.dead)
    if able:
        link = rng.choice(able)
        step = life.mesh.do("cut", link).wants(0, f"{link}: open at step ").err
        life.cut.add(link)
        life.check_steps()
        at = int(re.search(r"at step (\d+)", step).group(1))
        ends = sorted(e["proc"] for e in life.mesh.events(f"link.open cause=cut link={link}")
                      if e["step"] == at)
        check(ends == sorted(life.links[link]), f"{link} was cut at step {at}, which {ends} recorded")


def op_heal(life, rng):
    able = sorted(c for c in life.cut - life.unsure if not set(life.links[c]) & life.dead)
    if able:
        link = rng.choice(able)
        life.mesh.do("heal", link)
        life.cut.discard(link)


def op_paused(life, rng):
    """What dies while the clock stands is noticed when it goes on."""
    life.mesh.do("pause")
    if rng.random() < 0.6 and len(life.up()) > 1:
        op_kill(life, rng)
    if rng.random() < 0.3:
        life.mesh.do("step", "2")
    if rng.random() < 0.3:
        op_start(life, rng)
    life.mesh.do("resume")


def op_relay(life, _):
    life.mesh.do("kill", "relay")


OPS = [(op_kill, 4), (op_kill_outside, 3), (op_kill_two, 3), (op_start, 8), (op_restart, 3),
       (op_stop_cont, 2), (op_hang, 1), (op_cut, 2), (op_heal, 2), (op_paused, 2), (op_relay, 1)]
KILLS = (op_kill, op_kill_outside, op_kill_two, op_restart, op_hang)


def one_schedule(seed):
    rng = random.Random(seed)
    shape = seed % 4
    text = (TRI3 if shape == 1 else RACK8 if shape == 3 else generated(rng))
    done = []
    with Home() as home:
        try:
            life = Life(home, text, *(["--no-pin"] if rng.random() < 0.3 else []))
            for _ in range(rng.randint(5, 10)):
                op = rng.choices([o for o, _ in OPS], [w for _, w in OPS])[0]
                if op in KILLS and len(life.up()) < 2:
                    continue
                done.append(op.__name__)
                op(life, rng)
                if rng.random() < 0.5:
                    life.check_steps()
            life.finish()
        except Failure as e:
            raise Failure(f"seed {seed} ({' '.join(done)}): {e}\nagain: VL_SEED={seed} VL_COUNT=1 "
                          f"VL_BIN={BIN} VL_SRC=... tests/system/test_life_real.py") from None
    return len(life.deaths)


def schedules():
    deaths, failed = 0, []
    for seed in range(SEED, SEED + COUNT):
        try:
            deaths += one_schedule(seed)
        except Failure as e:
            failed.append(str(e))
            if len(failed) == FAILURES_SHOWN:
                break
    check(not failed, "\n".join(failed))
    return f"{COUNT} schedules from seed {SEED}, {deaths} deaths"


if __name__ == "__main__":
    run_cases([schedules])
