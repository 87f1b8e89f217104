"""Measure where the pancreas lies relative to the landmarks, and keep only the summary.

    python Testing/benchmarks/roi_statistics.py DATA [--write]

DATA is a folder with ``imagesTr``, ``labelsTr`` and optionally ``labelsOnly`` (masks without CT). With ``--write``
the summary goes into the library (``PancreasSegLib/roi/location_statistics.json``); nothing of one patient does.

Patients with CT are measured against the landmarks that :func:`propose_roi` finds. In a mask without CT the
liver's top stands for the dome, and the aorta for the spine; how far these lie from dome and spine is averaged
over the patients that have both.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import PancreasSegLib.roi.statistics as kept
from PancreasSegLib.roi.coarse import CoarseScan
from PancreasSegLib.roi.extent import predicted_levels
from PancreasSegLib.roi.landmarks import Landmarks
from PancreasSegLib.roi.statistics import LocationStatistics
from PancreasSegLib.volume import Box, Geometry, Volume

LIVER, AORTA, PANCREAS = 5, 7, 8


def read(path: Path) -> Volume:
    import SimpleITK as sitk

    image = sitk.ReadImage(str(path))
    geometry = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return Volume(sitk.GetArrayFromImage(image), geometry)


def bounds_mm(labels: Volume, value: int) -> np.ndarray:
    """Return the (3, 2) outer faces of a label along the canonical axes, mm."""
    canonical, _ = labels.canonical()
    box = Box.of_mask(canonical.voxels == value)
    spacing = np.asarray(canonical.geometry.spacing_mm)
    return (np.column_stack([box.lower_ijk, box.upper_ijk]) - 0.5) * spacing[:, None]


def aorta_mm(labels: Volume, levels: np.ndarray) -> tuple[float, float]:
    """Return the aorta's mean x and its back edge's mean y between two levels, canonical mm."""
    canonical, _ = labels.canonical()
    dx, dy, dz = canonical.geometry.spacing_mm
    k0, k1 = (round(level / dz) for level in levels)
    places = []
    for plane in canonical.voxels[k0 : k1 + 1] == AORTA:
        y, x = np.nonzero(plane)
        if y.size > 10:
            places.append((x.mean() * dx, np.percentile(y, 97) * dy))
    return tuple(np.mean(places, axis=0))


def cases(root: Path) -> Iterator[tuple[str, Path | None, Path]]:
    """Yield name, CT (None if there is none) and mask of every patient."""
    for label in sorted((root / "labelsTr").glob("*.nii.gz")):
        yield label.name, root / "imagesTr" / label.name, label
    for label in sorted((root / "labelsOnly").glob("*.nii.gz")):
        yield label.name, None, label


def sides(pancreas: np.ndarray, spine: tuple[float, float]) -> dict[str, float]:
    (right, left), (front, back) = pancreas[0] - spine[0], pancreas[1] - spine[1]
    return {"right_of_spine": right, "left_of_spine": left, "front_of_spine": front, "back_of_spine": back}


def measure(root: Path) -> dict[str, dict[str, float]]:
    """Return, for every patient, the quantities that can be measured."""
    result: dict[str, dict[str, float]] = {}
    proxies: list[tuple[float, float, float]] = []
    for name, image, label in cases(root):
        labels = read(label)
        pancreas = bounds_mm(labels, PANCREAS)
        liver_top, aorta = bounds_mm(labels, LIVER)[2, 1], aorta_mm(labels, pancreas[2])
        if image is None:
            to_dome, to_x, to_y = np.mean(proxies, axis=0)
            dome, spine, crest = liver_top + to_dome, (aorta[0] + to_x, aorta[1] + to_y), None
        else:
            marks = Landmarks.of(CoarseScan.of(read(image)))
            dome = marks.right_lung.dome_mm if marks.right_lung else None
            crest = marks.crests.level_mm if marks.crests else None
            levels = predicted_levels(marks, kept.location_statistics())
            spine = marks.spine_mm(levels)
            if dome is not None:
                proxies.append((dome - liver_top, spine[0] - aorta[0], spine[1] - aorta[1]))
        bottom, top = pancreas[2]
        result[name] = sides(pancreas, spine)
        if image is not None:
            right, left, front = marks.skin_mm(levels)
            result[name] |= {
                "right_share": -result[name]["right_of_spine"] / right,
                "left_share": result[name]["left_of_spine"] / left,
                "front_share": -result[name]["front_of_spine"] / front,
            }
        if dome is not None:
            result[name] |= {"top_below_dome": dome - top, "bottom_below_dome": dome - bottom}
        if crest is not None:
            result[name] |= {"top_above_crest": top - crest, "bottom_above_crest": bottom - crest}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true", help="keep the summary in the library")
    arguments = parser.parse_args()
    summary = LocationStatistics.of(measure(arguments.data).values()).to_json()
    text = json.dumps({"unit": "mm; shares have none", "spreads": summary}, indent=1) + "\n"
    sys.stdout.write(text)
    if arguments.write:
        Path(kept.__file__).with_name("location_statistics.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
