"""What may make a case easy or hard: its spacing, the organ's density, and the phase of contrast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.evaluation.simulated_user import slice_axis
from PancreasSegLib.measure.phase import contrast_phase
from PancreasSegLib.volume import Box, Geometry, Volume

_RIM_MM = 6.0
_THINNED_MM = 1.5  # medians need no more voxels than this apart, and a liver at 0.7 mm has very many
_SOFT_HU = (-150.0, 300.0)
_LEAST_VOXELS = 50


@dataclass(frozen=True)
class Traits:
    """Traits of a case and one of its labels; NaN (or an empty text) is what is not known.

    Attributes
    ----------
    slice_mm : float
        Distance of the slices that the scan was cut in.
    in_plane_mm : float
        Spacing of the pixels in a slice, the coarser one.
    organ_hu : float
        Median HU inside the reference.
    rim_contrast_hu : float
        Median HU inside the reference minus the median within 6 mm outside it: negative or small where the organ
        does not stand out, since its neighbours are bowel and vessels; large where fat lies around it.
    phase : str
        ``"unenhanced"``, ``"arterial"``, ``"portal venous"`` or ``"late"`` by `contrast_phase`, where the
        references hold aorta and liver; else empty.
    """

    slice_mm: float = float("nan")
    in_plane_mm: float = float("nan")
    organ_hu: float = float("nan")
    rim_contrast_hu: float = float("nan")
    phase: str = ""


def phase_of(ct: Volume, reference: NDArray, labels: Mapping[str, int]) -> str:
    """Guess the phase of a scan from the aorta and the liver of its reference; empty where one is missing."""
    values = {name.lower(): value for name, value in labels.items()}
    if not {"aorta", "liver"} <= set(values):
        return ""
    return contrast_phase(*(_median(ct.voxels, reference == values[name]) for name in ("aorta", "liver")))


def traits_of(geometry: Geometry, organ: NDArray[np.bool_], ct: Volume | None = None, phase: str = "") -> Traits:
    """Measure the traits of one label.

    Parameters
    ----------
    geometry : Geometry
        The reference's grid.
    organ : ndarray of bool, shape (z, y, x)
        The label in the reference.
    ct : Volume, optional
        HU on the same grid; without it the densities are not known.
    phase : str
        As `phase_of` gave it.
    """
    axis = slice_axis(geometry)
    spacing = geometry.spacing_mm[::-1]
    in_plane = max(mm for number, mm in enumerate(spacing) if number != axis)
    inside, rim = float("nan"), float("nan")
    box = Box.of_mask(organ)
    if ct is not None and box is not None:
        part = box.grown(_RIM_MM, geometry).slices_zyx
        thinned = tuple(slice(None, None, max(1, int(_THINNED_MM / mm))) for mm in spacing)
        hu, mask = ct.voxels[part][thinned], organ[part][thinned]
        steps = [mm * axis.step for mm, axis in zip(spacing, thinned, strict=True)]
        away = ndimage.distance_transform_edt(~mask, sampling=steps)
        inside = _median(hu, mask)
        rim = inside - _median(hu, (away > 0) & (away <= _RIM_MM))
    return Traits(float(spacing[axis]), float(in_plane), inside, rim, phase)


def _median(hu: NDArray, where: NDArray[np.bool_]) -> float:
    """Return the median of what may be tissue (no gas, stents or calcium); NaN of next to nothing."""
    values = hu[where]
    values = values[(values >= _SOFT_HU[0]) & (values <= _SOFT_HU[1])]
    return float(np.median(values)) if values.size >= _LEAST_VOXELS else float("nan")
