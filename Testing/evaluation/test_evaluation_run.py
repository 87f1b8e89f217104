"""A run over cases: what is compared, what is kept, what a resumed run does again."""

import json

import numpy as np
import pytest
from score_cases import GRID, ORGANS, block, write_dataset, write_predictions

from PancreasSegLib.data import read_dataset
from PancreasSegLib.errors import CancelledError, DatasetError
from PancreasSegLib.evaluation.folder_source import FolderSource
from PancreasSegLib.evaluation.label_choice import LabelChoice
from PancreasSegLib.evaluation.prediction import Prediction
from PancreasSegLib.evaluation.run import EvaluationRun
from PancreasSegLib.io import read_labels, write_mask
from PancreasSegLib.measure.phase import contrast_phase
from PancreasSegLib.progress import CancelToken


class Model:
    """Moves the organs by a voxel; counts what it was asked."""

    name, costly = "mover", True

    def __init__(self, weights="1", fail_at=None):
        self.about, self.weights, self.fail_at, self.asked = (
            {"kind": "model", "packages": []},
            weights,
            fail_at,
            [],
        )

    def labels(self, known):
        return tuple(known)

    def order(self, cases):
        return sorted(cases, key=lambda case: case.name, reverse=True)

    def key(self, case, labels):
        return {"weights": self.weights}

    def predict(self, case, ct, labels, cancel=None):
        self.asked.append(case.name)
        if case.name == self.fail_at:
            raise KeyboardInterrupt
        masks = {name: block(name, 1) for name in labels}
        return Prediction(masks, {"pancreas": 0.9}, {}, 1.5)


@pytest.fixture
def dataset(tmp_path):
    return read_dataset(write_dataset(tmp_path / "data"))


def run_of(dataset, folder, *sources, **options):
    cases = {source.name: dataset.cases for source in sources}
    return EvaluationRun(sources, cases, LabelChoice.parse(list(ORGANS), dataset.labels), folder, **options)


def test_every_label_of_every_case_is_scored_in_the_cases_order(dataset, tmp_path):
    told = []
    cohorts = run_of(dataset, tmp_path / "out", Model()).score(scored=lambda *about: told.append(about))
    scores = cohorts["mover"].scores
    assert [(s.case, s.label) for s in scores] == [(c, o) for c in "abc" for o in ("liver", "pancreas")]
    assert [about[1].case for about in told[::2]] == ["c", "b", "a"]
    pancreas = scores[1]
    assert pancreas.dice == pytest.approx(6 / 7)
    assert (pancreas.confidence, pancreas.seconds) == (0.9, 1.5)
    assert np.isnan(scores[0].confidence)
    assert pancreas.precision == pancreas.recall == pytest.approx(6 / 7)
    assert pancreas.traits.slice_mm == 2
    assert pancreas.traits.organ_hu == pytest.approx(90, abs=2)
    assert pancreas.traits.rim_contrast_hu > 100  # mostly fat around it
    assert pancreas.outcome == "compared"


def test_a_broken_run_goes_on_where_it_was(dataset, tmp_path):
    broken = Model(fail_at="a")
    with pytest.raises(KeyboardInterrupt):
        run_of(dataset, tmp_path / "out", broken).score()
    again = Model()
    resumed = run_of(dataset, tmp_path / "out", again, resume=True).score()
    assert again.asked == ["a"]
    whole = run_of(dataset, tmp_path / "other", Model()).score()
    assert [s.to_json() for s in resumed["mover"].scores] == [s.to_json() for s in whole["mover"].scores]


def test_a_resumed_run_measures_again_what_has_changed(dataset, tmp_path):
    out = tmp_path / "out"
    run_of(dataset, out, Model()).score()
    other = Model(weights="2")
    run_of(dataset, out, other, resume=True).score()
    assert len(other.asked) == 3
    write_mask(dataset.cases[1].label, block("pancreas").astype(np.uint8) * 2, GRID)
    one = Model(weights="2")
    run_of(dataset, out, one, resume=True).score()
    assert one.asked == ["b"]
    (out / "cases" / "mover" / "c.json").write_text("{broken")
    mended = Model(weights="2")
    run_of(dataset, out, mended, resume=True).score()
    assert mended.asked == ["c"]
    anew = Model(weights="2")
    run_of(dataset, out, anew).score()
    assert len(anew.asked) == 3


def test_masks_of_a_model_are_kept_for_pictures_and_as_files(dataset, tmp_path):
    model = Model()
    run = run_of(dataset, tmp_path / "out", model)
    run.score()
    _, _, masks = run.compared(model, dataset.cases[0])
    assert len(model.asked) == 3
    assert np.array_equal(masks["pancreas"], block("pancreas", 1))
    kept = read_labels(tmp_path / "out" / "cases" / "mover" / "a.nii.gz")
    assert set(np.unique(kept.voxels)) == {0, 1, 2}


def test_files_are_resumed_by_their_content(dataset, tmp_path):
    folder = write_predictions(tmp_path / "masks")
    source = FolderSource("files", folder, dataset.labels)
    first = run_of(dataset, tmp_path / "out", source).score()["files"].scores
    write_mask(folder / "a.nii.gz", np.zeros(GRID.shape_zyx, np.uint8), GRID)
    then = run_of(dataset, tmp_path / "out", source, resume=True).score()["files"].scores
    assert (first[1].dice, then[1].dice) == (1, 0)
    assert then[1].outcome == "missed"
    assert np.isinf(then[1].hd95_mm)
    assert [s.dice for s in first[2:]] == [s.dice for s in then[2:]]


def test_cases_count_for_what_they_were_read_for(dataset, tmp_path):
    from dataclasses import replace

    cases = [replace(dataset.cases[0], labels_present=("liver",)), dataset.cases[1]]
    run = EvaluationRun(
        [Model()], {"mover": cases}, LabelChoice.parse(list(ORGANS), dataset.labels), tmp_path / "out"
    )
    assert [(s.case, s.label) for s in run.score()["mover"].scores] == [
        ("a", "liver"),
        ("b", "liver"),
        ("b", "pancreas"),
    ]


def test_a_reference_on_another_grid_is_refused(dataset, tmp_path):
    from PancreasSegLib.volume import Geometry

    other = Geometry(GRID.size_ijk, GRID.spacing_mm, (0.0, 0.0, 0.0))
    write_mask(dataset.cases[2].label, block("pancreas").astype(np.uint8), other)
    with pytest.raises(DatasetError, match="does not lie on its CT"):
        run_of(dataset, tmp_path / "out", Model()).score()


def test_cancelling_ends_it_between_cases(dataset, tmp_path):
    token, model = CancelToken(), Model()
    run = run_of(dataset, tmp_path / "out", model)
    with pytest.raises(CancelledError):
        run.score(scored=lambda *_: token.cancel(), cancel=token)
    assert model.asked == ["c"]
    assert json.loads((tmp_path / "out/cases/mover/c.json").read_text())["scores"][0]["case"] == "c"


def test_a_coarser_plane_keeps_the_organs(dataset, tmp_path):
    run = run_of(dataset, tmp_path / "out", Model(), in_plane_mm=0.5)
    ct, reference = run.read(dataset.cases[0])
    assert ct.geometry.spacing_mm == reference.geometry.spacing_mm == (0.5, 0.5, 2.0)
    for organ, value in ORGANS.items():
        volume = (reference.voxels == value).sum() * reference.geometry.voxel_volume_ml
        assert volume == pytest.approx(block(organ).sum() * GRID.voxel_volume_ml, rel=0.1)


def test_phase_needs_both_densities():
    assert contrast_phase(float("nan"), 100) == ""
    assert contrast_phase(79, 60) == contrast_phase(79, 60, 40) == "unenhanced"
    assert contrast_phase(79, 60, 120) == contrast_phase(110, 100, 160) == "late"
    assert contrast_phase(170, 70) == "arterial"
    assert contrast_phase(169, 70) == "portal venous"
