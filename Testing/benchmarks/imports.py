"""Processor seconds and memory to the end of an import or a help page, each in new processes.

Run from the project's root: ``python Testing/benchmarks/imports.py [--runs 5]``. The best of the runs counts,
since other programs can only make one slower.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

CODES = {
    "Python": "",
    "`PancreasSegLib`": "import PancreasSegLib",
    "`PancreasSegLib.io`": "import PancreasSegLib.io",
    "numpy": "import numpy",
    "scipy.ndimage, with numpy": "import scipy.ndimage",
    "SimpleITK, with numpy": "import SimpleITK",
    "`PancreasSegLib.cli.app`": "import PancreasSegLib.cli.app",
    "`pancreasseg segment --help`": "from PancreasSegLib.cli.app import run; run(['segment', '--help'])",
}
_TOLD = "\nimport resource, sys\nused = resource.getrusage(resource.RUSAGE_SELF)\n"
_TOLD += "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, file=sys.stderr)"


def measured(code: str) -> tuple[float, float]:
    """Return the processor seconds and the MB of a process that runs some code."""
    done = subprocess.run([sys.executable, "-c", code + _TOLD], capture_output=True, encoding="utf-8", check=True)
    seconds, most_mb = done.stderr.splitlines()[-1].split()
    return float(seconds), float(most_mb)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    sys.stdout.write("| | s | MB |\n|---|---|---|\n")
    for name, code in CODES.items():
        best = [min(values) for values in zip(*(measured(code) for _ in range(runs)), strict=True)]
        sys.stdout.write(f"| {name} | {best[0]:.3f} | {best[1]:.0f} |\n")


if __name__ == "__main__":
    main()
