"""A small CT-like volume with an organ, its twin of like HU that is not organ, fat between, and a wrong mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from PancreasSegLib.volume import Geometry, Volume


@dataclass(frozen=True)
class Belly:
    """The CT, the truth, a mask that misses a part and takes another too many, and a network's probability."""

    ct: Volume
    organ: np.ndarray
    mask: np.ndarray
    probability: Volume


def belly(direction=np.eye(3), spacing=(1.2, 1.2, 2.5), seed: int = 0) -> Belly:
    """Return a belly on a grid of any axes; the anatomy is the same in the patient."""
    size = tuple(round(120 / s) for s in spacing)
    centre = np.array([30.0, -40.0, 200.0])
    middle = (np.array(size) - 1) / 2 * np.array(spacing)
    origin = centre - np.asarray(direction) @ middle
    geometry = Geometry(size, spacing, tuple(origin), tuple(np.ravel(direction)))
    k, j, i = np.meshgrid(*(np.arange(n) for n in geometry.shape_zyx), indexing="ij")
    x, y, z = np.moveaxis(geometry.index_to_lps(np.stack([i, j, k], -1)) - centre, -1, 0)
    organ = (np.hypot(y, z) < 9) & (np.abs(x) < 42)
    bowel = (np.hypot(y - 30, z) < 10) & (np.abs(x) < 42)
    hu = np.full(geometry.shape_zyx, -90.0)
    hu[organ], hu[bowel] = 95.0, 90.0
    hu += np.random.default_rng(seed).normal(0, 8, hu.shape)
    mask = (organ & (x < 8)) | (bowel & (x > 10))
    probability = np.where(mask, 0.85, np.where(organ, 0.25, 0.03)).astype(np.float32)
    return Belly(Volume(hu.astype(np.int16), geometry), organ, mask, Volume(probability, geometry))


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))
