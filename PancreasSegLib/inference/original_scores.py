"""The scores of an imported network, from its grid to a mask on the CT's as its own program makes one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.inference.interpolated_classes import InterpolatedClasses
from PancreasSegLib.inference.original_grid import Matrix, OriginalGrid
from PancreasSegLib.inference.original_input import interpolated
from PancreasSegLib.models.axes import OURS, NetworkAxes
from PancreasSegLib.models.package import Stage
from PancreasSegLib.volume import Box, Geometry

_SLAB_VOXELS = 1 << 22
LETTERS = ("LR", "PA", "SI")
"""Where the canonical axes i, j and k may lead."""


@dataclass(frozen=True, eq=False)
class OriginalScores:
    """What an imported network found in a box.

    Attributes
    ----------
    margins : ndarray of float32, shape (labels, ...)
        On the network's grid and axes, by how much each label is ahead of the next class; above 0 it is the
        voxel's label.
    scores : ndarray of float32, shape (1 + labels + others, ...) or (labels, ...)
        Of all classes, in `part` alone: one of the others first and the rest of them last, where they exclude each
        other.
    part : tuple of slice or None
        Of the grid: from where a label can reach the CT's grid; None if from nowhere.
    exclusive : bool
        Whether they do, as with a softmax.
    restores : str
        As `Original.restores`.
    grid : OriginalGrid
        Along the network's axes.
    turn : NetworkAxes
        From (z, y, x) to those.
    box : Box
        In voxels of the CT on canonical axes.
    """

    margins: NDArray[np.float32]
    scores: NDArray[np.float32]
    part: tuple[slice, ...] | None
    exclusive: bool
    restores: str
    grid: OriginalGrid
    turn: NetworkAxes
    box: Box

    @classmethod
    def of(
        cls, scores: NDArray[np.float32], stage: Stage, grid: OriginalGrid, turn: NetworkAxes, box: Box
    ) -> OriginalScores:
        """Keep of all scores (classes, ...) what counts: those of a hundred classes take much memory."""
        assert stage.original is not None
        exclusive = stage.activation == "softmax"
        margins = _margins(scores, max(stage.labels.values())) if exclusive else scores
        part = _reaching(margins)
        seen = np.array(scores[(slice(None), *part)]) if part else scores[:, :0]
        return cls(margins, seen, part, exclusive, stage.original.restores, grid, turn, box)

    @cached_property
    def probability(self) -> NDArray[np.float32]:
        """Probability of each label against the next likely, shape (labels, z, y, x)."""
        result: NDArray[np.float32] = 1 / (1 + np.exp(-np.clip(self.turn.invert(self.margins), -60, 60)))
        return result

    def geometry(self, ct: Geometry) -> Geometry:
        """Return the network's grid with canonical axes."""
        ratio = [mm / s for mm, s in zip(self._ijk(self.grid.spacing_mm), ct.spacing_mm, strict=True)]
        size, first = self._ijk(self.grid.shape), self._ijk(self.grid.first)
        flipped = {_axis_of(letter) for letter in self.turn.code if letter not in OURS}
        low = []
        for axis in range(3):
            start = first[axis]
            if axis in flipped:  # counted from the other end
                start = self.box.size_ijk[axis] - 1 - first[axis] - (size[axis] - 1) * ratio[axis]
            low.append(self.box.lower_ijk[axis] + start)
        spacing = self._ijk(self.grid.spacing_mm)
        return Geometry(
            (size[0], size[1], size[2]),
            (spacing[0], spacing[1], spacing[2]),
            tuple(ct.index_to_lps(np.array(low))),
            ct.direction_lps,
        )

    def _ijk(self, values: Sequence) -> tuple:
        return self.turn.to_zyx(values)[::-1]

    def cleaned(self, ct: Geometry) -> OriginalScores:
        """Return them without stray pieces and holes of its labels."""
        from PancreasSegLib.postprocess import filled_holes, plausible_pieces

        if self.part is None:
            return self
        scores, grid = self.scores.copy(), self.geometry(ct)
        low, high = float(scores.min()) - 1, float(scores.max()) + 1
        for number, likely in enumerate(self.probability):
            raw = likely >= 0.5
            kept = plausible_pieces(raw, grid, likely)
            channel = scores[number + self.exclusive]
            channel[self.turn.apply((raw & ~kept)[None])[0][self.part]] = low
            channel[self.turn.apply((filled_holes(kept, grid) & ~kept)[None])[0][self.part]] = high
        return replace(self, scores=scores)

    def write(
        self,
        mask: NDArray[np.uint8],
        values: Sequence[int],
        allowed: Box,
        on_work: Callable[[float], None],
    ) -> None:
        """Bring the scores to the CT's grid and write each voxel's label into a mask.

        Parameters
        ----------
        mask : ndarray of uint8, shape (z, y, x) of the CT on canonical axes
            Written in place; a view will do.
        values : sequence of int
            Mask value of each label.
        allowed : Box
            Part of the CT that may be written.
        on_work : callable
            Takes the share done; may raise to stop.
        """
        seen = self.part
        if seen is None:
            return
        written = self.turn.apply(mask[None])[0] if self.turn.code != OURS else mask
        may = np.zeros(mask.shape, dtype=bool)
        may[allowed.slices_zyx] = True
        may_seen = self.turn.apply(may[None])[0]
        corner = [s.start for s in self.turn_box(mask.shape)]
        matrices = [m[:, used] for m, used in zip(self.grid.to_scan, seen, strict=True)]
        rows = [np.flatnonzero(m.any(axis=1)) for m in matrices]
        spans = [slice(int(r[0]), int(r[-1]) + 1) for r in rows]
        labelled = self._labelling(values)
        step = max(1, _SLAB_VOXELS // math.prod(s.stop - s.start for s in spans[1:]))
        for start in range(spans[0].start, spans[0].stop, step):
            slab = (slice(start, min(spans[0].stop, start + step)), *spans[1:])
            labels = labelled(
                [m[s] / m[s].sum(axis=1, keepdims=True) for m, s in zip(matrices, slab, strict=True)]
            )
            target = tuple(slice(c + s.start, c + s.stop) for c, s in zip(corner, slab, strict=True))
            np.copyto(written[target], labels, where=may_seen[target])
            on_work((slab[0].stop - spans[0].start) / (spans[0].stop - spans[0].start))

    def turn_box(self, shape_zyx: Sequence[int]) -> tuple[slice, ...]:
        """Return the box in the network's axes of a whole CT."""
        whole = self.turn.of_zyx(shape_zyx)
        low = self.turn.of_zyx(self.box.lower_ijk[::-1])
        high = self.turn.of_zyx(self.box.upper_ijk[::-1])
        found = [slice(a, b) for a, b in zip(low, high, strict=True)]
        for axis in self.turn.flipped:
            found[axis] = slice(whole[axis] - high[axis], whole[axis] - low[axis])
        return tuple(found)

    def _labelling(self, values: Sequence[int]) -> Callable[[Sequence[Matrix]], NDArray[np.uint8]]:
        """Return what makes mask values of the scores by an interpolation."""
        scores: NDArray = self.scores
        if self.exclusive:
            each = [0, *values, *[0] * (len(scores) - 1 - len(values))]
            if self.restores == "probabilities":
                scores = np.exp(scores - scores.max(axis=0))
                scores = scores / scores.sum(axis=0)
            if self.restores != "labels":
                return InterpolatedClasses.of(scores, each).on
            coarse = np.array(each, dtype=np.uint8)[scores.argmax(axis=0)]
        else:
            cut = 0.0
            if self.restores == "probabilities":
                scores, cut = 1 / (1 + np.exp(-np.clip(scores, -60, 60))), 0.5
            if self.restores != "labels":
                return lambda matrices: _overlapping((interpolated(s, matrices) for s in scores), values, cut)
            coarse = _overlapping(scores, values, cut)
        return lambda matrices: coarse[np.ix_(*(m.argmax(axis=1) for m in matrices))]


def _overlapping(scores: Iterable[NDArray[np.float32]], values: Sequence[int], cut: float) -> NDArray[np.uint8]:
    """Return each voxel's value: the last label's of those above a score."""
    found = [
        np.where(score > cut, np.uint8(value), np.uint8(0)) for score, value in zip(scores, values, strict=True)
    ]
    result = found[0]
    for label in found[1:]:
        np.copyto(result, label, where=label > 0)
    return result


def _margins(scores: NDArray[np.float32], labels: int) -> NDArray[np.float32]:
    """Return by how much each label, after the first class, is ahead of the next class, shape (labels, ...)."""
    highest = scores[0].copy()
    second = np.full_like(highest, -np.inf)
    lower = np.empty_like(highest)
    for channel in scores[1:]:
        np.maximum(second, np.minimum(highest, channel, out=lower), out=second)
        np.maximum(highest, channel, out=highest)
    wanted = scores[1 : 1 + labels]
    return wanted - np.where(wanted < highest, highest, second)


def _reaching(margins: NDArray[np.float32]) -> tuple[slice, ...] | None:
    """Return the part of the grid from which a label can reach the CT's grid, None if there is nothing."""
    ahead = np.asarray((margins > 0).any(axis=0))
    if not ahead.any():
        return None
    found = []
    for axis, size in enumerate(ahead.shape):
        used = np.flatnonzero(np.moveaxis(ahead, axis, 0).reshape(size, -1).any(axis=1))
        found.append(slice(max(0, int(used[0]) - 1), min(size, int(used[-1]) + 2)))
    return tuple(found)


def _axis_of(letter: str) -> int:
    """Return the canonical axis i, j or k along which a letter lies."""
    return next(axis for axis, letters in enumerate(LETTERS) if letter in letters)
