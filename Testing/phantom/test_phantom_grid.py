"""The generated scan's grid: the same patient however it is scanned."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from PancreasSegLib.phantom import make_phantom

COARSE = (6.0, 6.0, 10.0)
CODES = ["".join(letters) for order in permutations(("LR", "PA", "SI")) for letters in product(*order)]


def test_the_same_seed_gives_the_same_scan_and_another_another():
    first, again, other = (make_phantom(seed, spacing_mm=COARSE) for seed in (4, 4, 5))
    assert first.ct.voxels.dtype == np.int16 and first.labels.voxels.dtype == np.uint8
    assert np.array_equal(first.ct.voxels, again.ct.voxels)
    assert np.array_equal(first.labels.voxels, again.labels.voxels)
    assert (first.labels.voxels != other.labels.voxels).mean() > 0.01


def test_a_shorter_range_is_a_cut_of_the_longer():
    whole = make_phantom(3, spacing_mm=COARSE, noise_hu=0)
    part = make_phantom(3, spacing_mm=COARSE, noise_hu=0, range_mm=(-70, 50))
    assert part.labels.voxels.shape[0] == 12
    assert np.array_equal(whole.labels.voxels[10:22], part.labels.voxels)
    inner = np.abs(whole.ct.voxels[11:21].astype(int) - part.ct.voxels[1:-1])
    assert inner.max() <= 1


def test_organ_volumes_do_not_depend_on_the_spacing():
    coarse, fine = make_phantom(2, spacing_mm=(5, 5, 6)), make_phantom(2, spacing_mm=(4, 4, 4))
    for value in (2, 5, 8):
        volumes = [(p.labels.voxels == value).sum() * p.labels.geometry.voxel_volume_ml for p in (coarse, fine)]
        assert volumes[0] == pytest.approx(volumes[1], rel=0.08)


@pytest.fixture(scope="module")
def reference():
    return make_phantom(1, spacing_mm=(10, 10, 15))


@settings(max_examples=3)
@given(code=st.sampled_from(CODES))
def test_any_orientation_is_the_same_patient(reference, code):
    turned = make_phantom(1, spacing_mm=(10, 10, 15), orientation=code)
    canonical, _ = turned.ct.canonical()
    assert canonical.geometry.matches(reference.ct.geometry)
    assert np.array_equal(canonical.voxels, reference.ct.voxels)
    axes = turned.ct.geometry.matrix
    for column, letter in enumerate(code):
        row = "LPS".find(letter) if letter in "LPS" else "RAI".find(letter)
        assert axes[row, column] == (1 if letter in "LPS" else -1)


def test_an_oblique_grid_holds_the_patient_at_the_same_place():
    straight = make_phantom(1, spacing_mm=(6, 6, 6), noise_hu=0)
    oblique = make_phantom(1, spacing_mm=(6, 6, 6), noise_hu=0, rotation_deg=(8, -5, 10))
    assert not np.allclose(np.abs(oblique.ct.geometry.matrix).max(0), 1)
    centres = []
    for phantom in (straight, oblique):
        index = np.argwhere(phantom.labels.voxels == 8)[:, ::-1]
        centres.append(phantom.labels.geometry.index_to_lps(index).mean(0))
    assert np.linalg.norm(centres[0] - centres[1]) < 6


def test_padding_outside_the_round_field():
    phantom = make_phantom(0, spacing_mm=COARSE, outside_hu=-2048)
    assert (phantom.ct.voxels[:, 0, 0] == -2048).all()
    middle = phantom.ct.voxels.shape[1] // 2
    assert phantom.ct.voxels[:, middle, middle].min() > -1100


def test_noise_has_the_standard_deviation_asked_for():
    clean, noisy = (make_phantom(0, spacing_mm=(4, 4, 6), noise_hu=sd) for sd in (0, 15))
    liver = clean.labels.voxels == 5
    difference = noisy.ct.voxels[liver].astype(float) - clean.ct.voxels[liver]
    assert np.std(difference) == pytest.approx(15, rel=0.05)


@pytest.mark.parametrize("wrong", [{"phase": "late"}, {"orientation": "LLS"}, {"orientation": "XYZ"}])
def test_unknown_options_are_refused(wrong):
    with pytest.raises(ValueError, match=r"none of|name each"):
        make_phantom(0, spacing_mm=(20, 20, 30), **wrong)
