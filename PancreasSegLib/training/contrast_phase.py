"""Another contrast phase of the same scan: iodine taken away from, or given to, the organs that are labelled.

Expert masks are scarce outside the portal-venous phase. Where the organs are known, a scan of another phase can
be made from a portal-venous one: each organ is moved to a mean HU of that phase, its own texture kept, and
vessels without a label lose a share of their iodine. The means are typical of adults and are drawn widely
around. For how enhancement runs through the phases see Bae, Radiology 256:32-61 (2010),
doi:10.1148/radiol.10090908, and for the pancreas McNulty et al., Radiology 220:97-102 (2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

PhaseName = Literal["native", "arterial", "pancreatic", "portal", "delayed"]

_MUSCLE_HU = 60.0
_BONE_HU = 220.0  # from here on a voxel without a label is taken for bone and left as it is
_ORAL_CONTRAST_HU = 150.0


@dataclass(frozen=True)
class _Phase:
    """Mean and SD in HU of each organ's mean, and the share of their iodine that unlabelled vessels keep."""

    organs: dict[str, tuple[float, float]]
    vessels: tuple[float, float]


_KIDNEYS = ("right kidney", "left kidney")
_PHASES: dict[str, _Phase] = {
    "native": _Phase(
        {"liver": (55, 9), "spleen": (47, 5), "pancreas": (38, 8), "kidney": (32, 5), "aorta": (40, 6)},
        (0.0, 0.15),
    ),
    "arterial": _Phase(
        {"liver": (65, 10), "spleen": (115, 25), "pancreas": (85, 20), "kidney": (140, 30), "aorta": (300, 50)},
        (0.0, 0.6),
    ),
    "pancreatic": _Phase(
        {"liver": (80, 12), "spleen": (130, 20), "pancreas": (110, 18), "kidney": (165, 30), "aorta": (240, 50)},
        (0.5, 1.1),
    ),
    "portal": _Phase(
        {"liver": (108, 15), "spleen": (120, 15), "pancreas": (90, 15), "kidney": (180, 25), "aorta": (150, 20)},
        (0.8, 1.2),
    ),
    "delayed": _Phase(
        {"liver": (88, 12), "spleen": (92, 12), "pancreas": (72, 12), "kidney": (170, 30), "aorta": (105, 15)},
        (0.3, 0.7),
    ),
}


class ContrastPhases:
    """Draws phases and shows a patch as it would look in them.

    Parameters
    ----------
    labels : sequence of str
        Foreground classes in the order of their values from 1; those that no phase knows stay as they are.

    Examples
    --------
    >>> phases = ContrastPhases(["liver", "aorta"])
    >>> hu, label = torch.full((4, 4, 4), 110.0), torch.ones((4, 4, 4), dtype=torch.int64)
    >>> native = phases.show(hu, label, "native", np.random.default_rng(0))
    >>> bool(native.mean() < 85)
    True
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._organs = {
            value: "kidney" if name in _KIDNEYS else name for value, name in enumerate(labels, start=1)
        }

    def show(
        self, hu: torch.Tensor, label: torch.Tensor, phase: PhaseName, rng: np.random.Generator
    ) -> torch.Tensor:
        """Return a patch as another phase.

        Parameters
        ----------
        hu : Tensor of float32, shape (z, y, x)
            HU.
        label : Tensor of int64, shape (z, y, x)
            Class indices; 0 is background.
        phase : str
            ``native``, ``arterial``, ``pancreatic``, ``portal`` or ``delayed``.
        rng : numpy.random.Generator
            Source of the organs' means and of the vessels' share.
        """
        wanted = _PHASES[phase]
        kept = float(rng.uniform(*wanted.vessels))
        values = [v for v in torch.unique(label).tolist() if v]
        shift = torch.zeros(int(label.max()) + 1, dtype=torch.float32, device=hu.device)
        slope = torch.ones_like(shift)
        for value in values:
            organ = self._organs.get(value, "")
            if organ == "stomach":
                hu = torch.where(label == value, _exchange_oral_contrast(hu, rng), hu)
            if organ not in wanted.organs:
                continue
            inside = hu[label == value]
            present = float(inside.median())
            target = float(rng.normal(*wanted.organs[organ]))
            # Vessels and medulla stand out from the rest of an organ as much as its iodine does.
            contrast = float(np.clip((target - 20) / max(present - 20, 20.0), 0.25, 1.3))
            slope[value] = contrast
            shift[value] = target - contrast * present
        perfused = ((hu + 20) / 40).clamp(0, 1)  # fat between the lobules takes up no iodine
        changed = hu + perfused * (hu * slope[label] + shift[label] - hu)
        changed = torch.where(label == 0, _change_vessels(hu, kept), changed)
        return hu + _soften(changed - hu)


def _change_vessels(hu: torch.Tensor, kept: float) -> torch.Tensor:
    """Scale what stands out from muscle, up to the HU of bone, whose own stay."""
    above = (hu - _MUSCLE_HU).clamp_min(0)
    bony = ((hu - 0.8 * _BONE_HU) / (0.2 * _BONE_HU)).clamp(0, 1)
    return hu - (1 - kept) * above * (1 - bony)


def _exchange_oral_contrast(hu: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Fill the stomach's fluid with positive contrast medium, or replace such a medium by water; often neither."""
    draw = rng.random()
    if draw < 0.2:
        fluid = ((50 - hu) / 30).clamp(0, 1) * ((hu + 40) / 20).clamp(0, 1)
        return hu + fluid * float(rng.uniform(100, 260))
    if draw < 0.5:
        bright = ((hu - 0.75 * _ORAL_CONTRAST_HU) / (0.25 * _ORAL_CONTRAST_HU)).clamp(0, 1)
        return hu + bright * (float(rng.uniform(0, 30)) - hu)
    return hu


def _soften(change: torch.Tensor) -> torch.Tensor:
    """Blur a change over the neighbouring voxels, so that labels leave no edge of their own."""
    kernel = [3 if length >= 3 else 1 for length in change.shape]
    margin = [length // 2 for length in kernel]
    return F.avg_pool3d(change[None, None], kernel, 1, margin, count_include_pad=False)[0, 0]
