"""Reading back what a picture shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.image import imread


def pixels_of(path: Path) -> np.ndarray:
    """Return the picture as float RGB, (rows, columns, 3)."""
    return imread(path)[..., :3].astype(float)


def where_colour(pixels: np.ndarray, colour: str, tolerance: float = 0.12) -> np.ndarray:
    """Return where a colour is drawn, (rows, columns)."""
    return np.abs(pixels - np.asarray(to_rgb(colour))).max(axis=-1) < tolerance
