"""A generated abdominal CT with its organ labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from PancreasSegLib.phantom.bowel import (
    paint_colon,
    paint_duodenum,
    paint_mesentery,
    paint_small_bowel,
)
from PancreasSegLib.phantom.canvas import Canvas
from PancreasSegLib.phantom.individual import Individual
from PancreasSegLib.phantom.organs import (
    paint_gallbladder,
    paint_kidney_fat,
    paint_kidneys,
    paint_liver,
    paint_spleen,
    paint_stomach,
)
from PancreasSegLib.phantom.pancreas import Pancreas, paint_pancreas
from PancreasSegLib.phantom.scanner import (
    HIGHEST_HU,
    LOWEST_HU,
    blur,
    noise,
    paint_table,
    round_field,
)
from PancreasSegLib.phantom.skeleton import paint_skeleton
from PancreasSegLib.phantom.trunk import Trunk, back_mm
from PancreasSegLib.phantom.vessels import paint_great_vessels, paint_pancreatic_vessels
from PancreasSegLib.volume import AxisMap, Geometry, Volume

PHANTOM_LABELS = {
    "spleen": 1,
    "right kidney": 2,
    "left kidney": 3,
    "gallbladder": 4,
    "liver": 5,
    "stomach": 6,
    "aorta": 7,
    "pancreas": 8,
}


@dataclass(frozen=True, eq=False)
class Phantom:
    """A generated scan.

    Attributes
    ----------
    ct : Volume
        int16 HU, full range.
    labels : Volume
        uint8 on the same grid; values as in `PHANTOM_LABELS`, 0 elsewhere.
    """

    ct: Volume
    labels: Volume


def make_phantom(
    seed: int = 0,
    *,
    spacing_mm: Sequence[float] = (1.5, 1.5, 2.5),
    field_mm: float = 400.0,
    range_mm: tuple[float, float] = (-170.0, 140.0),
    phase: str = "portal",
    noise_hu: float = 12.0,
    psf_mm: float = 1.2,
    table: bool = True,
    outside_hu: int | None = None,
    orientation: str = "LPS",
    rotation_deg: Sequence[float] = (0.0, 0.0, 0.0),
) -> Phantom:
    """Generate an abdominal CT of one patient; another seed is another patient.

    All shapes are formulae (ellipsoids, tubes along splines, their smooth unions and cuts), bent by random
    fields; no patient's voxels are in it. Positions and sizes follow published and measured population figures.

    Parameters
    ----------
    seed : int
        The patient. The anatomy does not depend on spacing, field, range, phase, noise or orientation.
    spacing_mm : sequence of 3 float
        Spacing to the Left, to Posterior and to Superior.
    field_mm : float
        Side of the square axial field.
    range_mm : tuple of float
        Lowest and highest level in mm; 0 is the middle of the pancreas, the lungs begin at about 90.
    phase : str
        ``"native"``, ``"arterial"``, ``"portal"`` or ``"venous"``.
    noise_hu : float
        Standard deviation of the noise in HU.
    psf_mm : float
        In-plane resolution, full width at half maximum.
    table : bool
        Whether the couch is in view.
    outside_hu : int, optional
        Value outside the scanner's round field (such as -1024, -2048, -3024); None for no padding.
    orientation : str
        Directions of the i, j and k axes of the grid, such as ``"LPS"`` or ``"RAI"``, in any order.
    rotation_deg : sequence of 3 float
        Turn of the patient against the grid about x, y and z: the grid is written as oblique by as much.

    Returns
    -------
    Phantom

    Raises
    ------
    ValueError
        If the phase or orientation is unknown.

    Examples
    --------
    >>> phantom = make_phantom(1, spacing_mm=(6, 6, 10))
    >>> phantom.ct.voxels.dtype, int(phantom.labels.voxels.max())
    (dtype('int16'), 8)
    """
    person = Individual.drawn(phase, seed)
    canvas = Canvas(
        _grid(spacing_mm, field_mm, range_mm),
        person.scale,
        person.bends,
        rotation_deg,
        np.random.default_rng([seed, 3]),
    )
    _paint(canvas, person, table)
    image = blur(canvas.hu, canvas.geometry, psf_mm)
    if noise_hu > 0:
        image += noise(canvas.geometry, noise_hu, np.random.default_rng([seed, 2]))
    voxels = np.clip(np.rint(image), LOWEST_HU, HIGHEST_HU).astype(np.int16)
    if outside_hu is not None:
        voxels[:, round_field(canvas.geometry, field_mm)] = outside_hu
    geometry = _turned(canvas)
    axes = _axes(geometry, orientation)
    source = {"format": "phantom", "seed": seed, "phase": phase}
    return Phantom(
        Volume(np.ascontiguousarray(axes.apply(voxels)), axes.target, source),
        Volume(np.ascontiguousarray(axes.apply(canvas.labels)), axes.target, source),
    )


def _paint(canvas: Canvas, person: Individual, table: bool) -> None:
    """Paint all organs, those at the back first."""
    person.begin("trunk")
    trunk = Trunk(canvas, person)
    person.begin("pancreas")
    pancreas = Pancreas(person)
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("chest", trunk.paint),
        ("mesentery", lambda: paint_mesentery(canvas, person)),
        ("small bowel", lambda: paint_small_bowel(canvas, person, trunk)),
        ("colon", lambda: paint_colon(canvas, person, trunk)),
        ("kidney fat", lambda: paint_kidney_fat(canvas, person)),
        ("muscles", trunk.paint_muscles),
        ("spleen", lambda: paint_spleen(canvas, person, trunk)),
        ("stomach", lambda: paint_stomach(canvas, person, trunk, pancreas.gland)),
        ("liver", lambda: paint_liver(canvas, person, trunk)),
        ("kidneys", lambda: paint_kidneys(canvas, person)),
        ("great vessels", lambda: paint_great_vessels(canvas, person)),
        ("duodenum", lambda: paint_duodenum(canvas, person, person.head_drop_mm)),
        ("gallbladder", lambda: paint_gallbladder(canvas, person)),
        ("gland", lambda: paint_pancreas(canvas, person, pancreas)),
        ("vessels", lambda: paint_pancreatic_vessels(canvas, person, person.tail_rise_mm, pancreas.tail)),
        ("skeleton", lambda: paint_skeleton(canvas, person, trunk)),
    )
    for organ, paint in steps:
        person.begin(organ)
        paint()
    if table:
        paint_table(canvas, back_mm(person))


def _grid(spacing_mm: Sequence[float], field_mm: float, range_mm: tuple[float, float]) -> Geometry:
    """Return the canonical grid around the patient's axis, anatomical mm as its own."""
    extent = (field_mm, field_mm, range_mm[1] - range_mm[0])
    size = [max(1, round(length / step)) for length, step in zip(extent, spacing_mm, strict=True)]
    corner = (-7.0 - field_mm / 2, 6.0 - field_mm / 2, range_mm[0])
    origin = tuple(low + step / 2 for low, step in zip(corner, spacing_mm, strict=True))
    return Geometry((size[0], size[1], size[2]), (*map(float, spacing_mm),), origin)  # type: ignore[arg-type]


def _turned(canvas: Canvas) -> Geometry:
    """Return the grid in the patient's axes: oblique where the patient was turned."""
    grid, turn = canvas.geometry, canvas.turn
    origin = turn @ np.asarray(grid.origin_lps)
    return Geometry(grid.size_ijk, grid.spacing_mm, tuple(origin), tuple(turn.ravel()))


def _axes(geometry: Geometry, orientation: str) -> AxisMap:
    """Return the map from canonical axes to the named ones."""
    positive, negative = "LPS", "RAI"
    letters = orientation.upper()
    order = tuple(positive.find(c) if c in positive else negative.find(c) for c in letters)
    if sorted(order) != [0, 1, 2]:
        raise ValueError(f"The orientation {orientation!r} does not name each of L/R, P/A and S/I once.")
    flipped = tuple(c in negative for c in letters)
    matrix = geometry.matrix[:, list(order)] * np.where(flipped, -1.0, 1.0)
    first = np.zeros(3)
    for axis, flip in zip(order, flipped, strict=True):
        first[axis] = geometry.size_ijk[axis] - 1 if flip else 0
    target = Geometry(
        tuple(geometry.size_ijk[a] for a in order),  # type: ignore[arg-type]
        tuple(geometry.spacing_mm[a] for a in order),  # type: ignore[arg-type]
        tuple(geometry.index_to_lps(first)),
        tuple(matrix.ravel()),
    )
    return AxisMap(order, flipped, geometry, target)  # type: ignore[arg-type]
