"""The grid on which a stage sees a region of the CT."""

from __future__ import annotations

import math

import numpy as np

from PancreasSegLib.models import Stage
from PancreasSegLib.volume import Box, Geometry


def stage_grid(box: Box, ct: Geometry, stage: Stage, *, whole_patch: bool = True) -> Geometry:
    """Return a grid at the stage's spacing that covers a box of CT voxels.

    Its sizes are the stage's multiples. What must be added is taken from the surroundings where the scan goes
    on, so that a network sees anatomy rather than padding; only then does the grid reach beyond the scan.

    Parameters
    ----------
    box : Box
        Region, in voxels of `ct`.
    ct : Geometry
        The CT on canonical axes.
    stage : Stage
        Spacing, patch and multiple.
    whole_patch : bool
        Whether to grow a small region to the training patch, as far as the scan reaches.

    Examples
    --------
    >>> stage = Stage("segmenter", "n", {}, (), (2.0, 2.0, 4.0), (-100, 200), 0, 1, (32, 32, 16), (16, 16, 8), {})
    >>> ct = Geometry((512, 512, 100), (0.8, 0.8, 2.5))
    >>> stage_grid(Box((200, 200, 40), (320, 300, 80)), ct, stage).size_ijk
    (48, 48, 32)
    """
    size, first = [], []
    for axis in range(3):
        mm, new = ct.spacing_mm[axis], stage.spacing_mm[axis]
        low, high = box.lower_ijk[axis] * mm, box.upper_ijk[axis] * mm
        scan = ct.size_ijk[axis] * mm
        length = max(high - low, min(stage.patch_ijk[axis] * new, scan)) if whole_patch else high - low
        multiple = stage.multiple_ijk[axis]
        count = multiple * max(1, math.ceil(length / new / multiple - 1e-6))
        if stage.keeps_patch:
            count = max(count, stage.patch_ijk[axis])
        start = (low + high - count * new) / 2
        # Inside the scan if it fits, else the scan in the middle.
        start = min(max(start, 0.0), scan - count * new) if count * new <= scan else (scan - count * new) / 2
        size.append(count)
        first.append((start + new / 2) / mm - 0.5)
    return Geometry(
        (size[0], size[1], size[2]), stage.spacing_mm, tuple(ct.index_to_lps(np.array(first))), ct.direction_lps
    )
