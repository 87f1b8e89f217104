"""Tissues by HU thresholds: the map of the whole scan, and the soft-tissue mask for a network's input."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PancreasSegLib.roi.coarse import CoarseScan
from PancreasSegLib.roi.landmarks import Landmarks
from PancreasSegLib.roi.morphology import dilated, eroded
from PancreasSegLib.roi.thresholds import SOFT_TISSUE_HU, IntensityRange
from PancreasSegLib.volume import Volume

OUTSIDE, LUNG, FAT, SOFT_TISSUE, BONE, GAS, SPINE = range(7)

TISSUE_LABELS = {
    "lung": LUNG,
    "fat": FAT,
    "soft_tissue": SOFT_TISSUE,
    "bone": BONE,
    "gas": GAS,
    "spine": SPINE,
}
"""Values of `tissue_map`; 0 is outside the body. Bone includes contrast medium as dense as bone."""

_FAT_TO_SOFT_HU = -30.0
_BONE_HU = 250.0
_SPONGY_HU = 130.0  # the inside of a vertebra, which only place tells from enhanced vessels
_SPINE_MM = (40.0, -32.0, 60.0)  # beside, in front of and behind the spine's centre
_SLAB_SLICES = 32


def soft_tissue_mask(voxels: ArrayLike, window: tuple[float, float] = SOFT_TISSUE_HU) -> NDArray[np.bool_]:
    """Return where HU lie in the window of soft tissue: the HU-threshold mask of the earlier method.

    It can blank a network's input outside the window or be its extra channel.

    Parameters
    ----------
    voxels : array_like, any shape
        HU. NaN is no soft tissue.
    window : tuple of float
        Least and greatest HU, both included.

    Returns
    -------
    ndarray of bool, shape of `voxels`

    Examples
    --------
    >>> soft_tissue_mask([-1000.0, -90.0, 40.0, 900.0]).tolist()
    [False, True, True, False]
    """
    values = np.asarray(voxels)
    low, high = window
    mask: NDArray[np.bool_] = (values >= low) & (values <= high)
    return mask


def tissue_map(volume: Volume) -> NDArray[np.uint8]:
    """Return the tissue of every voxel, judged from HU and place.

    Body, lungs and spine are found on a coarse grid; HU thresholds draw the rest at full resolution. Slab by
    slab, so that no more than the map itself is held at full size.

    Parameters
    ----------
    volume : Volume
        CT in HU on any grid.

    Returns
    -------
    ndarray of uint8, shape (z, y, x) of the volume's own grid
        Values of `TISSUE_LABELS`, 0 outside the body; all 0 without a body.
    """
    marks = Landmarks.of(CoarseScan.of(volume))
    scan = marks.scan
    voxels = scan.axes.apply(volume.voxels)
    result = np.zeros(volume.voxels.shape, dtype=np.uint8)
    canonical = scan.axes.apply(result)  # a view: what is written here lands on the volume's own grid
    if not marks.body.any():
        return result
    near_gas = dilated((scan.hu < scan.intensities.gas_hu) & eroded(marks.body), square=True)
    closed = eroded(dilated(marks.body))
    coarse = _Places(marks.body, closed, eroded(marks.lungs), dilated(marks.lungs), near_gas, _spine_region(marks))
    k, j, i = (_nearest(scan, axis) for axis in (2, 1, 0))
    for start in range(0, voxels.shape[0], _SLAB_SLICES):
        stop = min(start + _SLAB_SLICES, voxels.shape[0])
        at = np.ix_(k[start:stop], j, i)
        canonical[start:stop] = _tissues(voxels[start:stop], coarse.at(at), scan.intensities)
    return result


class _Places:
    """Coarse masks looked up together."""

    def __init__(self, *masks: NDArray[np.bool_]) -> None:
        bits = np.zeros(masks[0].shape, dtype=np.uint8)
        for n, mask in enumerate(masks):
            bits |= mask.astype(np.uint8) << n
        self._bits = bits
        self._count = len(masks)

    def at(self, index: tuple[NDArray, ...]) -> list[NDArray[np.bool_]]:
        """Return each mask at an index."""
        bits = self._bits[index]
        return [(bits & (1 << n)).astype(bool) for n in range(self._count)]


def _nearest(scan: CoarseScan, axis: int) -> NDArray[np.int64]:
    """Return the nearest coarse voxel of every full-resolution one along a canonical axis."""
    full = scan.axes.target
    position = np.arange(full.size_ijk[axis]) * full.spacing_mm[axis]
    first = scan.position_mm(axis)[0]
    index = np.floor((position - first) / scan.geometry.spacing_mm[axis] + 0.5).astype(np.int64)
    return np.clip(index, 0, scan.geometry.size_ijk[axis] - 1)


def _spine_region(marks: Landmarks) -> NDArray[np.bool_]:
    """Return the surroundings of the spine's centre on the coarse grid."""
    if marks.spine is None:
        return np.zeros_like(marks.body)
    side, front, back = _SPINE_MM
    x = marks.scan.position_mm(0)[None, None, :] - marks.spine[:, 0, None, None]
    y = marks.scan.position_mm(1)[None, :, None] - marks.spine[:, 1, None, None]
    region: NDArray[np.bool_] = (np.abs(x) <= side) & (y >= front) & (y <= back)
    return region


def _tissues(hu: NDArray, places: list[NDArray[np.bool_]], intensities: IntensityRange) -> NDArray[np.uint8]:
    """Return the labels of a slab, shape (z, y, x)."""
    body, near_body, lung, near_lung, near_gas, spine = places
    bone_hu = min(_BONE_HU, intensities.high - 5.0) if intensities.clipped_high else _BONE_HU
    labels = np.full(hu.shape, SOFT_TISSUE, dtype=np.uint8)
    labels[hu < _FAT_TO_SOFT_HU] = FAT
    labels[hu > bone_hu] = BONE
    labels[spine & (hu > _SPONGY_HU)] = SPINE
    airy = ~(hu >= intensities.gas_hu)  # NaN is air
    # Where intensities are clipped, single voxels of noisy fat reach the value of air: only gas that the coarse
    # grid sees as well counts.
    labels[airy & near_gas] = GAS
    labels[airy & near_gas & near_lung] = LUNG
    labels[lung & (hu < _FAT_TO_SOFT_HU)] = LUNG  # the rims of its vessels are as dense as fat
    labels[~near_body] = OUTSIDE
    labels[~body & airy] = OUTSIDE
    return labels
