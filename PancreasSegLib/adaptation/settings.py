"""The numbers that decide how a patient is learnt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LearningSettings:
    """Settings of the learning of one patient.

    Attributes
    ----------
    least_ml : float
        Less than this is not learnt from. A confirmed slice covers more, a handful of strokes does not: they
        lie where the mask is wrong, and a network that sees nothing else unlearns the organ (measured).
    steps : int
        Of each network; every step sees all marks that fit into its window.
    learning_rate : float
        Of AdamW at the beginning; it falls to nothing.
    belief_weight : float
        Of the mask as it is, where nothing was marked, against the marks: without it, one slice makes a network
        forget the organ elsewhere.
    average : float
        Decay of the moving average of the weights, which is what predicts.
    margin_mm : float
        Seen around the mask and the marks.
    movement : float
        How far every other step turns, scales and bends what it shows, 1 being as far as in the training of a
        refiner.
    """

    least_ml: float = 2.0
    steps: int = 16
    learning_rate: float = 4e-4
    belief_weight: float = 0.7
    average: float = 0.85
    margin_mm: float = 24.0
    movement: float = 0.4


def enough(marked_ml: float, settings: LearningSettings | None = None) -> bool:
    """Whether so many mL of marks, included and excluded together, can be learnt from."""
    return marked_ml >= (settings or LearningSettings()).least_ml
