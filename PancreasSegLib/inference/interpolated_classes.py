"""Which of many classes has the highest interpolated score at each voxel of a finer grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.inference.original_grid import Matrix


@dataclass(frozen=True, eq=False)
class InterpolatedClasses:
    """Classes that exclude each other, interpolated linearly one by one, and only where they can be the highest.

    Between the eight voxels of a cell a score lies between its lowest and its highest there. A class whose highest
    is below the lowest of another is out in that cell; so most cells have one class or two.

    Parameters
    ----------
    scores : ndarray of float32, shape (classes, ...)
        On a coarse grid of three axes.
    values : sequence of int
        What a voxel gets where a class is ahead, 0 for those that are not wanted; a value a class.
    """

    scores: NDArray[np.float32]
    values: Sequence[int]
    _possible: NDArray[np.bool_]

    @classmethod
    def of(cls, scores: NDArray[np.float32], values: Sequence[int]) -> InterpolatedClasses:
        """Find out in which cells each class can be the highest."""
        shape = scores.shape[1:]
        spare = np.empty(shape, np.float32), np.empty(shape, np.float32)
        surest = np.full(shape, -np.inf, dtype=np.float32)
        for channel in scores:
            np.maximum(surest, _of_cells(channel, np.minimum, spare), out=surest)
        possible = np.empty(scores.shape, dtype=bool)
        for channel, where in zip(scores, possible, strict=True):
            np.greater_equal(_of_cells(channel, np.maximum, spare), surest, out=where)
        return cls(scores, values, possible)

    def on(self, matrices: Sequence[Matrix]) -> NDArray[np.uint8]:
        """Return the values on the grid of an interpolation.

        Parameters
        ----------
        matrices : sequence of 3 ndarray, shape (voxels of the fine grid, voxels of the coarse grid)
            An axis each; a row has one number that is not 0, or two beside each other, and adds up to 1.
        """
        places = [_places(matrix) for matrix in matrices]
        found = np.zeros(tuple(len(low) for low, _ in places), dtype=np.uint8)
        wanted = np.asarray(self._possible[np.flatnonzero(self.values)].any(axis=0))
        cells = wanted[np.ix_(*(low for low, _ in places))]
        where = np.nonzero(cells)
        lows = [low[at] for (low, _), at in zip(places, where, strict=True)]
        shares = [share[at] for (_, share), at in zip(places, where, strict=True)]
        cell = np.ravel_multi_index(lows, self.scores.shape[1:]) if len(lows[0]) else np.zeros(0, dtype=int)
        best = np.full(len(cell), -np.inf, dtype=np.float32)
        labels = np.zeros(len(cell), dtype=np.uint8)
        for channel, possible, value in zip(self.scores, self._possible, self.values, strict=True):
            seen = np.flatnonzero(possible.ravel()[cell])
            score = _linear(channel, cell[seen], [share[seen] for share in shares])
            ahead = score > best[seen]
            best[seen[ahead]] = score[ahead]
            labels[seen[ahead]] = value
        found[where] = labels
        return found


def _of_cells(
    channel: NDArray[np.float32], extreme: np.ufunc, spare: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the extreme of the eight voxels of each cell, which is named by the first of them, in a spare array.

    New arrays for each class would cost more than their content.
    """
    for axis in range(channel.ndim):
        target = spare[axis % 2]
        first, others, last = ([slice(None)] * channel.ndim for _ in range(3))
        first[axis], others[axis], last[axis] = slice(None, -1), slice(1, None), slice(-1, None)
        extreme(channel[tuple(first)], channel[tuple(others)], out=target[tuple(first)])
        target[tuple(last)] = channel[tuple(last)]
        channel = target
    return channel


def _places(matrix: Matrix) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return by row the first column that counts, and the share of the next."""
    low = (matrix != 0).argmax(axis=1)
    return low, 1 - matrix[np.arange(len(low)), low]


def _linear(
    channel: NDArray[np.float32], cell: NDArray[np.intp], shares: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Interpolate inside cells; beyond the last voxel of an axis there is nothing, and its share is 0."""
    flat = channel.ravel()
    steps = [
        stride // channel.itemsize if n > 1 else 0
        for stride, n in zip(channel.strides, channel.shape, strict=True)
    ]
    last = len(flat) - 1

    def along(axis: int, start: NDArray[np.intp]) -> NDArray[np.float32]:
        if axis == 3:
            return flat[np.minimum(start, last)]
        first = along(axis + 1, start)
        return first + shares[axis] * (along(axis + 1, start + steps[axis]) - first)

    result: NDArray[np.float32] = along(0, cell)
    return result
