"""The likeliest of many classes on a finer grid: the same voxels as by interpolating every class everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from PancreasSegLib.inference.interpolated_classes import InterpolatedClasses
from PancreasSegLib.inference.original_grid import monai_grid, nnunet_grid
from PancreasSegLib.inference.original_input import interpolated

COARSE_MM = (3.0, 2.0, 2.0)


@pytest.mark.parametrize("classes", [2, 40])
@pytest.mark.parametrize(
    ("program", "size", "scan_mm"),
    [
        ("nnunet", (20, 30, 25), (1.3, 0.9, 0.7)),
        ("nnunet", (9, 30, 25), (8.0, 1.0, 1.0)),  # slices by themselves
        ("nnunet", (1, 30, 25), (3.0, 0.9, 0.7)),
        ("monai", (20, 30, 25), (1.3, 0.9, 0.7)),
    ],
)
def test_classes_are_those_of_interpolating_all_of_them(classes, program, size, scan_mm):
    grid = nnunet_grid(size, scan_mm, COARSE_MM)
    if program == "monai":
        grid = monai_grid(size, scan_mm, COARSE_MM, np.diag(scan_mm))
    scores = np.random.default_rng(classes).normal(size=(classes, *grid.shape))
    scores = np.stack([gaussian_filter(s, 1.0) for s in scores]).astype(np.float32)
    values = np.zeros(classes, dtype=int)
    values[1], values[classes // 2] = 1, 2
    everywhere = np.stack([interpolated(s, grid.to_scan) for s in scores])
    expected = values[everywhere.argmax(axis=0)]
    assert (expected > 0).sum() > 20
    found = InterpolatedClasses.of(scores, values).on(grid.to_scan)
    assert (found != expected).sum() <= 1  # rounding
