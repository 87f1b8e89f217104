"""Measure how much of the pancreas the proposed box keeps, how large it is and how long it takes.

    python Testing/benchmarks/roi_coverage.py DATA [--markdown FILE]

DATA is a folder with ``imagesTr`` and ``labelsTr`` (label 8 is the pancreas), and optionally ``labelsOnly``. Every
patient is also judged by statistics that leave that patient out. Numbers only; nothing of a patient is written.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from roi_statistics import PANCREAS, cases, measure, read

from PancreasSegLib.roi import RoiProposal, propose_roi
from PancreasSegLib.roi.statistics import LocationStatistics
from PancreasSegLib.volume import Box, Geometry, Volume


def kept_share(proposal: RoiProposal, labels: Volume) -> float:
    """Return the share of the pancreas's voxels inside the box."""
    pancreas = labels.voxels == PANCREAS
    return float(pancreas[proposal.box.slices_zyx].sum() / pancreas.sum())


def least_margin_mm(proposal: RoiProposal, labels: Volume) -> float:
    """Return the least distance from the pancreas to a face of the box, negative where it is cut.

    A face on the scan's edge cuts nothing and does not count.
    """
    pancreas = Box.of_mask(labels.voxels == PANCREAS)
    margins = []
    for a, mm in enumerate(labels.geometry.spacing_mm):
        low, up = proposal.box.lower_ijk[a], proposal.box.upper_ijk[a]
        if low > 0:
            margins.append((pancreas.lower_ijk[a] - low) * mm)
        if up < labels.geometry.size_ijk[a]:
            margins.append((up - pancreas.upper_ijk[a]) * mm)
    return min(margins)


def measured_rows(root: Path) -> list[dict[str, float | str]]:
    """Return one row a patient."""
    everyone = measure(root)
    rows: list[dict[str, float | str]] = []
    for name, image, label in cases(root):
        if image is None:
            continue
        ct, labels = read(image), read(label)
        others = LocationStatistics.of(value for other, value in everyone.items() if other != name)
        proposal, seconds = timed(ct)
        unseen = propose_roi(ct, others)
        rows.append(
            {
                "case": name.removesuffix(".nii.gz"),
                "kept": kept_share(proposal, labels),
                "margin_mm": least_margin_mm(proposal, labels),
                "fraction": proposal.volume_fraction,
                "unseen_kept": kept_share(unseen, labels),
                "unseen_margin_mm": least_margin_mm(unseen, labels),
                "unseen_fraction": unseen.volume_fraction,
                "seconds": seconds,
            }
        )
    return rows


def timed(ct: Volume, runs: int = 3) -> tuple[RoiProposal, float]:
    """Return the proposal and the least seconds of some runs (other work on the machine only adds)."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        proposal = propose_roi(ct)
        times.append(time.perf_counter() - start)
    return proposal, min(times)


def large_scan() -> Volume:
    """Return a generated scan of 512x512x200 voxels with body, spine, lungs and noise."""
    z, y, x = np.ogrid[:200, :512, :512]
    body = ((x - 256) / 220) ** 2 + ((y - 256) / 150) ** 2 < 1
    spine = ((x - 256) / 30) ** 2 + ((y - 350) / 30) ** 2 < 1
    lung = (np.abs(x - 256) > 40) & (((x - 256) / 190) ** 2 + ((y - 256) / 120) ** 2 < 1) & (z > 170)
    hu = np.where(body, 40, -1000) + 300 * (spine & body) - 850 * (lung & ~spine)
    noise = np.random.default_rng(0).normal(0, 15, (8, 512, 512))
    voxels = (hu + np.tile(noise, (25, 1, 1))).astype(np.int16)
    return Volume(voxels, Geometry((512, 512, 200), (0.75, 0.75, 2.0)))


def table(rows: list[dict[str, float | str]], seconds: float) -> str:
    """Return the figures as Markdown."""
    lines = [
        "| case | kept | least margin | box / scan | kept, unseen | least margin, unseen | box / scan, unseen |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        lines.append(
            f"| {r['case']} | {r['kept']:.2%} | {r['margin_mm']:.0f} mm | {r['fraction']:.1%} | "
            f"{r['unseen_kept']:.2%} | {r['unseen_margin_mm']:.0f} mm | {r['unseen_fraction']:.1%} |"
        )
    mean = {key: np.mean([float(r[key]) for r in rows]) for key in ("fraction", "unseen_fraction", "seconds")}
    worst = {
        key: min(float(r[key]) for r in rows) for key in ("kept", "margin_mm", "unseen_kept", "unseen_margin_mm")
    }
    lines.append(
        f"| **worst, mean size** | {worst['kept']:.2%} | {worst['margin_mm']:.0f} mm | {mean['fraction']:.1%} | "
        f"{worst['unseen_kept']:.2%} | {worst['unseen_margin_mm']:.0f} mm | {mean['unseen_fraction']:.1%} |"
    )
    lines.append("")
    lines.append(f"Mean time of these cases {mean['seconds']:.2f} s; a 512x512x200 scan {seconds:.2f} s.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--markdown", type=Path, help="also write the table there")
    arguments = parser.parse_args()
    text = table(measured_rows(arguments.data), timed(large_scan(), 5)[1])
    sys.stdout.write(text)
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
