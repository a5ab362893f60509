#!/usr/bin/env python3
"""Errors of the plant against ngspice, as a table.

With ngspice present the own cases are simulated again; without it the stored waveforms are used.
"""
import argparse
import glob
import os
import shutil
import subprocess
import sys
import tempfile

TEXT = """# Accuracy against ngspice

Made by `make bench-accuracy`. Samples every 1 ms (own_short: 0.1 ms), N = 10 sub-steps, waveforms of
{source}. Cases and element laws: docs/models/accuracy.md. A link is (i_a - i_b)/2; of a link that
opens or closes the sample nearest to that is left out.

{table}"""


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
    source = "ngspice, simulated for this table" if fresh else "the stored simulations"
    text = TEXT.format(source=source, table=rows)
    with open(args.out, "w", encoding="utf-8") as f:
        f.write(text)
    sys.stdout.write(rows)


if __name__ == "__main__":
    main()
