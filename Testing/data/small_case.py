"""Cases small enough to be saved by the dozen."""

from __future__ import annotations

import numpy as np

from PancreasSegLib.data import TrainingCase
from PancreasSegLib.volume import Geometry, Volume


def small_case(seed: int = 0, **changes) -> TrainingCase:
    """Return a case of noise with a box for an organ; another seed is another CT."""
    geometry = Geometry((20, 16, 12), (0.8, 0.9, 2.5), (-10.0, 20.5, 300.25))
    rng = np.random.default_rng(seed)
    ct = Volume(rng.integers(-1024, 1500, geometry.shape_zyx).astype(np.int16), geometry)
    mask = np.zeros(geometry.shape_zyx, np.uint8)
    mask[4:8, 3:9, 5:12] = 1
    return TrainingCase(**({"ct": ct, "mask": mask, "reader": "A. Reader", "model": "default"} | changes))
