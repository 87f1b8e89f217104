"""The ways to carry a mark further that the benchmark compares, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.evaluation.correction_start import CorrectionStart
from PancreasSegLib.refine.propagation import Propagation, WeightFree
from PancreasSegLib.refine.task import Task
from PancreasSegLib.volume import Volume

Learner = Callable[[Volume, NDArray[np.bool_], NDArray[np.uint8]], Volume]
"""Takes CT, mask and marks, and returns the probability of a model that has learnt them."""


@dataclass(frozen=True)
class CorrectionMethod:
    """One way to correct.

    Attributes
    ----------
    name, description : str
        For options and reports.
    make : callable
        Gives the propagation for a case; None where the method cannot work on it (its model has no refiner).
    learner : callable, optional
        Gives what learns the patient after each correction; without it, nothing is learnt.
    """

    name: str
    description: str
    make: Callable[[CorrectionStart], Propagation | None]
    learner: Callable[[CorrectionStart], Learner] | None = None


class PlainPainting:
    """Nothing but what was marked changes."""

    reach_mm = 0.0

    def __call__(self, task: Task) -> NDArray[np.bool_]:
        """Return the mask inside the window; see `PancreasSegLib.refine.propagation.Propagation`."""
        return task.mask[task.window.slices_zyx].copy()


def _refine(start: CorrectionStart) -> Propagation:
    return _with_network(None if start.package is None else str(start.package))


@lru_cache(maxsize=4)
def _with_network(package: str | None) -> Propagation:
    from PancreasSegLib.inference.refiner import NetworkPropagation

    # never the default's refiner for a package that has none: it may have seen the patients
    return NetworkPropagation.load(package or "default") or WeightFree()


def _learning(start: CorrectionStart) -> Learner:
    return _learner_of(None if start.package is None else str(start.package))


@lru_cache(maxsize=1)
def _learner_of(package: str | None) -> Learner:
    import torch

    from PancreasSegLib.adaptation import PatientLearner
    from PancreasSegLib.inference import Segmenter

    segmenter = Segmenter.load(package or "default", threads=torch.get_num_threads())
    return PatientLearner(segmenter).learn


def _random_walker(start: CorrectionStart) -> Propagation:
    from PancreasSegLib.evaluation.other_refiners import RandomWalker

    return RandomWalker()


def _online_head(start: CorrectionStart) -> Propagation:
    from PancreasSegLib.evaluation.other_refiners import OnlineHead

    return OnlineHead()


def _grow_from_seeds(start: CorrectionStart) -> Propagation:
    from PancreasSegLib.evaluation.grow_from_seeds import GrowFromSeeds

    return GrowFromSeeds()


METHODS = {
    method.name: method
    for method in (
        CorrectionMethod(
            "refine", "As in the panel: the refiner of the model, weight-free if it has none", _refine
        ),
        CorrectionMethod(
            "learn", "As refine; after each mark a copy of the segmenter learns the patient", _refine, _learning
        ),
        CorrectionMethod(
            "weight-free", "Fronts over like HU, network and mask, random walk", lambda _: WeightFree()
        ),
        CorrectionMethod(
            "random-walker", "Random walks from the marks, network and mask as priors", _random_walker
        ),
        CorrectionMethod("online-head", "Logistic regression fitted to the marks, random walk", _online_head),
        CorrectionMethod(
            "grow-from-seeds", "Grow-cut around the mark, as 3D Slicer's Grow from seeds", _grow_from_seeds
        ),
        CorrectionMethod("paint", "The marks painted, nothing else", lambda _: PlainPainting()),
    )
}
"""The methods that the benchmark knows, the references last."""


def methods_named(names: Sequence[str]) -> list[CorrectionMethod]:
    """Return the methods of these names; where none is named, all but those that learn, which takes long.

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
    return [METHODS[name] for name in dict.fromkeys(names)] or [m for m in METHODS.values() if m.learner is None]
