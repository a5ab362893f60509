#!/usr/bin/env python3
"""How equally feeds share with wrong sensors, without and with self-calibration, over seeds."""
import argparse
import os
import subprocess
import sys

TEXT = """# Sharing with wrong current sensors

Made by `make bench-sharing`. Each seed draws the gains of all sensors (currents +-1 %, voltages +-0.1 %, 12 bits, noise of half a step)
and the loads anew. Spread: (max - min)/mean of the feeds' true loadings, mean over 0.3 s. Without: 1 s after the start. With
self-calibration: after {varying:g} s in which one built-in load in turn goes to a random level (50 .. 550 W) every 100 ms, 1 s after the last
change. Bound without: max(g)/min(g) - 1 + 0.3 %, g the gains of the feeds' sensors. Mean voltage: degree-weighted, as
measured, off 48 V. Procedure: tests/support/sharing.h; model: models/calibration.md.

| mesh | offsets | calibration | seeds | spread median / 95th / largest % | share of seeds | mean voltage off by at most | rank of unknowns |
|---|---|---|---|---|---|---|---|
{rows}

Share of seeds: without, those within the bound; with, those at 0.5 % or less. Offsets of single sensors cannot be told from Kirchhoff's
law (only their sum per bus), so what is left of them limits sharing to offset over current: 125 mA of some 10 A in rack8, where no zero is
taken; 7 mA (one standard deviation) where it is, the default.
Without calibration the mean voltage is that of the second after a cold start: grid24 has not settled then (0.005 % two seconds later).
"""

# mesh, largest offset A, zero taken over s, calibration, part of the seeds
CASES = [("rack8", 0.0, 0.0, False, 1.0), ("rack8", 0.0, 0.0, True, 1.0), ("grid24", 0.0, 0.0, False, 0.1),
         ("grid24", 0.0, 0.0, True, 0.1), ("rack8", 0.125, 0.0, False, 0.2), ("rack8", 0.125, 0.0, True, 0.2),
         ("rack8", 0.125, 0.05, False, 1.0), ("rack8", 0.125, 0.05, True, 1.0)]


def run(mesh, offset, zero, on, seeds, varying, jobs):
    """Rows of numbers, one per seed."""
    exe = os.path.join(os.environ["VL_BIN"], "tests", "bench", "sharing")
    path = os.path.join(os.environ["VL_SRC"], "topologies", mesh + ".yaml")
    # One process per block of neighbouring seeds.
    step = -(-seeds // jobs)
    blocks = [(a, min(a + step - 1, seeds)) for a in range(1, seeds + 1, step)]
    running = [subprocess.Popen([exe, path, str(a), str(b), "on" if on else "off",
                                 str(varying if on else 0), str(offset), str(zero)],
                                stdout=subprocess.PIPE, text=True) for a, b in blocks]
    rows = []
    for p in running:
        out, _ = p.communicate()
        if p.returncode:
            sys.exit(f"sharing: {mesh}: exit {p.returncode}")
        rows += [[float(x) for x in line.split()] for line in out.splitlines()]
    return rows


def line(mesh, offset, zero, on, rows):
    spread = sorted(100 * r[3] for r in rows)
    n = len(spread)
    top = spread[min(n - 1, -(-95 * n // 100) - 1)]
    if on:
        good = sum(r[3] <= 0.005 for r in rows)
        rank = f"{min(r[5] for r in rows):.0f} .. {max(r[5] for r in rows):.0f} of " \
               f"{max(r[6] for r in rows):.0f}"
    else:
        good = sum(r[3] <= r[1] + 0.003 for r in rows)
        rank = "-"
    volts = max(abs(r[4]) for r in rows)
    zeroed = f", zeroed over {1e3 * zero:g} ms" if zero else ""
    return (f"| {mesh} | {'+-%g mA%s' % (1e3 * offset, zeroed) if offset else 'none'} | {'on' if on else 'off'} | {n} | "
            f"{spread[n // 2]:.2f} / {top:.2f} / {spread[-1]:.2f} | {good} of {n} | {100 * volts:.4f} % | {rank} |")


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--out", required=True)
    ap.add_argument("--seeds", type=int, default=100)
    ap.add_argument("--varying", type=float, default=30)
    ap.add_argument("--jobs", type=int, default=1)
    args = ap.parse_args()
    rows = []
    for mesh, offset, zero, on, part in CASES:
        seeds = max(1, round(args.seeds * part))
        rows.append(line(mesh, offset, zero, on, run(mesh, offset, zero, on, seeds, args.varying, args.jobs)))
        print(rows[-1], flush=True)
    with open(args.out, "w", encoding="utf-8") as f:
        f.write(TEXT.format(varying=args.varying, rows="\n".join(rows)))


if __name__ == "__main__":
    main()
