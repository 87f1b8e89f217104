"""An imported network on a box of a CT, as its own program would run it on a file of that box."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain, combinations, islice, repeat
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.inference.original_grid import Matrix, OriginalGrid, blending_weight, window_starts
from PancreasSegLib.inference.original_input import interpolated, original_grid, original_input
from PancreasSegLib.inference.streams import Streams
from PancreasSegLib.inference.windows import Tiling
from PancreasSegLib.models.axes import OURS, NetworkAxes
from PancreasSegLib.models.package import Original, Stage
from PancreasSegLib.networks.imported import given_channels
from PancreasSegLib.volume import AxisMap, Box, Geometry, Volume

if TYPE_CHECKING:
    from PancreasSegLib.inference.settings import CascadeSettings
    from PancreasSegLib.inference.stage_network import StageNetwork

_LEAST = 1e-30
_LEAST_LEFT = 1e-7  # that a sigmoid leaves in single precision
_SLAB_VOXELS = 1 << 22
_SLICES = 16  # that a network for slices takes at once
_LETTERS = ("LR", "PA", "SI")


@dataclass(frozen=True, eq=False)
class OriginalScores:
    """What an imported network found in a box.

    Attributes
    ----------
    scores : ndarray of float32, shape (1 + labels + others, ...) or (labels, ...)
        On the network's grid and axes: the background first and the classes that are not wanted last, where they
        exclude each other.
    labels : int
        How many are wanted.
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

    scores: NDArray[np.float32]
    labels: int
    exclusive: bool
    restores: str
    grid: OriginalGrid
    turn: NetworkAxes
    box: Box

    @cached_property
    def margins(self) -> NDArray[np.float32]:
        """By how much each label is ahead of the next, shape (labels, ...); above 0 it is the voxel's label."""
        if not self.exclusive:
            return self.scores
        highest = self.scores[0].copy()
        second = np.full_like(highest, -np.inf)
        for channel in self.scores[1:]:
            np.maximum(second, np.minimum(highest, channel), out=second)
            np.maximum(highest, channel, out=highest)
        wanted = self.scores[1 : 1 + self.labels]
        return wanted - np.where(wanted < highest, highest, second)

    def probability(self, margins: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each label against the next likely, shape (labels, z, y, x)."""
        result: NDArray[np.float32] = 1 / (1 + np.exp(-np.clip(self.turn.invert(margins), -60, 60)))
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

        scores, grid = self.scores.copy(), self.geometry(ct)
        low, high = float(scores.min()) - 1, float(scores.max()) + 1
        for number, likely in enumerate(self.probability(self.margins)):
            raw = likely >= 0.5
            kept = plausible_pieces(raw, grid, likely)
            channel = scores[number + self.exclusive]
            channel[self.turn.apply((raw & ~kept)[None])[0]] = low
            channel[self.turn.apply((filled_holes(kept, grid) & ~kept)[None])[0]] = high
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
        seen = self._seen()
        if seen is None:
            return
        part = self.turn.apply(mask[None])[0] if self.turn.code != OURS else mask
        may = np.zeros(mask.shape, dtype=bool)
        may[allowed.slices_zyx] = True
        may_seen = self.turn.apply(may[None])[0]
        corner = [s.start for s in self.turn_box(mask.shape)]
        matrices = self.grid.to_scan
        rows = [np.flatnonzero(m[:, used].any(axis=1)) for m, used in zip(matrices, seen, strict=True)]
        spans = [slice(int(r[0]), int(r[-1]) + 1) for r in rows]
        scores = self.scores[(slice(None), *seen)]
        if self.restores == "probabilities":
            scores = self._probabilities(scores)
        step = max(1, _SLAB_VOXELS // math.prod(s.stop - s.start for s in spans[1:]))
        for start in range(spans[0].start, spans[0].stop, step):
            slab = (slice(start, min(spans[0].stop, start + step)), *spans[1:])
            used = [m[s][:, u] for m, s, u in zip(matrices, slab, seen, strict=True)]
            labels = self._labelled(scores, used, values)
            target = tuple(slice(c + s.start, c + s.stop) for c, s in zip(corner, slab, strict=True))
            np.copyto(part[target], labels, where=may_seen[target])
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

    def _seen(self) -> tuple[slice, ...] | None:
        """Return the part of the grid from which a label can reach the CT's grid, None if there is nothing."""
        ahead = np.asarray((self.margins > 0).any(axis=0))
        if not ahead.any():
            return None
        found = []
        for axis, size in enumerate(ahead.shape):
            used = np.flatnonzero(np.moveaxis(ahead, axis, 0).reshape(size, -1).any(axis=1))
            found.append(slice(max(0, int(used[0]) - 1), min(size, int(used[-1]) + 2)))
        return tuple(found)

    def _labelled(
        self, scores: NDArray[np.float32], matrices: Sequence[Matrix], values: Sequence[int]
    ) -> NDArray[np.uint8]:
        if self.restores == "labels":
            nearest = [np.eye(m.shape[1], dtype=np.float32)[m.argmax(axis=1)] for m in matrices]
            return interpolated(self._values(scores, values).astype(np.float32), nearest).astype(np.uint8)
        fine = (interpolated(channel, matrices) for channel in scores)
        return self._values(fine, values, cut=0.5 if self.restores == "probabilities" else 0.0)

    def _probabilities(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self.exclusive:
            return np.asarray(1 / (1 + np.exp(-np.clip(scores, -60, 60))), dtype=np.float32)
        powers = np.exp(scores - scores.max(axis=0))
        return np.asarray(powers / powers.sum(axis=0), dtype=np.float32)

    def _values(
        self, scores: Iterable[NDArray[np.float32]], values: Sequence[int], cut: float = 0.0
    ) -> NDArray[np.uint8]:
        """Return each voxel's mask value: the likeliest class's, or the last label's of those that overlap."""
        channels = iter(scores)
        first = next(channels)
        found = np.zeros(first.shape, dtype=np.uint8)
        if not self.exclusive:
            for score, value in zip(chain((first,), channels), values, strict=True):
                found[score > cut] = value
            return found
        highest = first.copy()
        for score, value in zip(channels, chain(values, repeat(0)), strict=False):
            found[score > highest] = value
            np.maximum(highest, score, out=highest)
        return found


def _axis_of(letter: str) -> int:
    """Return the canonical axis i, j or k along which a letter lies."""
    return next(axis for axis, letters in enumerate(_LETTERS) if letter in letters)


def network_turn(stage: Stage, original: Original, axes: AxisMap) -> NetworkAxes:
    """Return how (z, y, x) become the network's axes; those of the file where it takes scans as they lie in it."""
    if not original.as_filed:
        return NetworkAxes(stage.axes)
    letter = {}
    for canonical, (source, flipped) in enumerate(zip(axes.order, axes.flipped, strict=True)):
        letter["LPS"[source]] = _LETTERS[canonical][flipped]
    return NetworkAxes("".join(letter[place] for place in stage.axes))


@dataclass(frozen=True, eq=False)
class OriginalRun:
    """An imported network on a box of a CT.

    Parameters
    ----------
    ct : Volume
        HU on canonical axes.
    box : Box
        In its voxels.
    network : StageNetwork
        An imported one.
    turn : NetworkAxes
        From `network_turn`.
    settings : CascadeSettings
        Overlap, mirroring.
    """

    ct: Volume
    box: Box
    network: StageNetwork
    turn: NetworkAxes
    settings: CascadeSettings

    @property
    def original(self) -> Original:
        """How its program runs it."""
        assert self.network.stage.original is not None
        return self.network.stage.original

    @property
    def grid(self) -> OriginalGrid:
        """The network's grid over the box."""
        size = self.turn.of_zyx(self.box.size_ijk[::-1])
        return original_grid(self.network.stage, size, self.ct.geometry, self.turn)

    @property
    def _flips(self) -> list[tuple[int, ...]]:
        """Combinations of axes along which windows are mirrored, none first."""
        axes = self.original.mirrored_axes if self.settings.mirrored else ()
        return list(chain.from_iterable(combinations(axes, n) for n in range(len(axes) + 1)))

    @property
    def runs(self) -> int:
        """How often each member sees a window."""
        return len(self._flips)

    @property
    def tiling(self) -> Tiling:
        """Its windows, along the network's axes, over the grid as it is padded to a window at least."""
        stage, shape = self.network.stage, self.grid.shape
        window = list(NetworkAxes(stage.axes).of_zyx(stage.patch_ijk[::-1]))
        if stage.spatial_dims == 2:
            window[0] = min(_SLICES, shape[0])
        padded = [max(n, w) for n, w in zip(shape, window, strict=True)]
        starts = [
            window_starts(self.original.program, n, w, self.settings.overlap)
            for n, w in zip(padded, window, strict=True)
        ]
        if stage.spatial_dims == 2:  # slices know nothing of each other
            starts[0] = (*range(0, padded[0] - window[0], window[0]), padded[0] - window[0])
        return Tiling(
            (padded[0], padded[1], padded[2]),
            (window[0], window[1], window[2]),
            (starts[0], starts[1], starts[2]),
        )

    def scores(self, streams: Streams, on_work: Callable[[float], None]) -> OriginalScores:
        """Run all windows, mirrored ones too where that is wanted, and blend the scores of all members.

        Parameters
        ----------
        streams : Streams
            Where windows run.
        on_work : callable
            Takes the share done; may raise to stop.
        """
        stage, grid, tiling = self.network.stage, self.grid, self.tiling
        image = original_input(self.ct, self.box, grid, stage, self.turn)
        missing = [n - m for n, m in zip(tiling.shape_zyx, image.shape, strict=True)]
        pads = [(m // 2, m - m // 2) for m in missing]
        padded = np.pad(image, pads, mode="edge" if self.original.padding == "edge" else "constant")
        views = [(number, flip) for number in range(len(self.network.members)) for flip in self._flips]
        jobs = [partial(self._seen, padded[where], *view) for where in tiling for view in views]
        weight = self._weight(tiling)
        total: NDArray[np.float32] | None = None
        norm = np.zeros(padded.shape, dtype=np.float32)
        found = streams.start(jobs).results(on_work)
        for where in tiling:
            part = next(found)
            for other in islice(found, len(views) - 1):
                part += other
            part *= weight / len(views)
            if total is None:
                total = np.zeros((len(part), *padded.shape), dtype=np.float32)
            total[(slice(None), *where)] += part
            norm[where] += weight
        assert total is not None
        total /= np.maximum(norm, _LEAST)
        inside = tuple(slice(low, low + n) for (low, _), n in zip(pads, image.shape, strict=True))
        scores = np.ascontiguousarray(total[(slice(None), *inside)])
        exclusive = stage.activation == "softmax"
        labels = max(stage.labels.values())
        return OriginalScores(scores, labels, exclusive, self.original.restores, grid, self.turn, self.box)

    def _weight(self, tiling: Tiling) -> NDArray[np.float32]:
        window = tiling.window_zyx
        constant = self.original.blending == "constant"
        if self.network.stage.spatial_dims == 2:
            flat = blending_weight(self.original.program, (1, *window[1:]), constant)
            return np.repeat(flat, window[0], axis=0)
        return blending_weight(self.original.program, window, constant)

    def _seen(
        self, image: NDArray[np.float32], number: int, flip: tuple[int, ...], on_work: Callable[[float], None]
    ) -> NDArray[np.float32]:
        """Return a member's scores (channels, ...) of one window that it sees mirrored; slices go as a batch.

        The logarithms of a softmax are its scores but for a number that all classes have in common.
        """
        stage = self.network.stage
        flat, softmax = stage.spatial_dims == 2, stage.activation == "softmax"
        seen = np.flip(image, flip)
        batch = np.ascontiguousarray(seen[:, None] if flat else seen[None, None])
        keep = range(given_channels(stage.arguments)) if softmax else range(1, 1 + max(stage.labels.values()))
        found = self.network.members[number].run(batch, keep, on_work)
        likely = found.swapaxes(0, 1) if flat else found[0]
        against = 0.0 if softmax else np.log(np.maximum(1 - likely, _LEAST_LEFT))
        scores = np.log(np.maximum(likely, _LEAST, out=likely), out=likely)
        scores -= against
        return np.ascontiguousarray(np.flip(scores, tuple(1 + a for a in flip)))
