"""HU of the tissues in each contrast phase."""

from __future__ import annotations

import numpy as np

PHASES = ("native", "arterial", "portal", "venous")

# Means as read on clinical abdominal CT at 120 kVp; columns follow PHASES.
_BY_PHASE: dict[str, tuple[float, float, float, float]] = {
    "liver": (57, 72, 105, 98),
    "spleen": (48, 130, 120, 105),
    "cortex": (33, 195, 180, 160),
    "medulla": (31, 85, 145, 155),
    "renal_pelvis": (8, 10, 15, 60),
    "pancreas": (42, 118, 95, 82),
    "artery": (42, 310, 152, 128),
    "portal_vein": (42, 135, 160, 135),
    "hepatic_vein": (42, 70, 148, 134),
    "cava": (40, 95, 132, 132),
    "bowel_wall": (38, 95, 85, 75),
    "stomach_wall": (38, 90, 78, 70),
    "muscle": (52, 58, 60, 60),
    "heart_wall": (45, 120, 105, 95),
    "heart_blood": (42, 290, 150, 128),
    "adrenal": (30, 85, 72, 60),
    "skin": (20, 30, 35, 35),
}
_CONSTANT = {
    "fat": -102.0,
    "subcutaneous": -108.0,
    "bile": 8.0,
    "water": 12.0,
    "lung": -850.0,
    "air": -1000.0,
    "trabecular": 175.0,
    "cortical": 720.0,
    "disc": 85.0,
    "canal": 22.0,
    "cartilage": 110.0,
    "brain": 36.0,
    "oral_contrast": 260.0,
}
_SPREAD = 0.07


def tissue_hu(phase: str, rng: np.random.Generator) -> dict[str, float]:
    """Return the HU of each tissue for one patient.

    Parameters
    ----------
    phase : str
        One of `PHASES`.
    rng : numpy.random.Generator
        Source of the patient's own deviations: enhancement as a whole, and each tissue a little.

    Raises
    ------
    ValueError
        If the phase is unknown.
    """
    if phase not in PHASES:
        raise ValueError(f"The contrast phase {phase!r} is none of {', '.join(PHASES)}.")
    column = PHASES.index(phase)
    strength = 1.0 + 0.12 * float(np.clip(rng.standard_normal(), -2, 2))
    result = dict(_CONSTANT)
    for name, values in _BY_PHASE.items():
        enhancement = (values[column] - values[0]) * strength
        own = 1.0 + _SPREAD * float(np.clip(rng.standard_normal(), -1.5, 1.5))
        result[name] = values[0] + enhancement * own + 2.0 * float(np.clip(rng.standard_normal(), -2, 2))
    for name, spread in (
        ("fat", 5.0),
        ("subcutaneous", 4.0),
        ("lung", 20.0),
        ("trabecular", 40.0),
    ):
        result[name] += spread * float(np.clip(rng.standard_normal(), -1.5, 1.5))
    return result
