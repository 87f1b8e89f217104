"""Models of other organs than the pancreas, of several organs, and of slices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fake_model import HU, calls, dice, make_abdomen, make_segmenter, make_stage, torch_stage

from PancreasSegLib.errors import NoPancreasError
from PancreasSegLib.inference.cascade import is_single_pass
from PancreasSegLib.inference.settings import CascadeSettings
from PancreasSegLib.models import ModelPackage, Stage
from PancreasSegLib.networks import build_network

SLICES = {"patch_ijk": (80, 56, 1), "multiple_ijk": (8, 8, 1), "arguments": {"spatial_dims": 2}}


def organ_of(ct, name: str) -> np.ndarray:
    return np.abs(ct.voxels.astype(float) - HU[name]) < 1


def test_a_liver_model_searches_the_whole_body_once_and_proposes_nothing():
    ct, _ = make_abdomen()
    segmenter = make_segmenter((make_stage("segmenter"),), labels={"liver": 1})
    result = segmenter.segment(ct)
    assert result.roi is None
    assert result.labels == {"liver": 1}
    assert dice(result.mask == 1, organ_of(ct, "liver")) > 0.9
    assert result.warnings == []
    windows = len(calls(segmenter, "segmenter")) - 1  # the probe of the cost
    assert windows == result.provenance["windows"]["segmenter"]["count"]
    assert segmenter.forecast(ct).tiles.keys() == {"segment"}


def test_several_organs_are_written_with_their_own_values():
    labels = {"spleen": 3, "pancreas": 1, "liver": 7}
    ct, truth = make_abdomen()
    result = make_segmenter((make_stage("segmenter"),), labels=labels).segment(ct)
    assert dice(result.mask == 1, truth) > 0.85
    assert dice(result.mask == 7, organ_of(ct, "liver")) > 0.9
    assert dice(result.mask == 3, organ_of(ct, "spleen")) > 0.8
    assert result.warnings == []
    assert set(result.probability) == set(result.statistics) == set(labels)


def test_an_organ_that_is_not_there_is_named():
    ct, _ = make_abdomen(without=("spleen", "pancreas"))  # the pancreas's edge looks like spleen
    result = make_segmenter((make_stage("segmenter"),), labels={"spleen": 3, "liver": 7}).segment(ct)
    assert set(np.unique(result.mask)) == {0, 7}
    assert [(w.code, w.sentence) for w in result.warnings] == [("not-found", "Not found: spleen.")]


def test_a_localiser_of_organs_crops_around_all_of_them():
    ct, _ = make_abdomen()
    segmenter = make_segmenter(labels={"liver": 1, "spleen": 2})
    result = segmenter.segment(ct)
    assert dice(result.mask == 1, organ_of(ct, "liver")) > 0.9
    assert dice(result.mask == 2, organ_of(ct, "spleen")) > 0.9
    crop = result.probability["liver"].geometry
    whole = make_segmenter((make_stage("segmenter"),), labels={"liver": 1, "spleen": 2}).segment(ct)
    assert np.prod(crop.size_ijk) < 0.8 * np.prod(whole.probability["liver"].geometry.size_ijk)


def test_nothing_found_is_said_in_the_words_of_the_model():
    ct, _ = make_abdomen(without=("liver", "spleen", "pancreas"))
    segmenter = make_segmenter((make_stage("segmenter"),), labels={"liver": 1, "spleen": 2})
    with pytest.raises(NoPancreasError, match=r"No liver and no spleen was found.*shows the liver"):
        segmenter.segment(ct)
    assert not segmenter.segment(ct, allow_empty=True).mask.any()


@pytest.mark.parametrize(
    ("labels", "seeks"),
    [
        (("pancreas",), True),
        (("pancreas", "cancer"), True),
        (("pancreas", "pancreatic duct"), True),
        (("liver", "tumour"), False),
        (("pancreas", "liver"), False),
        (("tumour",), False),
    ],
)
def test_only_a_pancreas_with_its_parts_is_sought_where_a_pancreas_can_be(labels, seeks, tmp_path):
    values = {name: value for value, name in enumerate(labels, 1)}
    package = ModelPackage("m", "1", "", tmp_path, (make_stage("segmenter"),), values)
    assert package.seeks_pancreas == seeks
    assert is_single_pass(package, CascadeSettings()) == (not seeks)
    assert package.organ == ("pancreas" if "pancreas" in labels else labels[0])


def test_slices_give_what_volumes_give_where_a_voxel_decides_alone():
    ct, truth = make_abdomen()
    flat = make_segmenter((make_stage("segmenter", **SLICES),))
    mask = flat.segment(ct).mask
    assert dice(mask == 1, truth) > 0.9
    assert dice(mask == 1, make_segmenter((make_stage("segmenter"),)).segment(ct).mask == 1) > 0.97
    assert all(len(shape) == 2 for shape in calls(flat, "segmenter"))
    assert len(calls(flat, "segmenter")) < 30  # many slices at a time


def test_a_network_of_slices_sees_every_slice_alone_and_all_at_once():
    arguments = {"spatial_dims": 2, "filters": [4, 8], "strides": [1, 2], "out_channels": 3}
    torch.manual_seed(0)
    network = build_network("unet", **arguments).eval()
    stage = Stage(
        "segmenter", "unet", arguments, ("x.safetensors",), (1.0, 1.0, 2.0), (-100.0, 200.0), 0.0, 1.0,
        (16, 12, 1), (2, 2, 1), {"background": 0, "a": 1, "b": 2},
    )  # fmt: skip
    image = np.random.default_rng(0).normal(size=(1, 5, 12, 16)).astype(np.float32)
    with torch.no_grad():
        alone = [network(torch.from_numpy(image[:, z])[None]).softmax(1)[0, 1:] for z in range(5)]
    loaded = torch_stage(stage, [network])
    found = loaded.probabilities(image, [1, 2], lambda share: None)
    assert found.shape == (2, 5, 12, 16)
    assert np.allclose(found, torch.stack(alone, 1), atol=1e-5)
    assert loaded.cost.gflop_per_mvoxel > 0
