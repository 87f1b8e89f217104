"""Where the masks come from that are compared with references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.data import Case
from PancreasSegLib.evaluation.case_score import CaseScore, score_mask
from PancreasSegLib.evaluation.traits import Traits
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.volume import Geometry, Volume


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model, or a file, says about one case.

    Attributes
    ----------
    masks : dict of str to ndarray of bool, shape (z, y, x)
        A mask a label, on the reference's grid.
    confidence : dict of str to float
        Expected Dice by label, where it is reported.
    curves : dict of str to tuple of float
        Expected Dice by temperature, likewise.
    seconds : float
        Time that the prediction took, NaN if not known.
    error : str
        Why the masks are empty, where the model refused or a file was not there.
    notes : tuple of str
        What a reader of the figures should know, such as another grid.
    """

    masks: dict[str, NDArray[np.bool_]]
    confidence: dict[str, float] = field(default_factory=dict)
    curves: dict[str, tuple[float, ...]] = field(default_factory=dict)
    seconds: float = float("nan")
    error: str = ""
    notes: tuple[str, ...] = ()

    def score(
        self, case: Case, label: str, reference: NDArray[np.bool_], geometry: Geometry, traits: Traits
    ) -> CaseScore:
        """Compare the mask of a label with its reference.

        Parameters
        ----------
        case : Case
            The scan.
        label : str
            One of `masks`.
        reference : ndarray of bool, shape (z, y, x)
            On `geometry`, as the mask.
        geometry : Geometry
            The grid of both.
        traits : Traits
            Carried into the score.
        """
        return score_mask(
            case.name,
            self.masks[label],
            reference,
            geometry,
            confidence=self.confidence.get(label, float("nan")),
            seconds=self.seconds,
            error=self.error,
            label=label,
            patient=case.patient,
            traits=traits,
            confidence_curve=self.curves.get(label, ()),
        )


def empty_prediction(labels: Sequence[str], grid: Geometry, **fields: Any) -> Prediction:
    """Return empty masks of the labels."""
    return Prediction({name: np.zeros(grid.shape_zyx, dtype=bool) for name in labels}, **fields)


class PredictionSource(Protocol):
    """A model, the folds of a cross-validation, or a folder of masks.

    Attributes
    ----------
    name : str
        What it is called in tables.
    about : dict
        What it is, for whoever wants to repeat the measurement.
    costly : bool
        Whether predicting takes long, so that masks are worth keeping.
    """

    name: str
    about: dict[str, Any]
    costly: bool

    def labels(self, known: Mapping[str, int]) -> tuple[str, ...]:
        """Return which of a dataset's labels it predicts."""
        ...

    def order(self, cases: Sequence[Case]) -> list[Case]:
        """Return the cases in the order in which they are predicted best."""
        ...

    def key(self, case: Case, labels: Sequence[str]) -> dict[str, Any]:
        """Return what the prediction of a case depends on, as plain JSON."""
        ...

    def predict(
        self, case: Case, ct: Volume, labels: Mapping[str, int], cancel: CancelToken | None = None
    ) -> Prediction:
        """Return the masks of a case on the grid of `ct`; `labels` are those wanted, with the dataset's values."""
        ...
