"""The ways to carry a mark further that the benchmark compares, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.evaluation.correction_start import CorrectionStart
from PancreasSegLib.refine.propagation import Propagation, WeightFree
from PancreasSegLib.volume import Box, Volume


@dataclass(frozen=True)
class CorrectionMethod:
    """One way to correct.

    Attributes
    ----------
    name, description : str
        For options and reports.
    make : callable
        Gives the propagation for a case; None where the method cannot work on it (its model has no refiner).
    """

    name: str
    description: str
    make: Callable[[CorrectionStart], Propagation | None]


class PlainPainting:
    """Nothing but what was marked changes."""

    reach_mm = 0.0

    def __call__(
        self,
        ct: Volume,
        probability: Volume | None,
        mask: NDArray[np.bool_],
        marks: NDArray[np.uint8],
        window: Box,
        seeds: NDArray[np.uint8],
    ) -> NDArray[np.bool_]:
        """Return the mask inside the window; see :class:`PancreasSegLib.refine.propagation.Propagation`."""
        return mask[window.slices_zyx].copy()


def _grow_from_seeds(start: CorrectionStart) -> Propagation:
    from PancreasSegLib.evaluation.grow_from_seeds import GrowFromSeeds

    return GrowFromSeeds()


METHODS = {
    method.name: method
    for method in (
        CorrectionMethod(
            "refine", "Correction as in the panel, without a network of its own", lambda _: WeightFree()
        ),
        CorrectionMethod(
            "grow-from-seeds", "Grow-cut around the mark, as 3D Slicer's Grow from seeds", _grow_from_seeds
        ),
        CorrectionMethod("paint", "The marks painted, nothing else", lambda _: PlainPainting()),
    )
}
"""The methods that the benchmark knows, the references last."""


def methods_named(names: Sequence[str]) -> list[CorrectionMethod]:
    """Return the methods of these names, all if none is named.

    Raises
    ------
    PancreasSegError
        If there is no such method.
    """
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise PancreasSegError(
            f"There is no correction method {', '.join(unknown)}.", f"Choose among {', '.join(METHODS)}."
        )
    return [METHODS[name] for name in dict.fromkeys(names)] or list(METHODS.values())
