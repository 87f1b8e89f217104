"""The whole cascade with a network that segments by intensity: grids, regions, refusals, repeatability."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
import torch
from fake_model import HU, LABELS, calls, dice, make_abdomen, make_segmenter, make_stage

from PancreasSegLib.errors import ModelPackageError, NoPancreasError, NotACTError, RegionError
from PancreasSegLib.inference import CascadeSettings, Segmenter
from PancreasSegLib.volume import AxisMap, Box, Geometry, Volume

FINE = Geometry((150, 120, 60), (2.0, 2.0, 3.0), (-120.0, 35.0, 7.0))


@pytest.fixture(scope="module")
def fine():
    return make_abdomen(FINE)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return make_segmenter()


def codes(result) -> set[str]:
    return {warning.code for warning in result.warnings}


@pytest.mark.parametrize("roi", ["auto", "none"])
def test_the_organ_is_found_on_the_grid_of_the_ct(segmenter, fine, roi):
    ct, truth = fine
    result = segmenter.segment(ct, roi=roi)
    assert result.mask.shape == ct.voxels.shape and result.mask.dtype == np.uint8
    assert result.mask.flags.c_contiguous
    assert dice(result.mask == 1, truth) > 0.93
    assert result.geometry == ct.geometry and result.labels == {"pancreas": 1}
    assert (result.roi is None) == (roi == "none")
    assert result.warnings == []


def test_statistics_timings_and_provenance(segmenter, fine):
    ct, truth = fine
    result = segmenter.segment(ct)
    figures = result.statistics["pancreas"]
    assert figures["volume_ml"] == pytest.approx(result.mask.sum() * ct.geometry.voxel_volume_ml)
    assert figures["mean_hu"] == pytest.approx(ct.voxels[result.mask > 0].mean())
    np.testing.assert_allclose(figures["extent_mm"], [124, 36, 40], atol=8)
    centre = ct.geometry.index_to_lps(np.argwhere(truth)[:, ::-1]).mean(axis=0)
    np.testing.assert_allclose(figures["centre_lps"], centre, atol=2)
    assert 0.9 < figures["confidence"] <= 1
    assert set(result.timings) == {"propose", "localise", "segment", "restore", "measure", "total"}
    assert result.timings["total"] >= sum(v for k, v in result.timings.items() if k != "total") * 0.99
    provenance = result.provenance
    assert provenance["model"]["name"] == "fake" and provenance["threads"] == 1
    assert provenance["precision"] == "fp32" and provenance["engine"] == f"PyTorch {torch.__version__}"
    assert provenance["settings"]["crop_margin_mm"] == CascadeSettings().crop_margin_mm
    assert provenance["windows"]["segmenter"]["count"] >= 1


def test_the_organs_around_are_kept_from_the_localiser(segmenter, fine):
    ct, _ = fine
    organs = segmenter.segment(ct).organs
    masks = organs.masks()
    assert set(masks) == {"liver", "spleen", "pancreas"}
    for name in ("liver", "spleen"):
        where = masks[name].geometry.index_to_lps(np.argwhere(masks[name].voxels)[:, ::-1])
        inside = ct.voxels[tuple(np.rint(ct.geometry.lps_to_index(where)).astype(int)[:, ::-1].T)]
        assert np.median(inside) == HU[name]
        assert 0.5 < organs.certainty[name] <= 1


def test_probability_is_a_half_precision_crop_with_its_own_place(segmenter, fine):
    ct, truth = fine
    crop = segmenter.segment(ct).probability["pancreas"]
    assert crop.voxels.dtype == np.float16
    assert crop.voxels.min() >= 0 and crop.voxels.max() <= 1
    assert crop.geometry.spacing_mm == segmenter.networks["segmenter"].stage.spacing_mm
    index = np.argwhere(crop.voxels > 0.5)[:, ::-1]
    found = crop.geometry.index_to_lps(index).mean(axis=0)
    wanted = ct.geometry.index_to_lps(np.argwhere(truth)[:, ::-1]).mean(axis=0)
    np.testing.assert_allclose(found, wanted, atol=3)


def test_orders_and_flips_of_the_axes_give_the_same_mask(segmenter):
    """All 48 are checked on small arrays in ``Testing/volume``; here every order, and every flip."""
    ct, _ = make_abdomen(Geometry((64, 50, 40), (5.0, 5.0, 5.0)))
    reference = segmenter.segment(ct)
    for order, flips in zip(permutations(range(3)), list(product((False, True), repeat=3))[1:], strict=False):
        turned = _turned(ct, order, flips)
        result = segmenter.segment(turned)
        back = AxisMap.to_canonical(turned.geometry).apply(result.mask)
        np.testing.assert_array_equal(back, reference.mask)
        assert result.statistics["pancreas"]["centre_lps"] == pytest.approx(
            reference.statistics["pancreas"]["centre_lps"]
        )


def _turned(ct: Volume, order: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> Volume:
    """The same patient in other voxel axes."""
    axes = [2 - order[2 - a] for a in range(3)]
    voxels = np.transpose(ct.voxels, axes)[tuple(slice(None, None, -1 if flips[2 - a] else 1) for a in range(3))]
    size = np.array(ct.geometry.size_ijk)
    first = np.zeros(3)
    for axis, flip in zip(order, flips, strict=True):
        first[axis] = size[axis] - 1 if flip else 0
    matrix = ct.geometry.matrix[:, list(order)] * np.where(flips, -1.0, 1.0)
    spacing = np.array(ct.geometry.spacing_mm)[list(order)]
    geometry = Geometry(
        tuple(size[list(order)]), tuple(spacing), tuple(ct.geometry.index_to_lps(first)), tuple(matrix.ravel())
    )
    return Volume(np.ascontiguousarray(voxels), geometry)


def test_an_oblique_left_handed_grid(segmenter):
    a, b = np.deg2rad(14), np.deg2rad(-9)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    matrix = about_z @ about_x @ np.diag([1, -1, 1])
    ct, truth = make_abdomen(Geometry((150, 120, 64), (2.2, 2.2, 3.5), (5, 6, 7), tuple(matrix.ravel())))
    result = segmenter.segment(ct)
    assert dice(result.mask == 1, truth) > 0.92


@pytest.mark.parametrize("spacing", [(0.9, 0.9, 5.0), (3.0, 3.0, 1.5), (1.4, 1.4, 1.4)])
def test_other_spacings(segmenter, spacing):
    size = tuple(int(n / s) for n, s in zip((300, 230, 160), spacing, strict=True))
    ct, truth = make_abdomen(Geometry(size, spacing))
    assert dice(segmenter.segment(ct).mask == 1, truth) > 0.92


def test_the_same_input_gives_the_same_mask_and_probability(fine):
    ct, _ = fine
    first, second = make_segmenter().segment(ct), make_segmenter().segment(ct)
    np.testing.assert_array_equal(first.mask, second.mask)
    np.testing.assert_array_equal(first.probability["pancreas"].voxels, second.probability["pancreas"].voxels)


def test_an_ensemble_of_equals_is_its_member(fine):
    ct, _ = fine
    np.testing.assert_array_equal(make_segmenter(members=3).segment(ct).mask, make_segmenter().segment(ct).mask)


def test_a_scan_cropped_to_the_organ(segmenter, fine):
    ct, truth = fine
    box = Box.of_mask(truth).grown((40.0, 30.0, 25.0), ct.geometry)
    part = ct.cropped(box)
    result = segmenter.segment(part)
    assert dice(result.mask == 1, truth[box.slices_zyx]) > 0.92


def test_a_whole_body_scan(segmenter):
    ct, truth = make_abdomen(Geometry((80, 64, 260), (4.0, 4.0, 4.0)))
    for roi in ("auto", "none"):
        assert dice(segmenter.segment(ct, roi=roi).mask == 1, truth) > 0.85


def test_an_organ_cut_by_the_scan_is_reported(segmenter, fine):
    ct, truth = fine
    box = Box((0, 0, 30), FINE.size_ijk)  # ends in the middle of the organ
    result = segmenter.segment(ct.cropped(box))
    assert "cut-by-scan" in codes(result)
    assert dice(result.mask == 1, truth[30:]) > 0.9


def test_a_divided_pancreas_stays_whole(segmenter):
    ct, truth = make_abdomen(FINE, divided=True)
    result = segmenter.segment(ct)
    left, right = truth.copy(), truth.copy()
    left[..., :77], right[..., 77:] = False, False
    for part in (left, right):
        assert (result.mask[part] == 1).mean() > 0.9


def test_a_users_box_limits_the_mask(segmenter, fine):
    ct, truth = fine
    whole = Box.of_mask(truth)
    half = Box(whole.lower_ijk, ((whole.lower_ijk[0] + whole.upper_ijk[0]) // 2, *whole.upper_ijk[1:]))
    result = segmenter.segment(ct, roi=half)
    inside = np.zeros_like(truth)
    inside[half.slices_zyx] = True
    assert not result.mask[~inside].any()
    assert dice(result.mask == 1, truth & inside) > 0.9
    assert "cut-by-region" in codes(result)
    assert result.provenance["roi"] == half.to_json()


def test_a_box_outside_the_scan_is_refused(segmenter, fine):
    with pytest.raises(RegionError, match="outside the scan of 150 x 120 x 60"):
        segmenter.segment(fine[0], roi=Box((200, 0, 0), (210, 10, 10)))
    with pytest.raises(RegionError, match="'everywhere' is unknown"):
        segmenter.segment(fine[0], roi="everywhere")


def test_no_pancreas_among_its_neighbours(segmenter):
    ct, _ = make_abdomen(FINE, without=("pancreas",))
    with pytest.raises(
        NoPancreasError, match="No pancreas was found although the liver and spleen were"
    ) as caught:
        segmenter.segment(ct)
    assert caught.value.exit_code == 3 and caught.value.hint
    result = segmenter.segment(ct, allow_empty=True)
    assert not result.mask.any()
    assert result.warnings[0].code == "no-pancreas"
    assert result.statistics["pancreas"]["volume_ml"] == 0 and result.statistics["pancreas"]["confidence"] == 0


def test_no_abdomen(segmenter):
    ct, _ = make_abdomen(FINE, without=("liver", "spleen", "pancreas"))
    with pytest.raises(NoPancreasError, match="not in view: of liver and spleen none"):
        segmenter.segment(ct)


def test_what_the_thresholds_saw_is_said_too(segmenter, monkeypatch):
    from PancreasSegLib.roi import RoiProposal

    ct, _ = make_abdomen(FINE, without=("liver", "spleen", "pancreas"))
    whole = Box.whole(ct.geometry)
    head = RoiProposal(
        whole, ct.geometry, {"abdomen_in_view": False}, ["It looks like a head. The box is all."], whole
    )
    monkeypatch.setattr("PancreasSegLib.roi.propose_roi", lambda volume: head)
    with pytest.raises(NoPancreasError, match=r"none of them was recognised\. It looks like a head\. Check"):
        segmenter.segment(ct)


@pytest.mark.parametrize("side", ["left", "right", None])
def test_a_liver_on_the_left_is_said(segmenter, fine, side, monkeypatch):
    from PancreasSegLib.roi import propose_roi

    ct, _ = fine
    seen = propose_roi(ct)
    told = replace(seen, landmarks=seen.landmarks | {"liver_side": side})
    monkeypatch.setattr("PancreasSegLib.roi.propose_roi", lambda volume: told)
    warnings = segmenter.segment(ct).warnings
    assert [warning.code for warning in warnings] == (["mirrored"] if side == "left" else [])


def test_only_air(segmenter):
    ct = Volume(np.full((60, 64, 64), -1000, np.int16), Geometry((64, 64, 60), (4.0, 4.0, 4.0)))
    with pytest.raises(NoPancreasError, match="no body"):
        segmenter.segment(ct)


def test_a_sliver_at_the_end_of_the_scan(segmenter):
    ct, truth = make_abdomen(FINE, shift_mm=-104.0)
    assert 0 < truth.any(axis=(1, 2)).sum() <= 3  # a few voxels in the lowest slices
    with pytest.raises(NoPancreasError, match=r"sliver|too little|No pancreas"):
        segmenter.segment(ct)


def test_unusual_volumes_are_reported(fine):
    ct, _ = fine
    small = make_segmenter(settings=CascadeSettings(usual_ml=(200.0, 300.0))).segment(ct)
    large = make_segmenter(settings=CascadeSettings(usual_ml=(1.0, 50.0))).segment(ct)
    assert codes(small) == {"small-volume"} and codes(large) == {"large-volume"}


@pytest.mark.parametrize("slices, spacing", [(5, 5.0), (12, 2.0)])
def test_a_thin_scan_is_refused(segmenter, slices, spacing):
    ct = Volume(np.zeros((slices, 40, 40), np.int16), Geometry((40, 40, slices), (4.0, 4.0, spacing)))
    with pytest.raises(NotACTError, match=f"{slices} slices, too little"):
        segmenter.segment(ct)


def test_a_segmenter_alone_searches_the_region(fine):
    ct, truth = fine
    alone = make_segmenter(stages=(make_stage("segmenter"),))
    assert dice(alone.segment(ct).mask == 1, truth) > 0.93
    with pytest.raises(NoPancreasError, match="although the liver and spleen"):
        alone.segment(make_abdomen(FINE, without=("pancreas",))[0])


def test_several_labels(fine):
    ct, truth = fine
    both = make_segmenter(labels={"pancreas": 4, "spleen": 9})
    result = both.segment(ct)
    assert set(np.unique(result.mask)) == {0, 4, 9}
    assert dice(result.mask == 4, truth) > 0.93
    assert set(result.probability) == {"pancreas", "spleen"}
    assert ct.voxels[result.mask == 9].mean() == pytest.approx(HU["spleen"], abs=5)


def test_the_proposal_is_widened_once_where_it_was_wrong(fine, monkeypatch):
    """A box beside the organ, then one that cuts it: both end with the whole organ."""
    from PancreasSegLib.roi import RoiProposal

    ct, truth = fine
    organ = Box.of_mask(truth)
    body = Box.whole(ct.geometry)
    for box, expected in (
        (Box((0, 0, 0), (20, 20, 10)), {"outside-proposal"}),
        (Box((10, 10, organ.lower_ijk[2] + 8), (140, 110, 55)), set()),
    ):
        proposal = RoiProposal(box, ct.geometry, body_box=body)
        monkeypatch.setattr("PancreasSegLib.roi.propose_roi", lambda volume, p=proposal: p)
        small = make_stage("localiser", patch_ijk=(8, 8, 4))
        result = make_segmenter(stages=(small, make_stage("segmenter"))).segment(ct)
        assert dice(result.mask == 1, truth) > 0.93
        assert codes(result) == expected


def test_a_crop_that_cuts_the_organ_is_widened_once(fine):
    ct, truth = fine
    tight = CascadeSettings(crop_margin_mm=-12.0, doubtful_margin_mm=-12.0)
    stages = (make_stage("localiser"), make_stage("segmenter", patch_ijk=(16, 16, 8)))
    segmenter = make_segmenter(stages=stages, settings=tight)
    assert dice(segmenter.segment(ct).mask == 1, truth) > 0.93


def test_forecast_before_the_run(segmenter, fine):
    ct, _ = fine
    forecast = segmenter.forecast(ct)
    assert forecast.seconds > 0 and forecast.peak_memory_mb > 100
    assert set(forecast.tiles) == {"localise", "segment"}
    assert forecast.precision == "fp32" and forecast.device.startswith("cpu")
    assert "GB of memory" in forecast.sentence
    larger = segmenter.forecast(
        Volume(np.zeros((300, 512, 512), np.int16), Geometry((512, 512, 300), (0.8, 0.8, 2)))
    )
    assert larger.peak_memory_mb > forecast.peak_memory_mb


def test_progress_is_true_and_complete(segmenter, fine):
    events = []
    segmenter.segment(fine[0], progress=events.append)
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert [s for n, s in enumerate(e.stage for e in events) if n == 0 or events[n - 1].stage != s] == [
        "propose",
        "localise",
        "segment",
        "restore",
        "measure",
    ]


@pytest.mark.parametrize(
    "stages, message",
    [
        (("localiser",), "stages"),
        (("segmenter", "localiser"), "stages"),
        ((), "stages"),
    ],
)
def test_stages_that_make_no_cascade_are_refused(stages, message):
    with pytest.raises(ModelPackageError, match=message):
        make_segmenter(stages=tuple(make_stage(role) for role in stages) or (make_stage("other"),))


def test_labels_that_a_stage_does_not_know_are_refused():
    with pytest.raises(ModelPackageError, match="does not know the label duodenum"):
        make_segmenter(labels={"pancreas": 1, "duodenum": 2})
    with pytest.raises(ModelPackageError, match="localiser of the model fake does not know the label pancreas"):
        make_segmenter(stages=(make_stage("localiser", labels={"liver": 1}), make_stage("segmenter")))


def test_windows_are_used_where_the_crop_is_large(fine):
    ct, truth = fine
    stages = (make_stage("localiser"), make_stage("segmenter", patch_ijk=(24, 24, 12)))
    segmenter = make_segmenter(stages=stages)
    result = segmenter.segment(ct)
    assert result.provenance["windows"]["segmenter"]["count"] > 1
    assert len(calls(segmenter, "segmenter")) > 2
    assert dice(result.mask == 1, truth) > 0.93


def test_labels_of_the_fake_are_those_of_the_test():
    assert set(LABELS) == set(HU)
