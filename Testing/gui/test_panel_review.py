"""The review of a cohort in the test host: open, accept, correct, mark as failed, close, and nothing is lost."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "cohort"))

pytest_plugins = ["panel_in_host"]  # its fixtures


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two abdomens and one without a pancreas, run by a model that marks what is bright, in this process."""
    from bright_model import make_abdomen, write_bright_model

    from PancreasSegLib.cohort.choice import ChoiceRule
    from PancreasSegLib.cohort.folder import Cohort
    from PancreasSegLib.cohort.index import make_index, read_index
    from PancreasSegLib.cohort.run import model_key, open_results
    from PancreasSegLib.cohort.table import read_table, write_table
    from PancreasSegLib.cohort.task import TaskSettings, run_task
    from PancreasSegLib.io import write_volume
    from PancreasSegLib.volume import Geometry

    folder = tmp_path_factory.mktemp("review")
    model = str(write_bright_model(folder / "bright"))
    grid = Geometry((60, 46, 30), (6.0, 6.0, 6.5), (-170.0, -120.0, 30.0))
    for name, pancreas in (("a", True), ("b", True), ("none", False)):
        write_volume(folder / "scans" / f"{name}.nii.gz", make_abdomen(pancreas=pancreas, geometry=grid)[0])
    cohort = Cohort.make(folder / "cohort")
    make_index(str(folder / "scans"), cohort, ChoiceRule())
    settings = TaskSettings(str(cohort.path / "results" / model_key(model)), model)
    place = open_results(cohort, settings)
    chosen = {row["scan"] for row in read_index(cohort)}
    rows = [run_task(row, settings) for row in read_table(cohort.locations_file) if row["scan"] in chosen]
    for row in rows:
        if row["outcome"] == "done":
            row["confidence"] = 0.6
    write_table(place / "table.parquet", rows)
    return cohort


@pytest.fixture
def review(user, host, results, tmp_path):
    """The form with a copy of the cohort's queue."""
    import shutil

    from PancreasSegLib.cohort.folder import Cohort

    copy = tmp_path / "cohort"
    shutil.copytree(results.path, copy)
    user.open()
    host.find("reviewCollapsibleButton").collapsed = False
    open_queue(user, host, copy)
    return Cohort.open(copy)


def open_queue(user, host, folder):
    host.dialogs.paths.append(str(folder))
    host.click("reviewCohortButton")
    user.wait(lambda: not user.panel.review.busy)


def click(user, host, name):
    host.click(name)
    user.wait(lambda: not user.panel.review.busy)


def label(host):
    return host.find("reviewLabel").text


def name_reader(host, name):
    from PySide6.QtCore import Qt

    host.find("reviewReaderLineEdit").setText(name)
    host.find("reviewReaderLineEdit").setFocus()
    host.press(Qt.Key_Return)


def change_mask(scan) -> np.ndarray:
    """Add a block to the segment, as the Segment Editor would."""
    from PancreasSegLib.volume import Box
    from PancreasSegPanel.scene.ct_node import geometry_of
    from PancreasSegPanel.scene.segment_on_ct import write_segment

    box = Box((10, 10, 10), (14, 14, 14))
    block = np.ones((4, 4, 4), np.uint8)
    write_segment(scan.segmentation, scan.segment_id, geometry_of(scan.ct), box, block)
    return scan.mask()


def test_the_queue_is_walked_and_every_answer_is_kept(user, host, review, tmp_path):
    import slicer

    from PancreasSegLib.cohort.review import read_answers
    from PancreasSegLib.data import read_provenance
    from PancreasSegLib.io import read_labels

    queue = user.table("reviewTable")
    assert len(queue) == 3 and label(host) == "3 of 3 scans to look at."
    assert [why[1][:13] for why in queue.values()] == ["expected Dice", "expected Dice", "no pancreas: "]
    click(user, host, "reviewNextButton")
    first = user.panel.review.scan
    assert first is not None, label(host)
    assert user.panel.choices.ct is first.ct and user.panel.choices.output is first.segmentation
    assert first.mask().sum() > 100 and "expected Dice 0.60" in label(host)
    session = user.logic.correct(first.segmentation)
    assert session.doubtful_slices(), "the run's probability did not come along"
    host.click("reviewAcceptButton")
    assert "fill in Reader" in label(host)
    name_reader(host, "A. Reader")
    click(user, host, "reviewAcceptButton")
    assert user.table("reviewTable")[first.scan][0] == "accepted"
    assert first.ct.GetScene() is None and label(host).endswith("2 of 3 scans to look at.")

    click(user, host, "reviewNextButton")
    second = user.panel.review.scan
    assert second.scan != first.scan
    drawn = change_mask(second)
    host.click("reviewAcceptButton")
    assert "The mask was changed" in label(host)
    host.find("reviewRemarkLineEdit").setText("tail was missing")
    click(user, host, "reviewCorrectButton")

    click(user, host, "reviewNextButton")
    third = user.panel.review.scan
    assert not third.mask().any()
    host.click("reviewCorrectButton")
    assert "The mask is empty" in label(host)
    click(user, host, "reviewFailButton")
    assert label(host).endswith("0 of 3 scans to look at.")
    click(user, host, "reviewNextButton")
    assert label(host).startswith("Every scan was answered.")

    slicer.mrmlScene.Clear(0)
    open_queue(user, host, review.path)
    assert [row[0] for row in user.table("reviewTable").values()] == ["accepted", "corrected", "failed"]
    answers = read_answers(review)
    assert [(a.scan, a.answer, a.reader) for a in answers] == [
        (first.scan, "accepted", "A. Reader"),
        (second.scan, "corrected", "A. Reader"),
        (third.scan, "failed", "A. Reader"),
    ]
    assert answers[1].remark == "tail was missing"
    assert np.array_equal(read_labels(answers[1].mask).voxels != 0, drawn)
    assert len(read_provenance(review.training_folder)) == 1


def test_a_correction_is_not_left_unasked(user, host, review):
    from PySide6.QtWidgets import QMessageBox

    click(user, host, "reviewNextButton")
    scan = user.panel.review.scan
    change_mask(scan)
    host.dialogs.answers.append(QMessageBox.Cancel)
    click(user, host, "reviewNextButton")
    assert "was not saved" in host.dialogs.message_boxes[-1].text
    assert user.panel.review.scan is scan
    host.dialogs.answers.append(QMessageBox.Ok)
    click(user, host, "reviewNextButton")
    assert user.panel.review.scan is not scan and scan.ct.GetScene() is None


def test_a_folder_that_is_no_cohort_is_told(user, host, tmp_path):
    user.open()
    host.find("reviewCollapsibleButton").collapsed = False
    open_queue(user, host, tmp_path)
    assert "is no cohort" in label(host)
    assert user.enabled("reviewNextButton", "reviewAcceptButton") == [False, False]
