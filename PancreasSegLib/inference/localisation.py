"""Where the coarse network saw the organ, and what it saw around it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.inference.settings import CascadeSettings
from PancreasSegLib.postprocess import plausible_pieces
from PancreasSegLib.volume import Box, Geometry

NEIGHBOURS_ML = {
    "liver": 60.0,
    "spleen": 15.0,
    "stomach": 15.0,
    "left kidney": 15.0,
    "right kidney": 15.0,
    "aorta": 3.0,
}
"""Abdominal organs that tell an abdomen from other regions, and how much of one counts as seen (mL)."""

_NEAR_MM = 45.0  # a neighbour's box within this distance of the organ's is next to it
_PART_SHARE = 0.1  # of the main piece: much smaller ones decide on the crop only if they are near and sure


@dataclass(frozen=True, eq=False)
class Localisation:
    """The organ on the coarse grid.

    Attributes
    ----------
    box : Box or None
        Around the organ's pieces, in voxels of `grid`; None if it was not found.
    grid : Geometry
        The coarse grid.
    volume_ml, probability : float
        Volume, and mean probability inside it.
    organs_ml : dict of str to float
        Neighbouring organs in view, with the volume seen.
    reason : str
        Why there is no box, as a sentence.
    """

    box: Box | None
    grid: Geometry
    volume_ml: float = 0.0
    probability: float = 0.0
    organs_ml: dict[str, float] = field(default_factory=dict)
    reason: str = ""

    def doubtful(self, settings: CascadeSettings) -> bool:
        """Whether the organ is small or unsure on this grid, so that a wider crop is wise."""
        return self.volume_ml < settings.doubtful_ml or self.probability < settings.doubtful_probability


def localise(
    probabilities: NDArray[np.floating],
    grid: Geometry,
    labels: dict[str, int],
    organ: str,
    settings: CascadeSettings,
    *,
    neighbours: bool = True,
) -> Localisation:
    """Judge the output of the localiser.

    Parameters
    ----------
    probabilities : ndarray of float, shape (classes, z, y, x)
        Of all classes, background first.
    grid : Geometry
        Its grid.
    labels : dict of str to int
        Classes by name.
    organ : str
        The organ looked for.
    settings : CascadeSettings
        Least volume, least number of neighbours.
    neighbours : bool
        Whether neighbouring organs must be in view; not where the user chose a region, which may be a tight one.
    """
    classes = probabilities.argmax(axis=0).astype(np.uint8)
    counts = np.bincount(classes.ravel(), minlength=len(probabilities)) * grid.voxel_volume_ml
    known = [name for name in NEIGHBOURS_ML if name in labels]
    organs = {name: float(counts[labels[name]]) for name in known if counts[labels[name]] >= NEIGHBOURS_ML[name]}
    expected = min(settings.least_organs, len(known)) if neighbours else 0
    if len(organs) < expected:
        seen = f"only the {next(iter(organs))} was" if organs else "none of them was"
        reason = f"The pancreas is not in view: of {_listed(known)} {seen} recognised."
        return Localisation(None, grid, organs_ml=organs, reason=reason)
    found = plausible_pieces(classes == labels[organ], grid, probabilities[labels[organ]], large_share=_PART_SHARE)
    if found.sum() * grid.voxel_volume_ml < settings.smallest_ml / 2:
        beside = f" although the {_listed(list(organs))} were recognised" if organs else ""
        return Localisation(None, grid, organs_ml=organs, reason=f"No {organ} was found{beside}.")
    box = Box.of_mask(found)
    assert box is not None
    near = [name for name in organs if _is_near(box, Box.of_mask(classes == labels[name]), grid)]
    if len(near) < min(expected, 1):
        reason = f"What looks like {organ} lies far from {_listed(list(organs))}, so it is not one."
        return Localisation(None, grid, organs_ml=organs, reason=reason)
    inside = probabilities[labels[organ]][found]
    return Localisation(
        box, grid, float(found.sum()) * grid.voxel_volume_ml, float(inside.mean(dtype=np.float64)), organs
    )


def localise_any(
    probabilities: NDArray[np.floating],
    grid: Geometry,
    labels: dict[str, int],
    wanted: tuple[str, ...],
    settings: CascadeSettings,
) -> Localisation:
    """Judge the output of a localiser that looks for other organs than the pancreas: all of them together.

    Parameters
    ----------
    probabilities : ndarray of float, shape (classes, z, y, x)
        Of all classes, background first.
    grid : Geometry
        Its grid.
    labels : dict of str to int
        Classes by name.
    wanted : tuple of str
        The organs; those that the localiser does not know are not looked for.
    settings : CascadeSettings
        Least volume.
    """
    classes = probabilities.argmax(axis=0).astype(np.uint8)
    found = np.zeros(classes.shape, dtype=bool)
    volumes = {}
    for name in wanted:
        if name not in labels:
            continue
        pieces = plausible_pieces(classes == labels[name], grid, probabilities[labels[name]])
        volume = float(pieces.sum()) * grid.voxel_volume_ml
        if volume >= settings.smallest_ml / 2:
            found |= pieces
            volumes[name] = volume
    box = Box.of_mask(found)
    if box is None:
        return Localisation(None, grid, reason=f"No {' and no '.join(wanted)} was found.")
    certainty = float(probabilities[1:].max(axis=0)[found].mean(dtype=np.float64))
    return Localisation(box, grid, sum(volumes.values()), certainty, volumes)


def touched_sides(box: Box, grid: Geometry, ct: Geometry, border: int = 1) -> tuple[list[bool], list[bool]]:
    """Return by axis whether a box reaches the grid's lower and upper face where the scan goes on beyond."""
    whole = Box.whole(grid)
    first = ct.lps_to_index(grid.index_to_lps(np.array(whole.lower_ijk) - 0.5))
    last = ct.lps_to_index(grid.index_to_lps(np.array(whole.upper_ijk) - 0.5))
    lower = [box.lower_ijk[a] < border and first[a] > 0.5 for a in range(3)]
    upper = [box.upper_ijk[a] > grid.size_ijk[a] - border and last[a] < ct.size_ijk[a] - 1.5 for a in range(3)]
    return [bool(v) for v in lower], [bool(v) for v in upper]


def widened(box: Box, ct: Geometry, lower: list[bool], upper: list[bool], mm: float) -> Box:
    """Return a box of CT voxels grown by `mm` on the marked sides, inside the scan."""
    grown = box.grown(mm, ct)
    new_lower = [g if side else b for g, b, side in zip(grown.lower_ijk, box.lower_ijk, lower, strict=True)]
    new_upper = [g if side else b for g, b, side in zip(grown.upper_ijk, box.upper_ijk, upper, strict=True)]
    return Box((new_lower[0], new_lower[1], new_lower[2]), (new_upper[0], new_upper[1], new_upper[2]))


def _is_near(box: Box, other: Box | None, grid: Geometry) -> bool:
    if other is None:
        return False
    grown = box.grown(_NEAR_MM, grid)
    return all(
        a < d and c < b
        for a, b, c, d in zip(grown.lower_ijk, grown.upper_ijk, other.lower_ijk, other.upper_ijk, strict=True)
    )


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
