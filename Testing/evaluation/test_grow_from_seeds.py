"""The reference: grow-cut against a computation by hand, and what it does to a mask."""

import numpy as np
import pytest
from corrections import GRID, plain_dice, small_start
from scipy import ndimage

from PancreasSegLib.evaluation.correction_benchmark import correct_case
from PancreasSegLib.evaluation.grow_from_seeds import TIE_HU, GrowFromSeeds, grow_cut
from PancreasSegLib.evaluation.simulated_user import SimulatedUser
from PancreasSegLib.refine import Correction, Mark


def path_costs(hu, seeds, label):
    """Least sum of HU steps from any seed of a label that does not pass through a seed; by plain relaxation."""
    costs = np.where(seeds == label, 0.0, np.inf)
    undecided = seeds == 0
    while True:
        before = costs.copy()
        for index in np.argwhere(undecided):
            for axis in range(3):
                for step in (-1, 1):
                    other = index.copy()
                    other[axis] += step
                    if 0 <= other[axis] < hu.shape[axis]:
                        way = abs(float(hu[tuple(index)]) - float(hu[tuple(other)])) + TIE_HU
                        costs[tuple(index)] = min(costs[tuple(index)], costs[tuple(other)] + way)
        if np.array_equal(costs, before):
            return costs


@pytest.mark.parametrize("seed", range(6))
def test_every_voxel_takes_the_label_of_the_nearest_seed(seed):
    rng = np.random.default_rng(seed)
    hu = rng.integers(-100, 200, (3, 5, 6)).astype(np.float32)
    seeds = rng.choice(3, size=hu.shape, p=(0.8, 0.1, 0.1)).astype(np.uint8)
    seeds[0, 0, 0], seeds[2, 4, 5] = 1, 2
    organ, other = path_costs(hu, seeds, 1), path_costs(hu, seeds, 2)
    assert (grow_cut(hu, seeds) == np.where(organ < other - 1e-9, 1, 2)).all()


def test_seeds_stay_and_without_seeds_nothing_grows():
    hu = np.zeros((2, 3, 4), np.float32)
    assert not grow_cut(hu, np.zeros(hu.shape, np.uint8)).any()
    only = np.zeros(hu.shape, np.uint8)
    only[1, 1, 1] = 1
    assert (grow_cut(hu, only) == 1).all()
    full = np.full(hu.shape, 2, np.uint8)
    assert (grow_cut(hu, full) == 2).all()


def test_one_stroke_brings_back_a_bright_piece():
    start = small_start(excess=False)
    scores = correct_case(start, "grow", GrowFromSeeds(), SimulatedUser(), 1)
    assert scores[1].mark == "include"
    assert scores[1].dice > scores[1].dice_painted + 0.05


def test_nothing_changes_beyond_the_reach_of_a_mark():
    start = small_start()
    points = GRID.index_to_lps([(30, 20, 8), (34, 14, 8)])
    mark = Mark.stroke(points, GRID, include=True, radius_mm=2.0)
    marked = np.zeros(GRID.shape_zyx, bool)
    marked[mark.box.slices_zyx] = mark.voxels
    distance = ndimage.distance_transform_edt(~marked, sampling=GRID.spacing_mm[::-1])
    correction = Correction(start.ct, start.mask, propagation=GrowFromSeeds(reach_mm=8.0))
    assert correction.add([mark]).added_ml > 0
    assert (correction.mask[distance > 8.0] == start.mask[distance > 8.0]).all()
    freely = Correction(start.ct, start.mask, propagation=GrowFromSeeds(reach_mm=16.0))
    freely.add([mark])
    assert (freely.mask[distance > 8.0] != start.mask[distance > 8.0]).any()


def test_an_empty_mask_grows_from_the_stroke_alone():
    start = small_start()
    correction = Correction(start.ct, propagation=GrowFromSeeds())
    points = GRID.index_to_lps([(18, 20, 8), (28, 20, 8)])
    correction.add([Mark.stroke(points, GRID, include=True, radius_mm=3.0)])
    assert plain_dice(correction.mask, start.reference) > 0.3
    assert correction.mask.sum() < 3 * start.reference.sum()
