"""What makes one phantom differ from the next."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np

from PancreasSegLib.phantom.tissue import tissue_hu

MIDLINE = -7.0  # x of the spine; the aorta lies at x = 0


@dataclass
class Individual:
    """Build, contrast and habits of one patient, drawn from population ranges.

    Attributes
    ----------
    seed : int
        Number of the patient.
    rng : numpy.random.Generator
        Source of the smaller deviations of the organ being painted; see `begin`.
    hu : dict of str to float
        HU of each tissue.
    scale : tuple of 3 float
        Size relative to the average patient along x, y, z.
    subcutaneous_mm : float
        Thickness of the fat under the skin.
    visceral : float
        Fat among the organs, 0 lean to 1 obese.
    pancreas_ml : float
        Volume aimed at.
    pancreas_fat : float
        Share of fat in the gland, 0 to 1.
    tail_rise_mm, head_drop_mm : float
        Lie of the gland: from horizontal to steep.
    oral_contrast : bool
        Whether the stomach and bowel hold positive contrast.
    """

    seed: int
    rng: np.random.Generator
    hu: dict[str, float]
    scale: tuple[float, float, float]
    subcutaneous_mm: float
    visceral: float
    pancreas_ml: float
    pancreas_fat: float
    tail_rise_mm: float
    head_drop_mm: float
    oral_contrast: bool
    bends: list[tuple[float, float]] = field(default_factory=lambda: [(70.0, 4.0), (32.0, 1.6)])

    @classmethod
    def drawn(cls, phase: str, seed: int) -> Individual:
        """Draw a patient; sizes follow the spread seen among adults on abdominal CT."""
        rng = np.random.default_rng([seed, 1])

        def normal(mean: float, sd: float) -> float:
            return float(mean + sd * np.clip(rng.standard_normal(), -1.8, 1.8))

        size = normal(1.0, 0.04)
        visceral = float(rng.uniform(0.05, 1.0))
        return cls(
            seed=seed,
            rng=rng,
            hu=tissue_hu(phase, np.random.default_rng([seed, 4])),
            scale=(
                size * normal(1.0, 0.03),
                size * normal(1.0, 0.03),
                size * normal(1.0, 0.03),
            ),
            subcutaneous_mm=float(np.clip(normal(8 + 14 * visceral, 5), 5, 38)),
            visceral=visceral,
            pancreas_ml=float(np.clip(np.exp(normal(np.log(78.0), 0.25)), 47, 115)),
            pancreas_fat=float(np.clip(rng.beta(1.6, 2.6) * (0.5 + visceral), 0, 0.9)),
            tail_rise_mm=normal(2, 9),
            head_drop_mm=normal(0, 5),
            oral_contrast=bool(rng.random() < 0.4),
        )

    @property
    def fat_plane_mm(self) -> float:
        """Width of the fat between neighbouring organs."""
        return 0.4 + 3.0 * self.visceral

    def begin(self, organ: str) -> None:
        """Start the organ's own stream of deviations, so that no other organ's absence from the scan shifts it."""
        self.rng = np.random.default_rng([self.seed, 5, zlib.crc32(organ.encode())])

    def jitter(self, sd_mm: float, count: int = 3) -> np.ndarray:
        """Return a small random offset in mm."""
        return np.clip(self.rng.standard_normal(count), -2, 2) * sd_mm
