"""The proposed box on generated trunks: what it keeps, how it moves with the grid, and how it falls back."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from trunk import CREST_Z, DOME_Z, Trunk, cut

from PancreasSegLib.errors import NoPancreasError
from PancreasSegLib.roi import RoiProposal, propose_roi
from PancreasSegLib.volume import AxisMap, Box, Geometry, Volume

EVERYTHING = ("lungs", "spine", "wings", "table", "contrast", "kidneys", "bowel gas")


def kept(proposal: RoiProposal, pancreas: np.ndarray) -> float:
    return float(pancreas[proposal.box.slices_zyx].sum() / pancreas.sum())


def says(proposal: RoiProposal, words: str) -> bool:
    return any(words in reason for reason in proposal.reasons)


def with_voxels(volume: Volume, voxels: np.ndarray) -> Volume:
    return Volume(voxels, volume.geometry)


@pytest.fixture(scope="module")
def trunk() -> Volume:
    return Trunk(extras=EVERYTHING).volume()


@pytest.fixture(scope="module")
def proposed(trunk) -> RoiProposal:
    return propose_roi(trunk)


@pytest.fixture(scope="module")
def pancreas() -> np.ndarray:
    return Trunk().pancreas()


def test_the_box_holds_the_pancreas_and_little_else(proposed, pancreas):
    assert kept(proposed, pancreas) == 1
    assert proposed.volume_fraction < 0.12
    assert proposed.landmarks["abdomen_in_view"]
    assert says(proposed, "dome is in view") and says(proposed, "iliac crests are in view")


def test_landmarks_lie_where_they_were_put(proposed):
    marks = proposed.landmarks
    assert marks["right_dome_lps"][2] == pytest.approx(DOME_Z, abs=15)
    assert marks["iliac_crest_lps"][2] == pytest.approx(CREST_Z, abs=15)
    assert marks["spine_top_lps"][0] == pytest.approx(0, abs=6)
    assert marks["spine_top_lps"][1] == pytest.approx(70, abs=15)
    assert marks["body_size_mm"][:2] == pytest.approx([340, 240], abs=10)  # without the table behind


def test_json_has_what_the_command_promises(trunk, proposed):
    value = json.loads(json.dumps(proposed.to_json()))
    assert Box.from_json(value["box_ijk"]) == proposed.box
    assert value["volume_fraction"] == pytest.approx(np.prod(proposed.box.size_ijk) / trunk.voxels.size)
    assert Geometry.from_json(value["geometry"]) == trunk.geometry
    assert value["reasons"] and value["landmarks"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_same_box_in_every_axis_order_and_direction(trunk, proposed, order):
    for flips in ((True, False, True), (False, True, False)):  # Testing/volume has all of them
        size = trunk.geometry.size_ijk
        matrix = np.eye(3)[:, list(order)] * np.where(flips, -1.0, 1.0)
        first = [0.0, 0.0, 0.0]
        for axis, flip in zip(order, flips, strict=True):
            first[axis] = size[axis] - 1 if flip else 0
        geometry = Geometry(
            tuple(size[a] for a in order),
            tuple(trunk.geometry.spacing_mm[a] for a in order),
            tuple(trunk.geometry.index_to_lps(first)),
            tuple(matrix.ravel()),
        )
        axes = AxisMap.to_canonical(geometry)
        turned = propose_roi(Volume(axes.invert(trunk.voxels), geometry))
        assert axes.apply_box(turned.box) == proposed.box
        assert axes.apply_box(turned.body_box) == proposed.body_box
        assert turned.landmarks == proposed.landmarks


def test_an_oblique_grid_keeps_the_pancreas(trunk, pancreas):
    angle = np.deg2rad(12)
    matrix = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    g = trunk.geometry
    tilted = Geometry(g.size_ijk, g.spacing_mm, (-200.0, -240.0, 17.0), tuple(matrix.ravel()))
    proposal = propose_roi(Volume(trunk.voxels, tilted))
    assert kept(proposal, pancreas) == 1
    assert says(proposal, "oblique")


@pytest.mark.parametrize("spacing", [(2.0, 1.5, 3.0), (2.0, 2.0, 7.0), (5.0, 5.0, 1.0), (3.0, 3.0, 3.0)])
def test_any_spacing(spacing):
    trunk = Trunk(spacing=spacing)
    proposal = propose_roi(trunk.volume())
    assert kept(proposal, trunk.pancreas()) == 1
    assert proposal.volume_fraction < 0.13


@pytest.mark.parametrize("scale", [0.5, 0.75, 1.2])
def test_small_and_large_patients(scale):
    trunk = Trunk(scale=scale, levels=(0.0, 480.0 * scale), half_fov=220.0 * scale)
    assert kept(propose_roi(trunk.volume()), trunk.pancreas()) == 1


def test_clipped_intensities_give_the_same_box_and_say_so(trunk, proposed):
    clipped = propose_roi(with_voxels(trunk, np.clip(trunk.voxels, -125, 275)))
    plain = proposed
    assert says(clipped, "clipped at -125 HU")
    assert clipped.landmarks["intensities_clipped"] and not plain.landmarks["intensities_clipped"]
    difference = np.abs(np.array(clipped.box.to_json()) - np.array(plain.box.to_json()))
    assert (difference * np.array(trunk.geometry.spacing_mm)[:, None]).max() <= 12


@pytest.mark.parametrize("padding", [-2048, -3024])
def test_padding_outside_the_scanner_field_and_metal_change_nothing(trunk, proposed, padding):
    voxels = trunk.voxels.copy()
    y, x = np.ogrid[: voxels.shape[1], : voxels.shape[2]]
    voxels[:, (x - 55) ** 2 + (y - 55) ** 2 > 54**2] = padding
    voxels[50:53, 40:42, 50:52] = 30000
    assert propose_roi(with_voxels(trunk, voxels)).box == proposed.box


def test_noise(trunk, pancreas):
    noise = np.random.default_rng(0).normal(0, 60, trunk.voxels.shape)
    noisy = (trunk.voxels + noise).astype(np.int16)
    for voxels in (noisy, np.clip(trunk.voxels + noise / 3, -125, 275).astype(np.int16)):
        proposal = propose_roi(with_voxels(trunk, voxels))
        assert kept(proposal, pancreas) == 1
        assert proposal.volume_fraction < 0.15


def test_values_that_are_not_finite_are_air(trunk, proposed):
    voxels = trunk.voxels.astype(np.float32)
    voxels[:, :4] = np.nan
    voxels[:, -4:] = -np.inf
    assert propose_roi(with_voxels(trunk, voxels)).box == proposed.box


def test_the_input_is_not_changed(trunk):
    voxels = trunk.voxels.astype(np.float32)
    voxels[0, 0, 0] = np.nan
    before = voxels.copy()
    propose_roi(with_voxels(trunk, voxels))
    np.testing.assert_array_equal(voxels, before)


@pytest.mark.parametrize("top", [320, 350, 370, 420])
def test_cut_off_above(trunk, pancreas, top):
    proposal = propose_roi(cut(trunk, 0, top))
    assert kept(proposal, pancreas[: proposal.geometry.size_ijk[2]]) == 1
    if top != 350:  # there a sliver of lung may count or not
        assert says(proposal, "No lung is in view") == (top < 350)
        assert says(proposal, "dome is in view") == (top >= 420)


@pytest.mark.parametrize("bottom", [100, 180, 230])
def test_cut_off_below(trunk, pancreas, bottom):
    part = cut(trunk, bottom, 480)
    proposal = propose_roi(part)
    assert kept(proposal, pancreas[-part.geometry.size_ijk[2] :]) == 1
    assert says(proposal, "dome is in view")


def test_without_lungs_and_pelvis_the_box_is_tall(trunk, pancreas):
    part = cut(trunk, 180, 325)
    proposal = propose_roi(part)
    k = round((180 - trunk.geometry.origin_lps[2]) / trunk.geometry.spacing_mm[2])
    assert kept(proposal, pancreas[k : k + part.geometry.size_ijk[2]]) == 1
    assert proposal.box.size_ijk[2] == part.geometry.size_ijk[2]
    assert says(proposal, "Neither lung nor iliac crest is in view")


def test_already_cropped_around_the_organ(trunk, pancreas):
    box = Box.of_mask(pancreas).grown(15.0, trunk.geometry)
    proposal = propose_roi(trunk.cropped(box))
    assert kept(proposal, pancreas[box.slices_zyx]) == 1
    assert says(proposal, "already cropped")


def test_fluid_around_the_right_lung_widens_the_levels():
    trunk = Trunk()
    volume = trunk.volume()
    x, _, z = trunk.grid()
    fluid = (volume.voxels < -500) & (volume.voxels > -900) & (x < 0) & (z < 455)
    drowned = with_voxels(volume, np.where(fluid, 10, volume.voxels).astype(np.int16))
    proposal = propose_roi(drowned)
    assert kept(proposal, trunk.pancreas()) == 1
    assert says(proposal, "fluid suspected")
    assert not says(propose_roi(volume), "fluid suspected")


def test_no_spine_gives_a_deep_box():
    trunk = Trunk(extras=("lungs", "table"))
    proposal = propose_roi(trunk.volume())
    assert kept(proposal, trunk.pancreas()) == 1
    assert says(proposal, "No spine was found")
    assert proposal.landmarks["spine_top_lps"] is None


def test_enhanced_kidneys_are_no_pelvis():
    trunk = Trunk(extras=("lungs", "spine", "kidneys"))
    proposal = propose_roi(cut(trunk.volume(), 180, 480))
    assert proposal.landmarks["iliac_crest_lps"] is None


def test_contrast_in_the_bowel_does_not_lead_the_spine_astray():
    plain = propose_roi(Trunk().volume()).landmarks
    filled = propose_roi(Trunk(extras=EVERYTHING).volume()).landmarks
    assert filled["spine_top_lps"] == plain["spine_top_lps"]
    assert filled["spine_bottom_lps"][0] == pytest.approx(0, abs=10)


@pytest.mark.parametrize(
    ("levels", "words"),
    [((430, 480), "thorax alone"), ((0, 130), "pelvis alone")],
)
def test_a_scan_without_an_abdomen_gets_the_whole_body_and_a_flag(trunk, levels, words):
    proposal = propose_roi(cut(trunk, *levels))
    assert proposal.landmarks["abdomen_in_view"] is False
    assert says(proposal, words)
    assert proposal.box == proposal.body_box


def test_a_head_is_recognised():
    x, y, z = Trunk(levels=(0.0, 200.0)).grid()
    radius = np.sqrt((x / 75) ** 2 + (y / 95) ** 2 + ((z - 90) / 100) ** 2)
    hu = np.where(radius < 1, 35, -1000) + np.where((radius < 1) & (radius > 0.88), 900, 0)
    proposal = propose_roi(Volume(hu.astype(np.int16), Trunk(levels=(0.0, 200.0)).geometry))
    assert proposal.landmarks["abdomen_in_view"] is False
    assert says(proposal, "looks like a head")


def test_no_body_is_refused():
    geometry = Geometry((64, 64, 32), (4.0, 4.0, 5.0))
    for value in (-1000, -3024):
        with pytest.raises(NoPancreasError, match="no body"):
            propose_roi(Volume(np.full(geometry.shape_zyx, value, np.int16), geometry))
    with pytest.raises(NoPancreasError, match="no body"):
        propose_roi(Volume(np.full(geometry.shape_zyx, np.nan, np.float32), geometry))


def test_a_table_alone_is_no_body():
    with pytest.raises(NoPancreasError):
        volume = Trunk(extras=("table",)).volume()
        _, y, _ = Trunk().grid()
        propose_roi(with_voxels(volume, np.where(y < 140, -1000, volume.voxels).astype(np.int16)))


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 8, 8), (2, 1, 1)])
def test_tiny_scans_do_not_break(shape):
    geometry = Geometry(shape[::-1], (5.0, 5.0, 5.0))
    try:
        proposal = propose_roi(Volume(np.full(shape, 40, np.int16), geometry))
    except NoPancreasError:
        return
    assert not proposal.box.is_empty


@pytest.mark.data
@pytest.mark.slow
def test_every_real_case_keeps_its_pancreas(shared_data):
    import SimpleITK as sitk

    cases = sorted((shared_data / "abdomen" / "labelsTr").glob("*.nii.gz"))
    if not cases:
        pytest.skip("no cases with masks")
    fractions = []
    for label in cases:
        image = sitk.ReadImage(str(shared_data / "abdomen" / "imagesTr" / label.name))
        geometry = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
        proposal = propose_roi(Volume(sitk.GetArrayFromImage(image), geometry))
        pancreas = sitk.GetArrayFromImage(sitk.ReadImage(str(label))) == 8
        assert kept(proposal, pancreas) >= 0.995, label.name
        fractions.append(proposal.volume_fraction)
    assert np.mean(fractions) <= 0.15
