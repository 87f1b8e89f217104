"""The generated patient: sizes, densities and places of the organs."""

from functools import lru_cache

import numpy as np
import pytest

from PancreasSegLib.phantom import PHANTOM_LABELS, Phantom, make_head_phantom, make_phantom

SPACING = (4.0, 4.0, 5.0)
SEEDS = (0, 1, 2)
# Ranges in mL that hold adults without disease of the organ.
VOLUMES_ML = {
    "spleen": (80, 700),
    "right kidney": (70, 320),
    "left kidney": (70, 320),
    "gallbladder": (6, 110),
    "liver": (900, 2600),
    "stomach": (80, 900),
    "aorta": (40, 180),
    "pancreas": (38, 125),
}
PORTAL_HU = {
    "spleen": (90, 150),
    "right kidney": (110, 215),
    "liver": (80, 130),
    "aorta": (100, 190),
    "gallbladder": (0, 30),
    "pancreas": (35, 115),
}


@lru_cache(maxsize=8)
def phantom_of(seed: int, phase: str = "portal") -> Phantom:
    return make_phantom(seed, spacing_mm=SPACING, phase=phase)


def centre(phantom: Phantom, organ: str) -> np.ndarray:
    index = np.argwhere(phantom.labels.voxels == PHANTOM_LABELS[organ])[:, ::-1]
    return phantom.labels.geometry.index_to_lps(index).mean(0)


@pytest.mark.parametrize("seed", SEEDS)
def test_organ_volumes_are_those_of_adults(seed):
    labels = phantom_of(seed).labels
    for organ, (low, high) in VOLUMES_ML.items():
        volume = (labels.voxels == PHANTOM_LABELS[organ]).sum() * labels.geometry.voxel_volume_ml
        assert low <= volume <= high, organ


@pytest.mark.parametrize("seed", SEEDS)
def test_portal_hu_of_each_organ(seed):
    phantom = phantom_of(seed)
    for organ, (low, high) in PORTAL_HU.items():
        values = phantom.ct.voxels[phantom.labels.voxels == PHANTOM_LABELS[organ]]
        assert low <= np.median(values) <= high, organ


def test_phases_enhance_what_they_should():
    portal, arterial, native = (phantom_of(1, phase) for phase in ("portal", "arterial", "native"))
    assert np.array_equal(portal.labels.voxels, arterial.labels.voxels)

    def hu(phantom, organ):
        return float(np.median(phantom.ct.voxels[phantom.labels.voxels == PHANTOM_LABELS[organ]]))

    assert hu(arterial, "aorta") > hu(portal, "aorta") + 80 > hu(native, "aorta") + 150
    assert hu(portal, "liver") > hu(arterial, "liver") + 10
    assert abs(hu(native, "pancreas") - 35) < 25


@pytest.mark.parametrize("seed", SEEDS)
def test_organs_lie_where_they_belong(seed):
    phantom = phantom_of(seed)
    at = {organ: centre(phantom, organ) for organ in PHANTOM_LABELS}
    left, posterior, superior = 0, 1, 2
    assert at["liver"][left] < at["aorta"][left] - 30 < at["spleen"][left] - 80
    assert at["right kidney"][left] < at["aorta"][left] - 40
    assert at["left kidney"][left] > at["aorta"][left] + 40
    assert at["gallbladder"][left] < at["pancreas"][left]
    assert at["stomach"][posterior] < at["left kidney"][posterior]
    assert at["pancreas"][posterior] < at["aorta"][posterior]
    assert at["liver"][superior] > at["right kidney"][superior]
    pancreas = np.argwhere(phantom.labels.voxels == PHANTOM_LABELS["pancreas"])[:, ::-1]
    places = phantom.labels.geometry.index_to_lps(pancreas)
    head, tail = (places[places[:, left] < -20], places[places[:, left] > 45])
    assert len(head) and len(tail)
    assert tail[:, superior].mean() > head[:, superior].mean()  # the tail rises to the spleen
    assert tail[:, posterior].mean() > places[np.abs(places[:, left] - 5) < 10][:, posterior].mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_scan_has_lung_above_bone_behind_and_a_table(seed):
    phantom = phantom_of(seed)
    hu, geometry = phantom.ct.voxels, phantom.ct.geometry
    above_table = int(0.75 * hu.shape[1])
    lung = (hu[:, :above_table] > -950) & (hu[:, :above_table] < -700)
    assert lung[-4:].mean() > 5 * lung[:10].mean()
    assert hu.max() > 350
    i, j, k = geometry.lps_to_index((-7.0, 32.0, 8.0)).astype(int)
    spine = hu[k - 6 : k + 7, j - 4 : j + 5, i - 5 : i + 6]  # two vertebrae with their discs
    assert (spine > 110).mean() > 0.35
    fat = ((hu > -140) & (hu < -60)).sum() * geometry.voxel_volume_ml
    assert 1500 < fat < 25000
    bare = make_phantom(seed, spacing_mm=(6, 6, 10), table=False)
    with_table = make_phantom(seed, spacing_mm=(6, 6, 10))
    added = with_table.ct.voxels.astype(int) - bare.ct.voxels
    rows = (added > 60).any(axis=(0, 2))
    assert rows[-12:].any() and not rows[: len(rows) // 2].any()


def test_a_head_holds_brain_and_skull_but_no_organ():
    head = make_head_phantom(1, spacing_mm=(3, 3, 5))
    hu = head.ct.voxels
    assert not head.labels.voxels.any()
    assert hu.max() > 700
    brain_ml = ((hu > 15) & (hu < 50)).sum() * head.ct.geometry.voxel_volume_ml
    assert 900 < brain_ml < 3000
    assert np.array_equal(hu, make_head_phantom(1, spacing_mm=(3, 3, 5)).ct.voxels)
