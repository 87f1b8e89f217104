"""All measurements of one pancreas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import MaskError
from PancreasSegLib.measure.centreline import Centreline, find_centreline
from PancreasSegLib.measure.density import density, erode_rim
from PancreasSegLib.measure.parts import PARTS, divide_into_parts
from PancreasSegLib.measure.phase import contrast_phase
from PancreasSegLib.measure.shape import OrganShape
from PancreasSegLib.measure.surface import surface
from PancreasSegLib.measure.thickness import thickness_profile
from PancreasSegLib.volume import Volume

_LEAST_VOXELS = 50
_ORGAN_RIM_MM, _COARSE_RIM_MM = 3.0, 5.5


@dataclass(frozen=True, eq=False)
class Measurements:
    """What was measured of an organ.

    Attributes
    ----------
    values : dict of str to (float or str)
        By the names that `PancreasSegLib.measure.MEASURES` explains; what could not be measured is left out.
    parts : ndarray of uint8, shape (z, y, x)
        Head 1, body 2, tail 3, on the CT's grid.
    centreline : Centreline
        From head to tail.
    thickness_mm : ndarray of float, shape (n,)
        At each point of the centreline.
    """

    values: dict[str, float | str]
    parts: NDArray[np.uint8]
    centreline: Centreline
    thickness_mm: NDArray[np.float64] = field(repr=False)


def measure_organ(mask: NDArray[np.bool_], ct: Volume, organs: Mapping[str, Volume] | None = None) -> Measurements:
    """Measure a pancreas.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The pancreas.
    ct : Volume
        HU on the same grid, with axes in any order.
    organs : mapping of str to (Volume of bool), optional
        Other organs, each on any grid: ``spleen`` and ``liver`` for the ratios, ``aorta``, ``liver`` and the
        kidneys for the phase, ``aorta`` for the border between head and body.

    Raises
    ------
    MaskError
        If the mask is empty or lies on another grid.

    Examples
    --------
    >>> z, y, x = np.mgrid[:30, :30, :60]
    >>> rod = (z - 15) ** 2 + (y - 15) ** 2 < 36
    >>> from PancreasSegLib.volume import Geometry
    >>> ct = Volume(np.full(rod.shape, 40.0), Geometry((60, 30, 30), (1.0, 1.0, 1.0)))
    >>> found = measure_organ(rod, ct).values
    >>> round(found["volume_ml"], 1), found["mean_hu"]
    (6.8, 40.0)
    """
    if mask.shape != ct.geometry.shape_zyx:
        raise MaskError("The mask lies on another grid than the CT.", "Measure a mask that was made on this CT.")
    if not mask.any():
        raise MaskError("The mask is empty: there is nothing to measure.", "Choose a mask with a pancreas in it.")
    organs = organs or {}
    shape = OrganShape.of_mask(mask, ct.geometry)
    line = find_centreline(shape)
    thickness = thickness_profile(shape, line)
    parts = divide_into_parts(mask, ct.geometry, line, organs.get("aorta"))
    values: dict[str, float | str] = {"volume_ml": float(mask.sum() * ct.geometry.voxel_volume_ml)}
    values |= {
        f"{name}_ml": float((parts == value).sum() * ct.geometry.voxel_volume_ml) for name, value in PARTS.items()
    }
    values |= _density(mask, ct)
    values |= _other_organs(values, ct, organs)
    values |= {"length_mm": line.length_mm, "thickness_mm": float(np.median(thickness))}
    values |= _part_thickness(parts, ct, line, thickness)
    values |= surface(shape)
    return Measurements(values, parts, line, thickness)


def _density(mask: NDArray[np.bool_], ct: Volume) -> dict[str, float]:
    """Return the HU of the whole organ, and of what is left without the rim as ``core_...``."""
    found = density(ct.voxels[mask])
    core = erode_rim(mask, ct.geometry)
    if core.sum() >= _LEAST_VOXELS:
        found |= {f"core_{name}": value for name, value in density(ct.voxels[core]).items()}
    return found


def _organ_hu(organ: Volume, ct: Volume) -> float | None:
    """Return the median HU of an organ without its rim, None where too little of it is in the scan."""
    coarse = float(np.median(organ.geometry.spacing_mm)) > 2 * _ORGAN_RIM_MM / 3  # a voxel at its border is mixed
    core = np.argwhere(erode_rim(organ.voxels, organ.geometry, _COARSE_RIM_MM if coarse else _ORGAN_RIM_MM))
    index = np.rint(ct.geometry.lps_to_index(organ.geometry.index_to_lps(core[:, ::-1]))).astype(int)[:, ::-1]
    inside = index[((index >= 0) & (index < ct.geometry.shape_zyx)).all(axis=1)]
    return float(np.median(ct.voxels[tuple(inside.T)])) if len(inside) >= _LEAST_VOXELS else None


def _other_organs(
    values: Mapping[str, float | str], ct: Volume, organs: Mapping[str, Volume]
) -> dict[str, float | str]:
    measured = {name: _organ_hu(organ, ct) for name, organ in organs.items()}
    hu = {name: value for name, value in measured.items() if value is not None}
    found: dict[str, float | str] = {f"{name.replace(' ', '_')}_hu": value for name, value in hu.items()}
    pancreas = float(values.get("core_median_hu", values["median_hu"]))
    pairs = {"pancreas": pancreas} | ({"liver": hu["liver"]} if "liver" in hu else {})
    for name, value in pairs.items() if "spleen" in hu else ():
        found[f"{name}_minus_spleen_hu"] = value - hu["spleen"]
        if hu["spleen"] > 0:
            found[f"{name}_to_spleen"] = value / hu["spleen"]
    kidneys = [hu[name] for name in ("left kidney", "right kidney") if name in hu]
    unknown = float("nan")
    phase = contrast_phase(hu.get("aorta", unknown), hu.get("liver", unknown), max(kidneys, default=unknown))
    return found | ({"phase": phase} if phase else {})


def _part_thickness(
    parts: NDArray[np.uint8], ct: Volume, line: Centreline, thickness: NDArray[np.float64]
) -> dict[str, float]:
    """Return the greatest thickness of each part, by the part that most of the organ around a point belongs to."""
    index = np.rint(ct.geometry.lps_to_index(line.points_lps)).astype(int)[:, ::-1]
    index = np.clip(index, 0, np.asarray(parts.shape) - 1)
    here = parts[tuple(index.T)]
    return {
        f"{name}_thickness_mm": float(thickness[here == value].max())
        for name, value in PARTS.items()
        if (here == value).any()
    }
