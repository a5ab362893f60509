#!/usr/bin/env python3
"""Errors of the plant against ngspice, wall times of both, and the losses of rack8, as tables.

With ngspice present the own cases are simulated again; without it the stored waveforms are used.
"""
import argparse
import glob
import os
import shutil
import subprocess
import sys
import tempfile

import ngspice_ratio

TEXT = """# Accuracy against ngspice

Made by `make bench-accuracy`. Samples every 1 ms (own_short, own_fuse, own_switching: 0.1 ms), N = 10 sub-steps, waveforms of
{source}. Cases, element laws and limits: docs/models/accuracy.md. A link is (i_a - i_b)/2; of a link that
opens or closes the sample nearest to that is left out.

{table}
## Wall time at equal accuracy

Voltloom over ngspice, below 1 is faster: on one machine, in one go, medians of {runs} runs. ngspice runs with largest steps of 10 to
500 us and reltol 1e-3 and 1e-4; its time is that at Voltloom's rms error, interpolated between the two settings next to it (one
error in brackets: its fastest setting is still better). `run --memory` is the whole program with its flight recorders; the solver alone
steps the same cores without recording. ngspice lengthens its steps while nothing moves and solves one matrix for the whole mesh; Voltloom
makes the same steps all the time, every one of them open to a fault.

{ratio}
## Losses of rack8

All loads constant, scaled so that the feeds carry 20 to 100 % of their ratings (at 20 % the modules' silicon is idle), 100 ms after 1.5 s. Cables and
feed paths: cables, supercapacitors and port resistances, from the ledger, of the feeds' energy; asked for are 2 % at most. Feed to
rail: what arrives at rails and built-in loads. Ceiling: the same rails with cables and ports by the load flow and port converters
by their table, in closed form; asked for are 0.3 points (`tests/reference/test_losses.c`).

{losses}"""
NO_RATIO = "ngspice was not there when this was made.\n"


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--out", required=True)
    ap.add_argument("--stored", action="store_true", help="use the stored waveforms in any case")
    args = ap.parse_args()
    src, bins = os.environ["VL_SRC"], os.environ["VL_BIN"]
    data = os.path.join(src, "tests", "reference", "data")
    fresh = shutil.which("ngspice") and not args.stored
    with tempfile.TemporaryDirectory() as tmp:
        if fresh:
            for path in glob.glob(os.path.join(data, "*")):
                shutil.copy(path, tmp)
            cases = sorted(glob.glob(os.path.join(tmp, "own_*.json")))
            subprocess.run([sys.executable, os.path.join(src, "tests", "reference", "refgen.py"), "run"]
                           + cases, check=True)
        table = os.path.join(tmp, "table.md")
        env = dict(os.environ, VL_REF_DATA=tmp if fresh else data, VL_REF_TABLE=table)
        subprocess.run([os.path.join(bins, "tests", "reference", "test_reference")], env=env, check=True)
        with open(table, encoding="utf-8") as f:
            rows = f.read()
        table = os.path.join(tmp, "losses.md")
        subprocess.run([os.path.join(bins, "tests", "reference", "test_losses")],
                       env=dict(os.environ, VL_LOSS_TABLE=table), check=True)
        with open(table, encoding="utf-8") as f:
            losses = f.read()
        ratio = ngspice_ratio.table(tmp) if fresh else NO_RATIO
    source = "ngspice, simulated for this table" if fresh else "the stored simulations"
    text = TEXT.format(source=source, table=rows, ratio=ratio, losses=losses, runs=ngspice_ratio.RUNS)
    with open(args.out, "w", encoding="utf-8") as f:
        f.write(text)
    sys.stdout.write(rows + ratio + losses)


if __name__ == "__main__":
    main()
