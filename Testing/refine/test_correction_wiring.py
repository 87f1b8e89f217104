"""What bounds a correction: each test falls when the one thing that it is named after is taken out."""

from __future__ import annotations

import numpy as np
import pytest
from refine.belly import belly

from PancreasSegLib.refine import Correction, Mark
from PancreasSegLib.refine.propagation import WindowPropagation, applied
from PancreasSegLib.refine.work_grid import WorkGrid
from PancreasSegLib.volume import Box, Geometry


class Says(WindowPropagation):
    """The same probability everywhere."""

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def corrected(self, window):
        return np.full(window.hu.shape, self.probability, np.float32)


@pytest.mark.parametrize(("probability", "changes"), [(0.56, False), (0.75, True)])
def test_a_probability_of_about_one_half_changes_only_what_was_marked(probability, changes):
    case = belly()
    correction = Correction(case.ct, case.mask, case.probability, propagation=Says(probability))
    before = correction.mask.copy()
    points = np.array([30.0, -40.0, 200.0]) + np.array([(12, 0, 0), (38, 0, 0)])
    mark = Mark.stroke(points, case.ct.geometry, include=True, radius_mm=2.0)
    correction.add([mark])
    changed = int((correction.mask != before).sum())
    assert (changed > 10 * mark.voxels.sum()) == changes


def test_a_thin_rim_of_what_was_removed_goes_with_it():
    """On a CT finer than the work grid the mask's rim is seen there as less than one half, hence as no change."""
    ct = Geometry((60, 60, 24), (0.5, 0.5, 3.0))
    box = Box((20, 20, 8), (40, 40, 16))
    grid = WorkGrid.around(box, ct, 10.0)
    mask = np.zeros(ct.shape_zyx, bool)
    mask[box.slices_zyx] = True
    mask[12, 30, 40:44] = True  # a spike of 2 mm, finer than a work voxel
    whole = Box.whole(ct)
    after = applied(np.zeros(grid.geometry.shape_zyx, np.float32), grid.sampled(mask), grid, whole, mask)
    assert not after[12, 30, 40:43].any() and not after[box.slices_zyx].any()
