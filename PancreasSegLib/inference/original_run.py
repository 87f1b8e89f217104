"""An imported network on a box of a CT, as its own program would run it on a file of that box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain, combinations, islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.inference.original_grid import OriginalGrid, blending_weight, window_starts
from PancreasSegLib.inference.original_input import original_grid, original_input
from PancreasSegLib.inference.original_scores import LETTERS, OriginalScores
from PancreasSegLib.inference.streams import Streams
from PancreasSegLib.inference.windows import Tiling
from PancreasSegLib.models.axes import NetworkAxes
from PancreasSegLib.models.package import Original, Stage
from PancreasSegLib.volume import AxisMap, Box, Volume

if TYPE_CHECKING:
    from PancreasSegLib.inference.settings import CascadeSettings
    from PancreasSegLib.inference.stage_network import StageNetwork

_LEAST = 1e-30
_SLICES = 16  # that a network for slices takes at once


def network_turn(stage: Stage, original: Original, axes: AxisMap) -> NetworkAxes:
    """Return how (z, y, x) become the network's axes; those of the file where it takes scans as they lie in it."""
    if not original.as_filed:
        return NetworkAxes(stage.axes)
    letter = {}
    for canonical, (source, flipped) in enumerate(zip(axes.order, axes.flipped, strict=True)):
        letter["LPS"[source]] = LETTERS[canonical][flipped]
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
            if len(views) > 1:
                part /= len(views)
            if tiling.count == 1:
                total = part
                break
            part *= weight
            if total is None:
                total = np.zeros((len(part), *padded.shape), dtype=np.float32)
            total[(slice(None), *where)] += part
            norm[where] += weight
        assert total is not None
        if tiling.count > 1:
            total /= np.maximum(norm, _LEAST, out=norm)
        inside = tuple(slice(low, low + n) for (low, _), n in zip(pads, image.shape, strict=True))
        return OriginalScores.of(total[(slice(None), *inside)], stage, grid, self.turn, self.box)

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
        """Return a member's scores (channels, ...) of one window that it sees mirrored; slices go as a batch."""
        flat = self.network.stage.spatial_dims == 2
        seen = np.flip(image, flip)
        batch = np.ascontiguousarray(seen[:, None] if flat else seen[None, None])
        found = self.network.members[number].run(batch, None, on_work)
        scores = found.swapaxes(0, 1) if flat else found[0]
        return np.ascontiguousarray(np.flip(scores, tuple(1 + a for a in flip)))
