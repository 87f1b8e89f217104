"""Whether both engines draw the same masks: OpenVINO against PyTorch on the CPU, both in the same precision.

Run from the project's root::

    python Testing/benchmarks/engines.py CT [CT ...] [--phantoms 48] [--threads 2] [--output engines.csv]

A line a scan: Dice between the two masks, the largest difference of a probability, and the processor seconds of
each engine, model loaded. Phantoms lie in that many of the 48 orientations that axes can have.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from PancreasSegLib import Segmenter, Volume, read_volume
from PancreasSegLib.phantom import make_phantom

ENGINES = ("cpu", "torch:cpu")


def scans(paths: list[Path], phantoms: int) -> Iterator[tuple[str, Volume]]:
    """Yield the scans with a name each."""
    for path in paths:
        yield path.name, read_volume(path)
    orders = itertools.permutations(("LR", "PA", "SI"))
    codes = ["".join(letters) for order in orders for letters in itertools.product(*order)]
    for code in codes[:: len(codes) // phantoms] if phantoms else []:
        made = make_phantom(seed=0, spacing_mm=(1.5, 1.5, 3.0), orientation=code)
        yield f"phantom {code}", made.ct


def compared(segmenters: list[Segmenter], ct: Volume) -> dict[str, float]:
    """Return how far the masks of two engines are apart."""
    results, seconds = [], []
    for segmenter in segmenters:
        started = time.process_time()
        results.append(segmenter.segment(ct, allow_empty=True))
        seconds.append(time.process_time() - started)
    one, two = (result.mask != 0 for result in results)
    total = int(one.sum() + two.sum())
    found: dict[str, float] = {
        "dice": float(2 * (one & two).sum() / total) if total else 1.0,
        "voxels": int(one.sum()),
        "voxels_differ": int((one != two).sum()),
    }
    maps = [result.probability.get("pancreas") for result in results]
    if maps[0] is not None and maps[1] is not None and maps[0].geometry == maps[1].geometry:
        difference = np.abs(maps[0].voxels.astype(np.float32) - maps[1].voxels.astype(np.float32))
        found["largest_difference"] = float(difference.max())
    return found | {f"cpu_seconds_{name}": s for name, s in zip(ENGINES, seconds, strict=True)}


def main() -> None:
    """Compare, and write a line a scan as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cts", nargs="*", type=Path)
    parser.add_argument("--phantoms", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    segmenters = [Segmenter.load("default", name, threads=options.threads, precision="fp32") for name in ENGINES]
    columns = ["scan", "dice", "voxels", "voxels_differ", "largest_difference"]
    columns += [f"cpu_seconds_{name}" for name in ENGINES]
    with options.output.open("w", newline="") if options.output else sys.stdout as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        for name, ct in scans(options.cts, options.phantoms):
            row = compared(segmenters, ct)
            table.writerow({"scan": name} | {k: round(v, 6) for k, v in row.items()})
            file.flush()


if __name__ == "__main__":
    main()
