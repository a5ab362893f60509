#!/usr/bin/env python3
"""What meshes do that are asked for more than their feeds can give, over ways, factors and seeds."""
import argparse
import os
import subprocess
import sys

TEXT = """# Overload beyond the ratings

Made by `make bench-overload`. From the event on the demand is `factor` times what the feeds that are left can give (I_max at 48 V), for 4 s:
by a step, by a ramp of 0.5 s, or because feeds are lost (two of three or four). Priorities, shares of the load and the moment are drawn from the
seed; modules are class fixed. Procedure: tests/support/overload.h; what nodes do: models/protection.md. {seeds} seeds each; the worst of them.

| mesh | supercapacitors | overload | factor | shed | lowest bus V | last order after | modules shed twice | lower one left: owner / mesh | back, of shed | residual |
|---|---|---|---|---|---|---|---|---|---|---|
{rows}

Shed: modules, of all. Last order: from the event on; in ramps and with supercapacitors feeds bear 110 % for 2 s. Lower one left: modules that were
shed while one of lower priority, of the same owner or anywhere, was not. Back: restored by the end, and when
the last one was. Unserved energy is that of shed
modules; inputs of large ones (3 kW in grid24) that fall below 40 V on the way down add at most {unserved:.1%}.
"""
NAMES = ("seed least_v highest_v over_w modules shed restored off most wrong_own wrong_mesh shed_s restored_s "
         "shed_j unserved_j residual").split()
MESHES = ("topologies/rack8.yaml", "topologies/grid24.yaml", "tests/sim/hall.yaml")


def run(mesh, how, factor, supercap, seeds):
    exe = os.path.join(os.environ["VL_BIN"], "tests", "bench", "overload")
    p = subprocess.run([exe, os.path.join(os.environ["VL_SRC"], mesh), how, str(factor), supercap, "1", str(seeds)],
                       stdout=subprocess.PIPE, text=True, check=False)
    if p.returncode:
        sys.exit(f"overload: {mesh}: exit {p.returncode}")
    return [dict(zip(NAMES, map(float, line.split()))) for line in p.stdout.splitlines()]


def line(mesh, how, factor, supercap, rows):
    def worst(name, pick=max):
        return pick(r[name] for r in rows)
    name = os.path.basename(mesh).removesuffix(".yaml")
    twice = sum(r["most"] > 1 for r in rows)
    return (f"| {name} | {supercap} | {how} | {factor:g} | {worst('shed', min):.0f} .. {worst('shed'):.0f} of "
            f"{worst('modules'):.0f} | {worst('least_v', min):.2f} | {1e3 * worst('shed_s'):.0f} ms | "
            f"{'in %d of %d seeds' % (twice, len(rows)) if twice else 'none'} | {worst('wrong_own'):.0f} / "
            f"{worst('wrong_mesh'):.0f} | {'all' if worst('off') == 0 else 'all but %d' % worst('off')}, "
            f"{worst('restored_s'):.1f} s | {worst('residual'):.0e} |")


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--out", required=True)
    ap.add_argument("--seeds", type=int, default=2)
    args = ap.parse_args()
    lines, unserved = [], 0.0
    for mesh in MESHES:
        for supercap in ("on", "off"):
            for how in ("step", "ramp", "feeds"):
                # Twice what is left of the feeds is more than all of them are rated for: not all could return.
                for factor in (1.2, 1.5) if how == "feeds" else (1.2, 1.5, 2):
                    rows = run(mesh, how, factor, supercap, args.seeds)
                    unserved = max([unserved] + [abs(r["unserved_j"] / r["shed_j"] - 1) for r in rows])
                    lines.append(line(mesh, how, factor, supercap, rows))
                    print(lines[-1], flush=True)
    with open(args.out, "w", encoding="utf-8") as f:
        f.write(TEXT.format(seeds=args.seeds, rows="\n".join(lines), unserved=unserved))


if __name__ == "__main__":
    main()
