"""What is taken from the scene is what is found in the folder; names of nodes are not."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time

import numpy as np
import pytest
from fake_worker import reply
from strokes import INSIDE, OUTSIDE, answer, now, stroke

from PancreasSegLib.data import read_dataset
from PancreasSegLib.errors import CaseExistsError, PancreasSegError
from PancreasSegLib.io import read_labels, read_volume
from PancreasSegLib.io.terminology import term_of
from PancreasSegPanel.correction import training_case
from PancreasSegPanel.correction.training_case import fine_tuning_command, save_in_background, training_case_of
from PancreasSegPanel.scene.ct_node import geometry_of, voxels_of
from PancreasSegPanel.work.segmentation_run import Job


def segment(logic, client, ct):
    """Segment a CT with the stand-in of the worker; return the segmentation."""
    run = logic.start(Job(ct))
    client.answer(reply(run.request.scan))
    logic.poll()
    assert run.error is None
    return run.segmentation


def wait(logic, job):
    deadline = time.monotonic() + 120
    while not job.done and time.monotonic() < deadline:
        logic.poll()
        time.sleep(0.01)
    assert job.done
    return job


def saved(logic, case, folder, **options):
    job = wait(logic, save_in_background(logic.jobs, case, folder, **options))
    if job.error is not None:
        raise job.error
    return job.result


def everything(folder):
    content = b""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        raw = path.read_bytes()
        content += str(path.relative_to(folder)).encode() + (gzip.decompress(raw) if path.suffix == ".gz" else raw)
    return content


def test_a_corrected_case_is_kept_on_any_grid(logic, client, add_ct, grid, tmp_path):
    ct = add_ct(grid)
    node = segment(logic, client, ct)
    session = logic.correct(node)
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    session.add([stroke(session, INSIDE, include=False, radius_mm=4)])
    answer(logic, client)
    corrected = now(session)
    assert corrected[OUTSIDE[::-1]] and not corrected[INSIDE[::-1]]

    result = saved(logic, training_case_of(logic.corrections, node, reader="A. B."), tmp_path / "cases")
    case = read_dataset(tmp_path / "cases").cases[0]
    image, label = read_volume(case.image, assume_ct=True), read_labels(case.label)
    assert np.array_equal(image.voxels, voxels_of(ct))
    assert image.geometry.matches(geometry_of(ct), 1e-3)
    assert np.array_equal(label.voxels > 0, corrected)
    marks = read_labels(result.folder / result.record.files["marks"]["path"]).voxels
    assert marks[OUTSIDE[::-1]] == 1
    assert marks[INSIDE[::-1]] == 2
    record = result.record
    assert record.reader == "A. B."
    assert record.model == {"name": "default", "version": "1"}
    assert record.labels_present == ("pancreas",)
    assert record.source == {"kind": "scene"}


def test_without_marks_there_is_no_file_of_marks(logic, client, add_ct, axial, tmp_path):
    node = segment(logic, client, add_ct(axial))
    result = saved(logic, training_case_of(logic.corrections, node, accepted=False), tmp_path)
    assert set(result.record.files) == {"image", "label"}
    assert (result.accepted, result.rejected) == (0, 1)


def test_no_name_and_no_identifier_reaches_the_folder(logic, client, add_ct, axial, scene, tmp_path):
    import slicer

    ct = add_ct(axial, "DOE^JOHN 19440229")
    ct.SetAttribute("DICOM.instanceUIDs", "1.2.840.7.1 1.2.840.7.2")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    root = hierarchy.GetSceneItemID()
    study = hierarchy.CreateStudyItem(root, "DOE^JOHN study")
    hierarchy.SetItemUID(study, "DICOM", "1.2.840.7")
    item = hierarchy.GetItemByDataNode(ct) or hierarchy.CreateItem(study, ct)
    hierarchy.SetItemParent(item, study)
    hierarchy.SetItemUID(item, "DICOM", "1.2.840.7.0")
    node = segment(logic, client, ct)
    node.SetName("DOE^JOHN segmentation")
    result = saved(logic, training_case_of(logic.corrections, node), tmp_path)
    content = everything(tmp_path)
    for secret in (b"DOE", b"JOHN", b"19440229", b"1.2.840"):
        assert secret not in content
    assert result.record.source == {
        "kind": "dicom",
        "series_sha256": hashlib.sha256(b"1.2.840.7.0").hexdigest(),
        "study_sha256": hashlib.sha256(b"1.2.840.7").hexdigest(),
    }


def test_a_second_save_asks_and_replaces(logic, client, add_ct, axial, tmp_path):
    node = segment(logic, client, add_ct(axial))
    case = training_case_of(logic.corrections, node, reader="first")
    saved(logic, case, tmp_path)
    with pytest.raises(CaseExistsError, match="first"):
        saved(logic, case, tmp_path)
    again = saved(logic, training_case_of(logic.corrections, node, reader="second"), tmp_path, overwrite=True)
    assert again.replaced
    assert again.accepted == 1


def test_what_happens_later_in_the_scene_does_not_reach_the_folder(
    logic, client, add_ct, axial, scene, tmp_path, monkeypatch
):
    ct = add_ct(axial)
    before = voxels_of(ct).copy()
    node = segment(logic, client, ct)
    released = threading.Event()
    right = training_case.save_training_case

    def slow(*arguments, **options):
        assert released.wait(60)
        return right(*arguments, **options)

    monkeypatch.setattr(training_case, "save_training_case", slow)
    job = save_in_background(logic.jobs, training_case_of(logic.corrections, node), tmp_path)
    voxels_of(ct)[:] = 0
    scene.RemoveNode(node)
    scene.RemoveNode(ct)
    released.set()
    wait(logic, job)
    case = read_dataset(tmp_path).cases[0]
    assert np.array_equal(read_volume(case.image, assume_ct=True).voxels, before)
    assert read_labels(case.label).voxels.any()


def test_a_closed_scene_loses_no_case(logic, client, add_ct, axial, scene, tmp_path):
    waits = threading.Event()
    logic.jobs.do(lambda: waits.wait(60))  # the thread is busy, so the save still waits in its queue
    dropped = []
    logic.jobs.do(lambda: dropped.append(1))
    told = []
    job = save_in_background(
        logic.jobs,
        training_case_of(logic.corrections, segment(logic, client, add_ct(axial))),
        tmp_path,
        told.append,
    )
    logic.scene_closing()
    scene.Clear(False)
    waits.set()
    wait(logic, job)
    assert told == [job]
    assert len(read_dataset(tmp_path).cases) == 1
    assert not dropped


def test_a_correction_under_way_is_waited_for(logic, client, add_ct, axial):
    node = segment(logic, client, add_ct(axial))
    session = logic.correct(node)
    session.preview = True
    session.add([stroke(session, OUTSIDE)])
    with pytest.raises(PancreasSegError, match="under way"):
        training_case_of(logic.corrections, node)
    answer(logic, client)
    with pytest.raises(PancreasSegError, match="preview"):
        training_case_of(logic.corrections, node)
    session.accept()
    assert training_case_of(logic.corrections, node).marks.any()


def test_what_cannot_be_saved_is_said(logic, client, add_ct, axial, scene):
    import slicer

    empty = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
    with pytest.raises(PancreasSegError, match="on which CT"):
        training_case_of(logic.corrections, empty)
    with pytest.raises(PancreasSegError, match="no segment"):
        training_case_of(logic.corrections, empty, ct=add_ct(axial))
    own = slicer.vtkSegment()
    own.SetName("Duodenum")
    empty.GetSegmentation().AddSegment(own, "mine")
    ct = add_ct(axial)
    with pytest.raises(PancreasSegError, match=r"Duodenum.*only that"):
        training_case_of(logic.corrections, empty, "mine", ct)
    own.SetTag(own.GetTerminologyEntryTagName(), term_of("pancreas").slicer_entry)
    assert training_case_of(logic.corrections, empty, "mine", ct).labels == {"pancreas": 1}
    own.SetTag(own.GetTerminologyEntryTagName(), "")
    own.SetName("My pancreas")
    case = training_case_of(logic.corrections, empty, "mine", ct)
    assert not case.mask.any()
    assert case.model == ""
    with pytest.raises(PancreasSegError, match="empty"):
        case.checked()


def test_the_command_is_one_that_the_program_knows():
    import shlex

    import typer

    from PancreasSegLib.cli.app import program

    words = shlex.split(fine_tuning_command("C D/cases", "default"))
    assert words == ["pancreasseg", "train", "--finetune", "default", "C D/cases"]
    train = typer.main.get_command(program(["train"])).commands["train"]
    assert any("--finetune" in parameter.opts for parameter in train.params)


def test_the_list_says_what_a_fine_tuned_model_gained(tmp_path, monkeypatch):
    import dataclasses
    import sys
    from pathlib import Path

    sys.path.append(str(Path(__file__).resolve().parents[1] / "cli"))
    from bright_model import write_bright_model

    from PancreasSegLib.models import load_package, load_weights, write_package
    from PancreasSegPanel.form.model_list import model_choices

    monkeypatch.setenv("PANCREASSEG_MODELS", str(tmp_path / "models"))
    package = load_package(write_bright_model(tmp_path / "bright"))
    dice = {"mean": 0.84, "min": 0.8, "max": 0.88, "cases": 2}
    scores = {"finetuning": {"summary": {"dice": dice}, "before": 0.71}, "parent": {"name": "default"}}
    tuned = dataclasses.replace(package, name="bright-finetuned", scores=scores)
    stage = package.stages[0]
    weights = {stage.weights[0]: load_weights(package, stage)}
    write_package(tmp_path / "models" / "bright-finetuned", tuned, weights, "# Card")
    choice = next(choice for choice in model_choices() if choice.name == "bright-finetuned")
    assert choice.text.endswith("Dice 0.84")
    assert "0.84, 0.71 before (cases: 2)" in choice.details
    unmeasured = dataclasses.replace(tuned, scores={"parent": {"name": "default", "version": "2"}})
    write_package(tmp_path / "models" / "bright-finetuned", unmeasured, weights, "# Card", overwrite=True)
    choice = next(choice for choice in model_choices() if choice.name == "bright-finetuned")
    assert choice.text.endswith("not measured")
