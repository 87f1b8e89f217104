"""Small cases to correct: an organ whose mask lacks a piece and has another too much, and what to compare with."""

from __future__ import annotations

import numpy as np

from PancreasSegLib.evaluation.correction_start import CorrectionStart
from PancreasSegLib.refine import EXCLUDED, INCLUDED
from PancreasSegLib.volume import Geometry, Volume

GRID = Geometry((48, 40, 16), (1.5, 1.5, 3.0), (-30.0, -20.0, 100.0))


def ball(centre_zyx, radii_zyx, shape=GRID.shape_zyx):
    z, y, x = np.ogrid[tuple(slice(0, n) for n in shape)]
    return sum(((a - c) / r) ** 2 for a, c, r in zip((z, y, x), centre_zyx, radii_zyx, strict=True)) <= 1


def small_start(name: str = "a", *, missing: bool = True, excess: bool = True, seed: int = 0) -> CorrectionStart:
    """Return a bright organ in grey tissue; its mask lacks the left third and takes a grey ball for organ."""
    reference = ball((8, 20, 24), (5, 8, 17))
    mask = reference.copy()
    if missing:
        mask[:, :, 30:] = False
    if excess:
        mask |= ball((8, 32, 14), (3, 4, 5))
    rng = np.random.default_rng(seed)
    hu = np.where(reference, 130, 20) + rng.normal(0, 4, GRID.shape_zyx)
    probability = Volume(np.where(mask, 0.9, 0.1).astype(np.float32), GRID)
    return CorrectionStart(name, Volume(hu.astype(np.int16), GRID), reference, mask, probability)


class Knowing:
    """A method that knows the reference and puts everything right within its reach."""

    def __init__(self, reference: np.ndarray, reach_mm: float = 500.0) -> None:
        self.reference, self.reach_mm = reference, reach_mm

    def __call__(self, task):
        return self.reference[task.window.slices_zyx].copy()


class Ruinous:
    """A method that empties the surroundings of every mark."""

    reach_mm = 12.0

    def __call__(self, task):
        return np.zeros(task.seeds.shape, dtype=bool)


class Noting:
    """A method that changes nothing and keeps what it was given."""

    reach_mm = 0.0

    def __init__(self) -> None:
        self.seen: list[tuple[np.ndarray, np.ndarray]] = []

    def __call__(self, task):
        assert ((task.seeds == INCLUDED) | (task.seeds == EXCLUDED)).any()
        self.seen.append((task.mask.copy(), task.marks.copy()))
        return task.mask[task.window.slices_zyx].copy()


def plain_dice(mask: np.ndarray, reference: np.ndarray) -> float:
    return 2 * int((mask & reference).sum()) / (int(mask.sum()) + int(reference.sum()))
