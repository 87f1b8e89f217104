"""Measure models on native and arterial scans, and on patients whose slices alone are labelled.

    python Testing/benchmarks/other_phases.py DATA MODEL [MODEL ...] [--only KIND] [--csv FILE]

DATA holds ``other_hospitals``, ``abdomen`` and ``nih_slices``; a MODEL is an installed name or a folder.
Four kinds of scans, the same for every model:

- cases: the native scans of other hospitals that have masks;
- phases: the portal-venous scans of ``abdomen`` as they are, and shown in other phases by their organs' masks;
- slices: one labelled slice a patient of ``nih_slices``, repeated to a slab of 60 mm, scored on that slice;
- absent: the parts of ``abdomen`` from 10 mm above the pancreas up, and from 10 mm below it down.

Of each: Dice of the mask that a user gets (0 where the scan was refused), Dice of the probability at one half,
whether it was refused, and the confidence. Only figures are printed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from PancreasSegLib import Segmenter, Volume, read_volume
from PancreasSegLib.inference import Segmentation
from PancreasSegLib.inference.settings import CascadeSettings
from PancreasSegLib.io import read_labels
from PancreasSegLib.metrics import dice
from PancreasSegLib.models import find_package
from PancreasSegLib.volume import Box, Geometry, resample

PANCREAS = {"amos": 10, "totalsegmentator": 8}
ORGANS = ["spleen", "right kidney", "left kidney", "gallbladder", "liver", "stomach", "aorta", "pancreas"]
SLAB_MM, SLICE_MM, PIXEL_MM = 60.0, 2.5, 0.8
Scan = tuple[str, str, Volume, np.ndarray]


def cases(data: Path) -> Iterator[Scan]:
    """Yield the native scans of other hospitals and their pancreas."""
    for image in sorted((data / "other_hospitals").glob("*_ct.nii.gz")):
        (labels,) = image.parent.glob(image.name.replace("_ct.nii.gz", "_labels*.nii.gz"))
        organ = PANCREAS[image.name.split("_")[0]]
        yield "native, other hospitals", image.name, read_volume(image), read_labels(labels).voxels == organ


def phases(data: Path) -> Iterator[Scan]:
    """Yield the portal-venous scans as they are and in phases that are drawn from their organs' masks."""
    import torch

    from PancreasSegLib.training.contrast_phase import ContrastPhases

    for number, image in enumerate(sorted((data / "abdomen" / "imagesTr").glob("*.nii.gz"))):
        ct, labels = (
            read_volume(image, assume_ct=True),
            read_labels(image.parents[1] / "labelsTr" / image.name).voxels,
        )
        yield "as it is", image.name, ct, labels == ORGANS.index("pancreas") + 1
        for phase in ("native", "arterial"):
            hu = ContrastPhases(ORGANS).show(
                torch.from_numpy(ct.voxels.astype(np.float32)),
                torch.from_numpy(labels.astype(np.int64)),
                phase,
                np.random.default_rng(number),
            )
            shown = Volume(hu.numpy().round().astype(np.int16), ct.geometry)
            yield f"shown as {phase}", image.name, shown, labels == ORGANS.index("pancreas") + 1


def slices(data: Path) -> Iterator[Scan]:
    """Yield one slab a patient, made of the middle one of the labelled slices; the mask is of its middle slice."""
    from PIL import Image

    of_patient = defaultdict(list)
    for image in sorted((data / "nih_slices" / "images").glob("*.jpg")):
        of_patient[image.name.split("-")[0]].append(image)
    for patient, images in of_patient.items():
        image = images[len(images) // 2]
        grey = np.asarray(Image.open(image).convert("L"), dtype=np.float32)[::-1]
        mask = np.asarray(Image.open(image.parents[1] / "masks" / image.name).convert("L"))[::-1] > 127
        hu = hounsfield(grey).astype(np.int16)
        count = int(SLAB_MM / SLICE_MM)
        grid = Geometry((*hu.shape[::-1], count), (PIXEL_MM, PIXEL_MM, SLICE_MM), (0.0, 0.0, 0.0), np.eye(3))
        reference = np.zeros(grid.shape_zyx, dtype=bool)
        reference[count // 2] = mask
        yield "slices of other patients", patient, Volume(np.repeat(hu[None], count, axis=0), grid), reference


def absent(data: Path) -> Iterator[Scan]:
    """Yield the parts of the portal-venous scans that hold no pancreas, where they are 40 mm long."""
    for image in sorted((data / "abdomen" / "imagesTr").glob("*.nii.gz")):
        ct, labels = (
            read_volume(image, assume_ct=True),
            read_labels(image.parents[1] / "labelsTr" / image.name).voxels,
        )
        planes = np.flatnonzero((labels == ORGANS.index("pancreas") + 1).any(axis=(1, 2)))
        away, least = (int(np.ceil(mm / ct.geometry.spacing_mm[2])) for mm in (10, 40))
        x, y, z = ct.geometry.size_ijk
        for where, box in (
            ("above", Box((0, 0, planes[-1] + away), (x, y, z))),
            ("below", Box((0, 0, 0), (x, y, planes[0] - away))),
        ):
            if box.size_ijk[2] >= least:
                part = ct.cropped(box)
                yield f"{where} the pancreas", image.name, part, np.zeros(part.voxels.shape, dtype=bool)


def hounsfield(grey: np.ndarray) -> np.ndarray:
    """Return HU of 8-bit greys whose window is unknown: fat is set to -100 HU, the middle of soft tissue to 75."""
    histogram = np.bincount(grey.astype(int).ravel(), minlength=256)[3:253].astype(float)
    smooth = np.convolve(histogram, np.ones(7) / 7, mode="same")
    tissue = int(np.argmax(smooth[90:])) + 93
    fat = int(np.argmax(smooth[: tissue - 30])) + 3
    return np.clip(-100 + (grey - fat) * 175.0 / (tissue - fat), -1000, 1000)


def likely(result: Segmentation, ct: Volume) -> np.ndarray:
    """Return where the probability is one half and more, on the CT's grid; also of a refused result."""
    canonical, axes = ct.canonical()
    whole = np.zeros(canonical.geometry.shape_zyx, dtype=bool)
    if "pancreas" in result.probability:
        found = result.probability["pancreas"]
        box = Box.whole(found.geometry).on_grid(found.geometry, canonical.geometry).clipped(canonical.geometry)
        part = resample(found.voxels.astype(np.float32), found.geometry, box.geometry(canonical.geometry))
        whole[box.slices_zyx] = part >= 0.5
    return axes.invert(whole)


def scores(result: Segmentation, ct: Volume, reference: np.ndarray) -> dict[str, float]:
    """Compare a result with the reference, in the one slice that is labelled or in all."""
    planes = reference.any(axis=(1, 2))
    labelled = planes if planes.sum() == 1 else slice(None)
    return {
        "dice": dice(result.mask[labelled] > 0, reference[labelled]),
        "dice of the probability": dice(likely(result, ct)[labelled], reference[labelled]),
        "refused": float(not result.mask.any()),
        "confidence": result.statistics["pancreas"]["confidence"],
        "mL": np.count_nonzero(result.mask) * ct.geometry.voxel_volume_ml,
        "reference mL": np.count_nonzero(reference) * ct.geometry.voxel_volume_ml,
    }


def load(name: str, least_confidence: float | None) -> Segmenter:
    """Load a model by its name or folder, with another limit of refusal where one is given."""
    package = find_package(Path(name) if Path(name).is_dir() else name)
    settings = CascadeSettings(**package.settings)
    if least_confidence is not None:
        settings = replace(settings, least_confidence=least_confidence)
    return Segmenter.load(package, settings=settings)


def main() -> None:
    """Print a table for each kind of scans, and write every figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--only", choices=["cases", "phases", "slices", "absent"])
    parser.add_argument("--csv", type=Path)
    parser.add_argument(
        "--least-confidence", type=float, help="below it a small find is refused; the package's own"
    )
    options = parser.parse_args()
    models = {name: load(name, options.least_confidence) for name in options.models}
    rows = []
    for source in (cases, phases, slices, absent):
        if options.only not in (None, source.__name__):
            continue
        for kind, name, ct, reference in source(options.data):
            for model, segmenter in models.items():
                result = segmenter.segment(ct, allow_empty=True)
                rows.append({"kind": kind, "scan": name, "model": model, **scores(result, ct, reference)})
                sys.stderr.write(f"{kind}, {name}, {model}: {rows[-1]['dice']:.3f}\n")
    sys.stdout.write(
        "| scans | model | n | Dice | Dice of the probability | refused | confidence |\n" + "|---" * 7 + "|\n"
    )
    for kind in dict.fromkeys(row["kind"] for row in rows):
        for model in models:
            chosen = [row for row in rows if (row["kind"], row["model"]) == (kind, model)]
            dices, likely_dices, confidences = (
                np.mean([row[key] for row in chosen]) for key in ("dice", "dice of the probability", "confidence")
            )
            refused = sum(row["refused"] for row in chosen)
            sys.stdout.write(
                f"| {kind} | {model} | {len(chosen)} | {dices:.3f} | {likely_dices:.3f} | {refused:.0f} "
                f"| {confidences:.2f} |\n"
            )
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
