"""How long a model takes to learn one patient from confirmed slices, and what memory it needs.

Run from the project's root on a quiet machine::

    python Testing/benchmarks/learning.py CT [--model default] [--threads 2] [--runs 5] [--output learning.md]

The model segments the CT; every second slice of its own mask is then lost, as a mask that needs mending, and a
simulated reader confirms one slice after another, each followed by learning. Only times and memory are
measured: what learning brings, `pancreasseg benchmark-correction --method learn` says.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from PancreasSegLib.adaptation import PatientLearner
from PancreasSegLib.evaluation.simulated_user import SimulatedUser
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.inference.memory import current_memory_mb, peak_memory_mb
from PancreasSegLib.io import read_volume
from PancreasSegLib.refine import Correction


def measured(path: Path, model: str, device: str, threads: int, runs: int) -> str:
    """Return the figures as lines of Markdown."""
    segmenter = Segmenter.load(model, device, threads=threads or None)
    ct = read_volume(path)
    result = segmenter.segment(ct)
    organ = segmenter.package.organ
    wanted = result.mask == result.labels[organ]
    lost = wanted.copy()
    lost[::2] = False
    correction = Correction(ct, lost, result.probability[organ])
    before_mb, load = peak_memory_mb(), os.getloadavg()[0]
    learner, user = PatientLearner(segmenter), SimulatedUser("slice", views="all")
    seconds, outline, held = [], [], []
    for _ in range(runs):
        mark = user.mark(correction.mask, wanted, ct.geometry)
        if mark is None:
            break
        correction.add([mark])
        start = time.perf_counter()
        probability = learner.learn(ct, correction.mask, correction.marks)
        seconds.append(time.perf_counter() - start)
        correction.outline_anew(probability)
        outline.append(time.perf_counter() - start - seconds[-1])
        held.append(current_memory_mb())
    size = " x ".join(str(n) for n in ct.geometry.size_ijk)
    grid = " x ".join(str(n) for n in probability.geometry.size_ijk)
    return "\n".join(
        [
            f"# Learning one patient: time and memory on {path.name}",
            "",
            f"{size} voxels; model {model}, {len(segmenter.networks['segmenter'].members)} networks of "
            f"{learner.settings.steps} steps each on {grid} voxels; {segmenter.device}, "
            f"{segmenter.threads} threads, load {load:.1f} at the start.",
            "",
            "| | s |",
            "|---|---|",
            f"| learning, with the passes after it | {_listed(seconds)} |",
            f"| outlining anew | {_listed(outline)} |",
            "",
            f"Peak memory {before_mb:.0f} MB after segmenting, {peak_memory_mb():.0f} MB after learning; "
            f"held after each: {', '.join(f'{mb:.0f}' for mb in held)} MB.",
            "",
        ]
    )


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ct", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    page = measured(given.ct, given.model, given.device, given.threads, given.runs)
    if given.output:
        given.output.write_text(page, encoding="utf-8")
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
