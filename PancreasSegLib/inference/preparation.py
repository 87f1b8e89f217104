"""From HU to what a network was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.models import Stage
from PancreasSegLib.volume import Box, Geometry, Volume, resample

_BODY_SHARE = 0.05  # a voxel with less body than this, skin included, is air


@dataclass(frozen=True, eq=False)
class BodyOutline:
    """The patient's body on a coarse grid.

    Attributes
    ----------
    mask : ndarray of uint8, shape (z, y, x)
        1 inside the body.
    geometry : Geometry
        Coarse grid on canonical axes.
    """

    mask: NDArray[np.uint8]
    geometry: Geometry

    @classmethod
    def of(cls, ct: Volume) -> BodyOutline | None:
        """Find the body of a CT on canonical axes; None if there is none to be told from air."""
        from PancreasSegLib.roi.body import body_mask
        from PancreasSegLib.roi.coarse import CoarseScan

        scan = CoarseScan.of(ct)
        body = body_mask(scan)
        return cls(body.astype(np.uint8), scan.geometry) if body.any() else None

    def on(self, grid: Geometry) -> NDArray[np.bool_]:
        """Return the body on another grid with the same axes, a little generous at the skin."""
        inside: NDArray[np.bool_] = resample(self.mask, self.geometry, grid) > _BODY_SHARE
        return inside


def network_input(
    ct: Volume, grid: Geometry, stage: Stage, body: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Bring a region of a CT to a stage's grid, window and normalisation.

    Clipped first and resampled then, as in training. Outside the scan and outside the body is air: networks draw
    organs into tables, cushions and reconstruction rings.

    Parameters
    ----------
    ct : Volume
        HU on canonical axes.
    grid : Geometry
        The stage's grid, from `stage_grid`.
    stage : Stage
        Window, normalisation, use of the soft-tissue mask.
    body : ndarray of bool, shape (z, y, x) of `grid`, optional
        The body.

    Returns
    -------
    ndarray of float32, shape (1 or 2, z, y, x)
        The second channel is the soft-tissue mask, for stages with ``hu_mask="channel"``.
    """
    hu = _windowed_hu(ct, grid, stage.window_hu)
    outside = _outside(ct.geometry, grid)
    if body is not None:
        outside |= ~body
    low, high = stage.window_hu
    hu[outside] = low
    soft = None
    if stage.hu_mask != "none":
        from PancreasSegLib.roi import soft_tissue_mask

        soft = soft_tissue_mask(hu)
        if stage.hu_mask == "mask":
            hu[~soft] = low
    np.clip(hu, low, high, out=hu)
    hu -= stage.mean_hu
    hu /= stage.std_hu
    if stage.hu_mask == "channel" and soft is not None:
        return np.stack([hu, soft.astype(np.float32)])
    return hu[None]


def _windowed_hu(ct: Volume, grid: Geometry, window: tuple[float, float]) -> NDArray[np.float32]:
    """Clip and resample the part of the CT that the grid covers."""
    reach = [max(a, b) for a, b in zip(grid.spacing_mm, ct.geometry.spacing_mm, strict=True)]  # of the kernel
    box = Box.whole(grid).on_grid(grid, ct.geometry).grown((reach[0], reach[1], reach[2]), ct.geometry)
    part = ct.cropped(box)
    low, high = window
    voxels = part.voxels
    if np.issubdtype(voxels.dtype, np.floating):
        clipped = np.nan_to_num(voxels.astype(np.float32), nan=low, posinf=low, neginf=low)
        np.clip(clipped, low, high, out=clipped)
    else:  # whole numbers stay whole numbers, half the memory; a broken bound moves by less than one HU
        info = np.iinfo(voxels.dtype)
        clipped = np.clip(voxels, max(int(low), info.min), min(int(high), info.max))
    result: NDArray[np.float32] = resample(clipped, part.geometry, grid)
    return result


def _outside(ct: Geometry, grid: Geometry) -> NDArray[np.bool_]:
    """Return the voxels of the grid whose centres lie outside the scan."""
    first = ct.lps_to_index(grid.origin_lps)
    step = np.asarray(grid.spacing_mm) / np.asarray(ct.spacing_mm)
    axes = []
    for a in range(3):
        index = first[a] + step[a] * np.arange(grid.size_ijk[a])
        axes.append((index < -0.5) | (index > ct.size_ijk[a] - 0.5))
    outside: NDArray[np.bool_] = axes[2][:, None, None] | axes[1][None, :, None] | axes[0][None, None, :]
    return outside
