"""How much the measurements of a pancreas change where only the scan of it does.

    python Testing/benchmarks/repeatability.py CT... [--masks FOLDER]

Each CT is read again as it is, moved by half a voxel, thinned to slices twice as thick, brought to pixels 1.5
times as large, and with more noise; by the model each time, and once more with the mask of a reader or of the
model carried over, which shows what the measuring alone adds. The tables hold the median over the CTs of the
absolute difference to the first reading, and the largest: in per cent of it, in HU, or as a share.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from PancreasSegLib import Segmenter, Volume, read_volume
from PancreasSegLib.cli.terminal import say
from PancreasSegLib.errors import NoPancreasError
from PancreasSegLib.io import read_labels
from PancreasSegLib.measure import MEASURES, measure_organ
from PancreasSegLib.volume import Geometry
from PancreasSegLib.volume.resample import geometry_with_spacing, resample

NOISE_HU = 15.0
MEASURED = (
    "volume_ml",
    "head_ml",
    "body_ml",
    "tail_ml",
    "median_hu",
    "core_median_hu",
    "sd_hu",
    "fat_share",
    "core_fat_share",
    "length_mm",
    "thickness_mm",
    "surface_cm2",
    "surface_per_volume_mm",
    "sphericity",
    "convexity",
)


def moved(geometry: Geometry) -> Geometry:
    """Return the grid moved by half a voxel along each axis."""
    half = tuple(geometry.index_to_lps((0.5, 0.5, 0.5)))
    return Geometry(tuple(n - 1 for n in geometry.size_ijk), geometry.spacing_mm, half, geometry.direction_lps)


def thinned(geometry: Geometry) -> Geometry:
    """Return the grid with slices twice as far apart."""
    x, y, z = geometry.spacing_mm
    return geometry_with_spacing(geometry, (x, y, 2 * z))


def larger_pixels(geometry: Geometry) -> Geometry:
    """Return the grid with pixels 1.5 times as large."""
    x, y, z = geometry.spacing_mm
    return geometry_with_spacing(geometry, (1.5 * x, 1.5 * y, z))


def on_grid(change: Callable[[Geometry], Geometry]) -> Callable[[Volume], Volume]:
    """Return what brings a CT onto another grid, averaging where that is coarser."""

    def carry(ct: Volume) -> Volume:
        grid = change(ct.geometry)
        hu = resample(ct.voxels.astype(np.float32), ct.geometry, grid)
        return Volume(hu.round().astype(np.int16), grid)

    return carry


def noisier(ct: Volume) -> Volume:
    """Return the CT with Gaussian noise of `NOISE_HU`, a voxel for itself."""
    noise = np.random.default_rng(0).normal(0, NOISE_HU, ct.voxels.shape)
    return Volume((ct.voxels + noise).round().astype(np.int16), ct.geometry)


READINGS: dict[str, Callable[[Volume], Volume]] = {
    "read again": lambda ct: ct,
    "half a voxel": on_grid(moved),
    "slices x 2": on_grid(thinned),
    "pixels x 1.5": on_grid(larger_pixels),
    f"noise {NOISE_HU:.0f} HU": noisier,
}


def measure_by_model(segmenter: Segmenter, ct: Volume) -> tuple[dict[str, Any], np.ndarray] | None:
    """Segment and measure; None where no pancreas is found."""
    try:
        result = segmenter.segment(ct)
    except NoPancreasError:
        return None
    mask = result.mask == result.labels["pancreas"]
    around = result.organs.masks() if result.organs else {}
    around.pop("pancreas", None)
    return measure_organ(mask, ct, around).values, mask


def difference(name: str, first: float, now: float) -> float:
    """Return the absolute difference: in per cent for what is no HU and no share of fat."""
    plain = MEASURES[name].unit == "HU" or name.endswith("fat_share")
    return abs(now - first) if plain else 100 * abs(now - first) / abs(first)


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cts", type=Path, nargs="+", metavar="CT")
    parser.add_argument("--masks", type=Path, help="reader's masks of the same names")
    parser.add_argument("--value", type=int, default=1, help="of the pancreas in them")
    given = parser.parse_args()
    segmenter = Segmenter.load("default", device="cpu", threads=1)
    model: dict[str, list[dict[str, Any]]] = {name: [] for name in READINGS}
    carried: dict[str, list[dict[str, Any]]] = {name: [] for name in READINGS}
    for path in given.cts:
        ct = read_volume(path)
        first = measure_by_model(segmenter, ct)
        if first is None:
            say(f"{path.name}: no pancreas was found")
            continue
        mask = read_labels(given.masks / path.name).voxels == given.value if given.masks else first[1]
        by_mask = measure_organ(mask, ct).values
        for name, change in READINGS.items():
            other = change(ct)
            again = measure_by_model(segmenter, other)
            if again is None:
                say(f"{path.name}, {name}: no pancreas was found")
            else:
                model[name].append(_differences(first[0], again[0]))
            inside = resample(mask.astype(np.uint8), ct.geometry, other.geometry, order=0) != 0
            carried[name].append(_differences(by_mask, measure_organ(inside, other).values))
        say(f"{path.name}: {first[0]['volume_ml']:.1f} mL")
    _print("by the model each time", model)
    _print("the same mask", carried)


def _differences(first: dict[str, Any], now: dict[str, Any]) -> dict[str, float]:
    return {name: difference(name, first[name], now[name]) for name in MEASURED if name in first and name in now}


def _print(title: str, readings: dict[str, list[dict[str, Any]]]) -> None:
    say(f"\n| {title} | unit | {' | '.join(readings)} |\n|---|---|{'---|' * len(readings)}")
    for name in MEASURED:
        unit = "HU" if MEASURES[name].unit == "HU" else "share" if name.endswith("fat_share") else "%"
        cells = []
        for found in readings.values():
            values = [row[name] for row in found if name in row]
            digits = 3 if unit == "share" else 1
            text = f"{np.median(values):.{digits}f} ({max(values):.{digits}f})" if values else ""
            cells.append(text)
        say(f"| {MEASURES[name].heading} | {unit} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
