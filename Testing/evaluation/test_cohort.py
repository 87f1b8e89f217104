import csv
import json
import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import SimpleITK as sitk

from PancreasSegLib.data import Case
from PancreasSegLib.errors import CancelledError, NoPancreasError
from PancreasSegLib.evaluation import Cohort, score_mask, write_cohort
from PancreasSegLib.evaluation.model import evaluate_model
from PancreasSegLib.volume import Geometry

GRID = Geometry((20, 18, 16), (1.0, 1.0, 2.0))


def block(offset=0):
    mask = np.zeros(GRID.shape_zyx, bool)
    mask[4:10, 5:12, 4 + offset : 12 + offset] = True
    return mask


def test_scores_of_a_shifted_block():
    score = score_mask("a", block(2), block(), GRID)
    assert score.dice == pytest.approx(0.75)
    assert score.nsd_1mm < score.nsd_3mm <= 1
    assert score.hd95_mm == pytest.approx(2.0, abs=0.01)
    assert score.volume_ml == pytest.approx(6 * 7 * 8 * 2 / 1000)
    assert score.volume_error_ml == 0


def test_an_empty_mask_counts_and_is_never_dropped(tmp_path):
    scores = (
        score_mask("good", block(), block(), GRID),
        score_mask("lost", np.zeros_like(block()), block(), GRID, error="No pancreas was found."),
    )
    cohort = Cohort(scores, {"model": "m"})
    summary = cohort.summary()
    assert summary["dice"]["mean"] == pytest.approx(0.5)
    assert summary["dice"]["min"] == 0
    assert summary["hd95_mm"]["cases"] == 1
    write_cohort(tmp_path / "out", cohort)
    content = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert content["cases"][1]["hd95_mm"] is None
    assert content["cases"][1]["error"] == "No pancreas was found."
    with (tmp_path / "out" / "cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["dice"]) for row in rows] == [1, 0]
    assert math.isinf(float(rows[1]["hd95_mm"]))


@dataclass
class Answer:
    mask: np.ndarray
    labels: dict = field(default_factory=lambda: {"pancreas": 1})
    statistics: dict = field(default_factory=lambda: {"pancreas": {"confidence": 0.8}})
    probability: dict = field(default_factory=dict)


class Oracle:
    """Marks what is bright; refuses a scan without anything bright."""

    def segment(self, volume, cancel=None):
        if cancel:
            cancel.check()
        mask = (volume.voxels > 100).astype(np.uint8)
        if not mask.any():
            raise NoPancreasError("No pancreas was found.")
        return Answer(mask)


@pytest.fixture
def cases(tmp_path):
    made = []
    for name, hu in (("bright", 200), ("dark", 0)):
        ct = np.where(block(), hu, np.where(np.indices(GRID.shape_zyx)[2] < 2, -1000, 20)).astype(np.int16)
        for kind, array in (("ct", ct), ("label", block().astype(np.uint8) * 8)):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing(GRID.spacing_mm)
            image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
            sitk.WriteImage(image, str(tmp_path / f"{name}_{kind}.nii.gz"))
        made.append(Case(name, tmp_path / f"{name}_ct.nii.gz", tmp_path / f"{name}_label.nii.gz"))
    return made


def test_a_model_is_scored_case_by_case_and_a_refusal_scores_zero(cases):
    good, refused = evaluate_model(Oracle(), cases, 8)
    assert (good.case, good.dice, good.confidence) == ("bright", 1.0, 0.8)
    assert (refused.dice, refused.error) == (0.0, "No pancreas was found.")


def test_another_in_plane_spacing_keeps_the_organ(cases):
    score = next(evaluate_model(Oracle(), cases, 8, in_plane_mm=0.5))
    assert score.dice > 0.95
    assert score.reference_ml == pytest.approx(block().sum() * GRID.voxel_volume_ml, rel=0.05)


def test_cancelling_ends_it(cases):
    from PancreasSegLib.progress import CancelToken

    token = CancelToken()
    token.cancel()
    with pytest.raises(CancelledError):
        next(evaluate_model(Oracle(), cases, 8, cancel=token))


def test_labels_are_summed_up_apart():
    scores = (
        score_mask("a", block(), block(), GRID, label="pancreas"),
        score_mask("a", block(2), block(), GRID, label="duct"),
    )
    content = Cohort(scores, {}).to_json()
    assert content["summary_by_label"]["pancreas"]["dice"]["mean"] == 1
    assert content["summary_by_label"]["duct"]["dice"]["mean"] == pytest.approx(0.75)
    assert "summary_by_label" not in Cohort(scores[:1], {}).to_json()


def test_quantiles_count_infinite_distances_as_the_largest():
    near, lost = score_mask("a", block(1), block(), GRID), score_mask("b", np.zeros_like(block()), block(), GRID)
    two_of_three = Cohort((near, near, lost), {}).summary()["hd95_mm"]
    assert two_of_three["median"] == near.hd95_mm
    assert (two_of_three["cases"], two_of_three["infinite"], two_of_three["q3"]) == (2, 1, None)
    assert Cohort((near, lost, lost), {}).summary()["hd95_mm"]["median"] is None
    nothing = Cohort((lost,), {}).summary()["hd95_mm"]
    assert (nothing["mean"], nothing["cases"], nothing["infinite"]) == (None, 0, 1)


def test_scores_survive_json():
    from dataclasses import replace

    from PancreasSegLib.evaluation import CaseScore
    from PancreasSegLib.evaluation.traits import Traits

    traits = Traits(2.5, 0.8, 90.0, float("nan"), "arterial")
    score = score_mask("a", np.zeros_like(block()), block(), GRID, confidence=0.5, traits=traits, patient="p")
    again = CaseScore.from_json(json.loads(json.dumps(score.to_json())))
    assert math.isnan(again.traits.rim_contrast_hu)
    assert math.isnan(again.seconds)
    known = Traits(2.5, 0.8, 90.0, 0.0, "arterial")
    assert replace(again, traits=known, seconds=0.0) == replace(score, traits=known, seconds=0.0)
    assert math.isinf(again.hd95_mm)
