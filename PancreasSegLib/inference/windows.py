"""Sliding windows, where an image is too large for one pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, int, int]
Window = tuple[slice, slice, slice]

_SIGMA = 0.125  # of the blending weights, in windows
_LEAST_WEIGHT = 1e-3
_HALF_ABOVE = 1 << 26  # blended values; above it they are kept in 16 bits


@dataclass(frozen=True)
class Tiling:
    """Windows that cover an image.

    Attributes
    ----------
    shape_zyx : tuple of 3 int
        The image.
    window_zyx : tuple of 3 int
        Every window; equal to the image along an axis that is not divided.
    starts_zyx : tuple of 3 tuple of int
        First voxels of the windows along each axis.
    """

    shape_zyx: Shape
    window_zyx: Shape
    starts_zyx: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    @property
    def count(self) -> int:
        """Number of windows."""
        return math.prod(len(starts) for starts in self.starts_zyx)

    @property
    def window_voxels(self) -> int:
        """Voxels of one window."""
        return math.prod(self.window_zyx)

    def __iter__(self) -> Iterator[tuple[slice, slice, slice]]:
        """Yield the windows from bottom to top."""
        for start in product(*self.starts_zyx):
            z, y, x = (slice(s, s + n) for s, n in zip(start, self.window_zyx, strict=True))
            yield z, y, x


def plan_windows(
    shape_zyx: Shape,
    patch_zyx: Shape,
    multiple_zyx: Shape,
    *,
    overlap: float = 0.4,
    whole_axis: float = 1.5,
    most_voxels: float = math.inf,
) -> Tiling:
    """Choose windows for an image.

    An axis up to `whole_axis` patches long stays in one piece: one pass costs less than overlapping ones, and a
    network sees at most what it was trained on by that factor. A longer axis is divided into windows of the
    length of the patch. Where a window would have more than `most_voxels`, it is made smaller axis by axis.

    Parameters
    ----------
    shape_zyx, patch_zyx, multiple_zyx : tuple of 3 int
        Image, training patch, and what window sizes must be multiples of; the image is a multiple.
    overlap : float
        Least share of a window that it has in common with the next.
    whole_axis : float
        See above.
    most_voxels : float
        Voxels of a window that fit into memory.

    Examples
    --------
    >>> plan_windows((48, 96, 112), (48, 96, 96), (8, 16, 16)).count
    1
    >>> plan_windows((160, 96, 112), (48, 96, 96), (8, 16, 16)).window_zyx
    (48, 96, 112)
    """
    window = [n if n <= whole_axis * p else p for n, p in zip(shape_zyx, patch_zyx, strict=True)]
    while math.prod(window) > most_voxels:
        smaller = [_smaller(w, p, m) for w, p, m in zip(window, patch_zyx, multiple_zyx, strict=True)]
        gain = [(w / p if s < w else 0.0) for w, p, s in zip(window, patch_zyx, smaller, strict=True)]
        axis = int(np.argmax(gain))
        if gain[axis] == 0.0:
            break
        window[axis] = smaller[axis]
    starts = [_starts(n, w, overlap) for n, w in zip(shape_zyx, window, strict=True)]
    return Tiling(shape_zyx, (window[0], window[1], window[2]), (starts[0], starts[1], starts[2]))


def _smaller(window: int, patch: int, multiple: int) -> int:
    """Return the next smaller window: the patch, then half as much, never below two multiples."""
    if window > patch:
        return patch
    half = multiple * math.ceil(window / (2 * multiple))
    return half if 2 * multiple <= half < window else window


def _starts(size: int, window: int, overlap: float) -> tuple[int, ...]:
    """Return evenly spread first voxels of windows that cover `size`."""
    if window >= size:
        return (0,)
    count = 1 + math.ceil((size - window) / max(1.0, window * (1.0 - overlap)))
    return tuple(round(n * (size - window) / (count - 1)) for n in range(count))


def blend_windows(
    tiling: Tiling, windows: Sequence[Window], parts: Iterable[NDArray[np.float32]], channels: int
) -> NDArray[np.floating]:
    """Blend the results of windows with Gaussian weights.

    Parameters
    ----------
    tiling : Tiling
        The windows of the image.
    windows : sequence of tuple of slice
        Those of them that were run; elsewhere the result is 0.
    parts : iterable of ndarray of float32, shape (channels, z, y, x)
        Their results, in the same order; they are changed.
    channels : int
        Channels of a result.

    Returns
    -------
    ndarray of float32, of float16 where it is very large, shape (channels, z, y, x)
    """
    if tiling.count == 1 and windows:
        return next(iter(parts))
    weight = _blending_weight(tiling)
    size = channels * math.prod(tiling.shape_zyx)
    result = np.zeros((channels, *tiling.shape_zyx), dtype=np.float16 if size > _HALF_ABOVE else np.float32)
    norm = np.zeros(tiling.shape_zyx, dtype=np.float32)
    for window, part in zip(windows, parts, strict=True):
        part *= weight
        result[(slice(None), *window)] += part.astype(result.dtype, copy=False)
        norm[window] += weight
    np.maximum(norm, np.float32(_LEAST_WEIGHT / 2), out=norm)
    for channel in result:
        np.divide(channel, norm, out=channel, casting="same_kind")
    return result


def _blending_weight(tiling: Tiling) -> NDArray[np.float32]:
    """Return the Gaussian weights of a window; flat along axes that are not divided."""
    axes: list[NDArray[np.float64]] = []
    for size, starts in zip(tiling.window_zyx, tiling.starts_zyx, strict=True):
        distance = (np.arange(size) - (size - 1) / 2) / (_SIGMA * size)
        axes.append(np.exp(-0.5 * distance**2) if len(starts) > 1 else np.ones(size))
    weight = axes[0][:, None, None] * axes[1][None, :, None] * axes[2][None, None, :]
    result: NDArray[np.float32] = np.maximum(weight, _LEAST_WEIGHT).astype(np.float32)
    return result
