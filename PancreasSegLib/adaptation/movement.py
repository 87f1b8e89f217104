"""Cases turned, scaled and bent, so that few patients show more shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

_TURN_DEG, _TILT_DEG = 20.0, 12.0
_SCALE, _AXIS_SCALE = 0.2, 0.1
"""Logarithms of the largest scale, common and by axis."""
_BENT_SHARE, _BEND_MM = 0.7, (4.0, 6.0, 6.0)
_BEND_GRID = (4, 6, 6)


def moved(
    images: Sequence[NDArray[np.float32]],
    spacing_zyx: tuple[float, float, float],
    rng: np.random.Generator,
    strength: float = 1.0,
) -> list[NDArray[np.float32]]:
    """Return images of one case, all moved alike about their middle; beyond them is 0.

    Parameters
    ----------
    images : sequence of ndarray of float32, shape (z, y, x)
        On one grid.
    spacing_zyx : tuple of 3 float
        Voxel spacing in mm.
    rng : Generator
        Source of all draws.
    strength : float
        Factor of all movements.
    """
    shape = images[0].shape
    extent = np.multiply(shape, spacing_zyx)
    turn = _rotation(0, np.deg2rad(strength * rng.uniform(-_TURN_DEG, _TURN_DEG)))
    if rng.random() < 0.5:
        turn = turn @ _rotation(1, np.deg2rad(strength * rng.uniform(-_TILT_DEG, _TILT_DEG)))
    scale = np.exp(strength * (rng.uniform(-_SCALE, _SCALE) + rng.uniform(-_AXIS_SCALE, _AXIS_SCALE, 3)))
    matrix = np.diag(1 / extent) @ (turn @ np.diag(scale)) @ np.diag(extent)
    theta = np.concatenate([matrix[::-1, ::-1], np.zeros((3, 1))], axis=1)[None]
    grid = F.affine_grid(torch.from_numpy(theta).float(), [1, 1, *shape], align_corners=False)
    if rng.random() < _BENT_SHARE:
        bend = rng.normal(0, 1, (1, 3, *_BEND_GRID)).astype(np.float32)  # x, y, z, as grids have them
        bend *= np.reshape(
            [2 * strength * mm / e for mm, e in zip(_BEND_MM[::-1], extent[::-1], strict=True)], (1, 3, 1, 1, 1)
        )
        fine = F.interpolate(torch.from_numpy(bend), size=list(shape), mode="trilinear", align_corners=True)
        grid = grid + fine.permute(0, 2, 3, 4, 1)
    stacked = torch.from_numpy(np.stack(images))[None]
    return list(F.grid_sample(stacked, grid, align_corners=False)[0].numpy())


def _rotation(axis: int, angle: float) -> NDArray[np.float64]:
    """Return the rotation about an array axis, for positions (z, y, x)."""
    one, other = (a for a in range(3) if a != axis)
    matrix = np.eye(3)
    matrix[one, one] = matrix[other, other] = np.cos(angle)
    matrix[one, other], matrix[other, one] = -np.sin(angle), np.sin(angle)
    return matrix
