"""The axes of a network's images, as three letters: where each axis leads, in the order of the array's axes.

Ours are ``"SPL"``: arrays are (z, y, x), and z leads to Superior, y to Posterior, x to Left. Networks of MONAI's
bundles usually have ``"RAS"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

OURS = "SPL"
_AXIS = {"S": 0, "I": 0, "P": 1, "A": 1, "L": 2, "R": 2}
_T = TypeVar("_T")


def are_axes(text: Any) -> bool:
    """Whether a text names three axes, each once.

    Examples
    --------
    >>> are_axes("RAS"), are_axes("RAL"), are_axes("ras")
    (True, False, False)
    """
    return isinstance(text, str) and [_AXIS.get(letter) for letter in sorted(text, key=_rank)] == [0, 1, 2]


def _rank(letter: str) -> int:
    return _AXIS.get(letter, 3)


@dataclass(frozen=True)
class NetworkAxes:
    """How our arrays (z, y, x) become a network's, and back.

    Parameters
    ----------
    code : str
        Three letters of L, R, P, A, S and I.

    Examples
    --------
    >>> NetworkAxes("RAS").of_zyx((6, 5, 4))  # R, A, S are along x, y, z
    (4, 5, 6)
    """

    code: str

    @property
    def order(self) -> tuple[int, ...]:
        """For each axis of the network, the axis of (z, y, x)."""
        return tuple(_AXIS[letter] for letter in self.code)

    @property
    def flipped(self) -> tuple[int, ...]:
        """The network's axes that lead the other way than ours."""
        return tuple(i for i, letter in enumerate(self.code) if letter not in OURS)

    def of_zyx(self, values: Sequence[_T]) -> tuple[_T, ...]:
        """Put one value an axis from the order z, y, x into the network's."""
        return tuple(values[axis] for axis in self.order)

    def to_zyx(self, values: Sequence[_T]) -> tuple[_T, ...]:
        """Put one value an axis from the network's order into z, y, x."""
        return tuple(values[self.order.index(axis)] for axis in range(3))

    def apply(self, image: NDArray[Any]) -> NDArray[Any]:
        """Turn an image (c, z, y, x) into the network's axes; a view."""
        if self.code == OURS:
            return image
        return np.flip(image.transpose(0, *(1 + a for a in self.order)), tuple(1 + a for a in self.flipped))

    def invert(self, image: NDArray[Any]) -> NDArray[Any]:
        """Undo `apply`; a view."""
        if self.code == OURS:
            return image
        back = np.argsort(self.order)
        return np.flip(image, tuple(1 + a for a in self.flipped)).transpose(0, *(1 + a for a in back))
