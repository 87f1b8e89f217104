"""From HU to what an imported network is fed by its own program: its grid, window and normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.inference.original_grid import Matrix, OriginalGrid, monai_grid, nnunet_grid
from PancreasSegLib.models.axes import NetworkAxes
from PancreasSegLib.models.package import Stage
from PancreasSegLib.volume import Box, Geometry, Volume

_SLAB_VOXELS = 1 << 22


def original_grid(stage: Stage, scan: Sequence[int], ct: Geometry, turn: NetworkAxes) -> OriginalGrid:
    """Lay the grid of an imported stage over a part of a CT.

    Parameters
    ----------
    stage : Stage
        An imported one.
    scan : sequence of 3 int
        Voxels of the part, along the network's axes.
    ct : Geometry
        The CT on canonical axes.
    turn : NetworkAxes
        From (z, y, x) to the network's axes.
    """
    assert stage.original is not None
    scan_mm = turn.of_zyx(ct.spacing_mm[::-1])
    wanted = list(NetworkAxes(stage.axes).of_zyx(stage.spacing_mm[::-1]))
    if stage.spatial_dims == 2:
        wanted[0] = scan_mm[0]  # slices stay as they are
    near = stage.original.kept_spacing
    wanted = [mm if abs(mm / new - 1) <= near else new for mm, new in zip(scan_mm, wanted, strict=True)]
    if stage.original.program == "nnunet":
        return nnunet_grid(scan, scan_mm, wanted)
    steps = np.reshape(ct.direction_lps, (3, 3)) * ct.spacing_mm
    along = steps[:, list(turn.of_zyx((2, 1, 0)))]
    along[:, list(turn.flipped)] *= -1
    return monai_grid(scan, scan_mm, wanted, along)


def original_input(
    ct: Volume, box: Box, grid: OriginalGrid, stage: Stage, turn: NetworkAxes
) -> NDArray[np.float32]:
    """Bring a box of a CT to the network's grid, window and normalisation.

    Parameters
    ----------
    ct : Volume
        HU on canonical axes.
    box : Box
        In its voxels.
    grid : OriginalGrid
        Of the box.
    stage : Stage
        An imported one.
    turn : NetworkAxes
        From (z, y, x) to the network's axes.

    Returns
    -------
    ndarray of float32, shape of the grid
        In the network's axes.
    """
    original = stage.original
    assert original is not None
    low, high = stage.window_hu
    voxels = turn.apply(ct.cropped(box).voxels[None])[0]
    if original.program == "nnunet":  # clipped first, and once more what the splines overshoot
        hu = interpolated(_finite(voxels, low, high), grid.to_network)
    else:
        hu = interpolated(voxels, grid.to_network)
        np.nan_to_num(hu, copy=False, nan=low)
    np.clip(hu, low, high, out=hu)
    if original.intensity and any(step["step"] != "sigmoid" for step in original.intensity):
        seen = _whole(ct, stage, turn)
    else:
        seen = hu
    for image in {id(hu): hu, id(seen): seen}.values():
        image -= stage.mean_hu
        image /= stage.std_hu
    for step in original.intensity:
        change = _change(step, seen)
        change(hu)
        if seen is not hu:
            change(seen)
    return hu


def _finite(voxels: NDArray, low: float, high: float) -> NDArray[np.float32]:
    clipped: NDArray[np.float32] = np.nan_to_num(voxels.astype(np.float32), nan=low, posinf=low, neginf=low)
    return np.clip(clipped, low, high, out=clipped)


def _whole(ct: Volume, stage: Stage, turn: NetworkAxes) -> NDArray[np.float32]:
    """Return all HU that a step measures: of the scan as it is for nnU-Net, of the network's grid for MONAI."""
    assert stage.original is not None
    low, high = stage.window_hu
    voxels = turn.apply(ct.voxels[None])[0]
    if stage.original.program == "nnunet":
        return _finite(voxels, low, high)
    return np.clip(
        interpolated(voxels, original_grid(stage, voxels.shape, ct.geometry, turn).to_network), low, high
    )


def _change(step: dict[str, Any], seen: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], None]:
    """Return what a step of the normalisation does to an image, in place, by what it measures on another."""
    if step["step"] == "sigmoid":

        def squash(image: NDArray[np.float32]) -> None:
            image[...] = 1 / (1 + np.exp(-np.clip(image, -60, 60)))

        return squash
    if step["step"] == "range":
        least, most = float(seen.min()), float(seen.max())
        scale = (step["high"] - step["low"]) / max(most - least, 1e-8)

        def spread(image: NDArray[np.float32]) -> None:
            image -= least
            image *= scale
            image += step["low"]

        return spread
    measured = seen[seen != 0] if step.get("nonzero") else seen
    mean, std = float(measured.mean(dtype=np.float64)), float(measured.std(dtype=np.float64)) or 1.0

    def standardise(image: NDArray[np.float32]) -> None:
        nothing = image == 0 if step.get("nonzero") else None
        image -= mean
        image /= std
        if nothing is not None:
            image[nothing] = 0

    return standardise


def interpolated(voxels: NDArray, matrices: Sequence[Matrix]) -> NDArray[np.float32]:
    """Apply a matrix to each axis of a volume, slab by slab."""
    first, second, third = (np.ascontiguousarray(m) for m in matrices)
    used = np.flatnonzero(first.any(axis=0))
    low, high = int(used[0]), int(used[-1]) + 1
    planes = np.empty((high - low, second.shape[0], third.shape[0]), dtype=np.float32)
    slab = max(1, _SLAB_VOXELS // max(1, voxels.shape[1] * voxels.shape[2]))
    for start in range(low, high, slab):
        stop = min(high, start + slab)
        part = np.ascontiguousarray(voxels[start:stop], dtype=np.float32)
        planes[start - low : stop - low] = second @ (part @ third.T)
    result = np.ascontiguousarray(first[:, low:high]) @ planes.reshape(high - low, -1)
    return result.reshape(first.shape[0], second.shape[0], third.shape[0])
