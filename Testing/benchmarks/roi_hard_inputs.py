"""Measure the proposed box on hard versions of real scans: cut, cropped, noisy, rolled, resampled, with fluid.

    python Testing/benchmarks/roi_hard_inputs.py DATA [--markdown FILE]

DATA is a folder with ``imagesTr`` and ``labelsTr``. The versions are made in memory; only shares are printed.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from roi_coverage import kept_share
from roi_statistics import LIVER, PANCREAS, cases, read
from scipy import ndimage

from PancreasSegLib.roi import propose_roi
from PancreasSegLib.roi.body import filled_slices
from PancreasSegLib.volume import Box, Volume, geometry_with_spacing, resample

Pair = tuple[Volume, Volume]


def part(pair: Pair, lower: np.ndarray, upper: np.ndarray) -> Pair:
    """Cut the same box of voxels from CT and mask."""
    box = Box(tuple(lower), tuple(upper)).clipped(pair[0].geometry)
    return pair[0].cropped(box), pair[1].cropped(box)


def cut_versions(pair: Pair) -> Iterator[tuple[str, Pair]]:
    """Yield versions with parts of the scan missing, none of them of the pancreas."""
    ct, labels = pair
    spacing, size = np.array(ct.geometry.spacing_mm), np.array(ct.geometry.size_ijk)
    organ = Box.of_mask(labels.voxels == PANCREAS)
    low, up = np.array(organ.lower_ijk), np.array(organ.upper_ijk)
    dome = Box.of_mask(labels.voxels == LIVER).upper_ijk[2]
    for mm in (5, 20, 40):
        top = up[2] + int(mm / spacing[2]) + 1
        yield f"cut off {mm} mm above the pancreas", part(pair, 0 * size, np.array([*size[:2], top]))
    for mm in (-40, -15, 0, 10):
        top = max(up[2], dome + int(mm / spacing[2]))
        yield f"cut off at the liver's top {mm:+d} mm", part(pair, 0 * size, np.array([*size[:2], top]))
    for mm in (5, 30):
        bottom = max(0, low[2] - int(mm / spacing[2]) - 1)
        yield f"cut off {mm} mm below the pancreas", part(pair, np.array([0, 0, bottom]), size)
    for mm in (5, 30, 60):
        margin = np.array([1e6, 1e6, mm])
        yield (
            f"{mm} mm around it along z",
            part(pair, low - np.int64(margin / spacing), up + np.int64(margin / spacing)),
        )
    for mm in (5, 20, 50):
        margin = np.int64(mm / spacing)
        yield f"cropped to {mm} mm around it", part(pair, low - margin, up + margin)


def changed_versions(pair: Pair, rng: np.random.Generator) -> Iterator[tuple[str, Pair]]:
    """Yield versions with other voxels: noise, roll, spacing, size, fluid in the chest."""
    ct, labels = pair
    g = ct.geometry
    for sd in (20, 40):
        noisy = np.clip(ct.voxels + rng.normal(0, sd, ct.voxels.shape), -125, 275).astype(np.int16)
        yield f"noise of {sd} HU, then clipped", (Volume(noisy, g), labels)
    full = np.where(ct.voxels <= -122, -1000, ct.voxels) + rng.normal(0, 60, ct.voxels.shape)
    yield "air at -1000 HU, noise of 60 HU", (Volume(full.astype(np.int16), g), labels)
    for degrees in (-20, 20):
        turned = [
            ndimage.rotate(v.voxels, degrees, axes=(1, 2), reshape=False, order=0, cval=fill)
            for v, fill in ((ct, -125), (labels, 0))
        ]
        yield f"rolled by {degrees} degrees", (Volume(turned[0], g), Volume(turned[1], g))
    for spacing in ((0.7, 0.7, 7.0), (1.5, 1.5, 0.8), (3.0, 3.0, 3.0)):
        target = geometry_with_spacing(g, spacing)
        voxels = resample(ct.voxels, g, target).astype(np.int16)
        mask = resample(labels.voxels, g, target, order=0)
        yield f"resampled to {spacing} mm", (Volume(voxels, target), Volume(mask, target))
    for scale in (0.6, 0.8, 1.15):
        other = geometry_with_scale(ct, scale)
        yield f"a patient of {scale} times the size", (other, Volume(labels.voxels, other.geometry))
    yield "right lung drowned to 40 mm above the dome", (drowned(pair, right_only=True), labels)
    yield "both lungs drowned to 40 mm above the dome", (drowned(pair, right_only=False), labels)


def geometry_with_scale(ct: Volume, scale: float) -> Volume:
    """Return the same voxels at a scaled spacing."""
    from dataclasses import replace

    return Volume(ct.voxels, replace(ct.geometry, spacing_mm=tuple(scale * mm for mm in ct.geometry.spacing_mm)))


def drowned(pair: Pair, *, right_only: bool) -> Volume:
    """Return the CT with all gas between the pancreas and 40 mm above the liver's top turned into fluid."""
    ct, labels = pair
    low = Box.of_mask(labels.voxels == PANCREAS).upper_ijk[2]
    up = Box.of_mask(labels.voxels == LIVER).upper_ijk[2] + int(40 / ct.geometry.spacing_mm[2])
    voxels = ct.voxels.copy()
    slab = voxels[low:up]
    inside = filled_slices(slab > -118) & (slab <= -118)
    if right_only:
        inside[:, :, slab.shape[2] // 2 :] = False
    slab[inside] = 10
    return Volume(voxels, ct.geometry)


def measured(root: Path) -> dict[str, list[tuple[float, float]]]:
    """Return for every version the kept share and box share of each patient."""
    rng = np.random.default_rng(0)
    result: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _, image, label in cases(root):
        if image is None:
            continue
        pair = tuple(volume.canonical()[0] for volume in (read(image), read(label)))
        for versions in (cut_versions(pair), changed_versions(pair, rng)):
            for name, (ct, labels) in versions:
                proposal = propose_roi(ct)
                result[name].append((kept_share(proposal, labels), proposal.volume_fraction))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--markdown", type=Path, help="also write the table there")
    arguments = parser.parse_args()
    lines = ["| version of the scans | worst kept | mean box / scan | largest |", "|---|---|---|---|"]
    for name, values in measured(arguments.data).items():
        kept, share = np.array(values).T
        lines.append(f"| {name} | {kept.min():.2%} | {share.mean():.1%} | {share.max():.1%} |")
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
