"""A scan as a handful of grey cubes: the same patient is known again after resampling, windowing or flipping."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Volume

SIDE = 16
_WINDOW_HU = (-100.0, 250.0)


def thumbnail_of(scan: Volume) -> NDArray[np.uint8]:
    """Return the mean grey values of 16 x 16 x 16 equal boxes of a scan.

    Parameters
    ----------
    scan : Volume
        HU on canonical axes.

    Returns
    -------
    ndarray of uint8, shape (16, 16, 16)
        HU from -100 to 250 as 0 to 255, so that a windowed copy gives the same.
    """
    low, high = _WINDOW_HU
    along_z, along_y, along_x = (_shares(n) for n in scan.voxels.shape)
    cube = np.zeros((SIDE, SIDE, SIDE), np.float32)
    for k, plane in enumerate(scan.voxels):
        tile = along_y @ np.clip(plane, low, high).astype(np.float32) @ along_x.T
        cube += along_z[:, k, None, None] * tile
    return np.rint((cube - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)


def _shares(size: int) -> NDArray[np.float32]:
    """Return the share of each voxel in each box along an axis: shape (16, size), a box's shares sum to 1."""
    edges = np.linspace(0, size, SIDE + 1)
    start = np.arange(size)
    covered = np.minimum(edges[1:, None], start + 1) - np.maximum(edges[:-1, None], start)
    return (np.maximum(covered, 0) * (SIDE / size)).astype(np.float32)


def to_text(thumbnail: NDArray[np.uint8]) -> str:
    """Return a thumbnail as base64."""
    return base64.b64encode(thumbnail.tobytes()).decode()


def from_text(text: str) -> NDArray[np.uint8]:
    """Return the thumbnail of `to_text`.

    Raises
    ------
    ValueError
        If it is none.
    """
    return np.frombuffer(base64.b64decode(text, validate=True), np.uint8).reshape(SIDE, SIDE, SIDE)


def likeness(first: Sequence[NDArray[np.uint8]], second: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Return how alike each two scans are, under the flip of the axes that fits best.

    Returns
    -------
    ndarray, shape (len(first), len(second))
        Correlation of the grey values, -1 to 1.
    """
    ours = _normed(first)
    best = np.full((len(first), len(second)), -1.0, np.float32)
    for axes in product((False, True), repeat=3):
        turned = [np.flip(cube, tuple(axis for axis, flip in enumerate(axes) if flip)) for cube in second]
        best = np.maximum(best, ours @ _normed(turned).T)
    return best


def _normed(cubes: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    flat = np.stack([cube.ravel() for cube in cubes]).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    normed: NDArray[np.float32] = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return normed
