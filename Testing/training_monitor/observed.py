"""What observers are told of, without a network: cases, a view that predicts, scores and figures."""

from __future__ import annotations

import numpy as np

from PancreasSegLib.training.observer import NetworkView, ValidationScores
from PancreasSegLib.training.prepared import PreparedCase
from PancreasSegLib.volume import Geometry

LABELS = ("liver", "pancreas")
SHAPE = (24, 40, 44)


def blob(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return HU and classes (1 liver, 2 pancreas) of a generated patient, z, y, x."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    hu = np.full(SHAPE, -1000.0)
    hu[((y - 20) / 18) ** 2 + ((x - 22) / 20) ** 2 < 1] = 40
    label = np.zeros(SHAPE, np.uint8)
    centre = np.array([12, 20, 28]) + rng.integers(-2, 3, 3)
    label[(((z - 12) / 6) ** 2 + ((y - 20) / 8) ** 2 + ((x - 12) / 5) ** 2) < 1] = 1
    label[((z - centre[0]) / 5) ** 2 + ((y - centre[1]) / 4) ** 2 + ((x - centre[2]) / 8) ** 2 < 1] = 2
    hu[label == 1] = 120
    hu[label == 2] = 200
    return hu + rng.normal(0, 8, SHAPE), label


def prepared(seed: int, **fields) -> PreparedCase:
    """Return a generated patient on the grid of the stage."""
    hu, label = blob(seed)
    grey = np.clip((hu + 125) * 255 / 400, 0, 255).astype(np.uint8)
    return PreparedCase(f"case_{seed}", grey, label, Geometry((44, 40, 24), (2.0, 2.0, 3.0)), **fields)


def shifted(case: PreparedCase) -> np.ndarray:
    """Predict the reference two voxels to the patient's left."""
    return np.roll(case.label, 2, axis=2)


def a_view(*cases: PreparedCase, predict=shifted) -> NetworkView:
    return NetworkView(LABELS, cases, predict)


def scores_at(step: int, pancreas: float, *, best: bool = False, liver: float = 0.9) -> ValidationScores:
    """Return the scores of one held-out case."""
    dice = {"liver": liver, "pancreas": pancreas}
    return ValidationScores(step, step / 2, {"case_1": dice}, dice, pancreas, best)


def figures(step: int, of: int = 100, loss: float = 0.5) -> dict[str, float]:
    """Return what the loop tells after some steps."""
    rate = {"rate": 1e-3, "seconds": step / 2, "seconds_per_step": 0.5, "grad_norm": 1.0, "data_share": 0.1}
    return {"loss": loss, "fraction": step / of, **rate}
