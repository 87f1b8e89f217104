"""The panel with the real worker: whole runs, cancel in every stage, a killed worker, a closed scene."""

from __future__ import annotations

import os
import signal
import sys
import time
import unittest

import numpy as np
import pytest
from panel_in_host import PATIENCE_S, PanelUser

from PancreasSegLib.volume import Geometry

pytest_plugins = ["panel_in_host"]  # its fixtures

TURN = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
GRIDS = {
    "axial": np.eye(3),
    "left-handed": np.diag([1.0, 1.0, -1.0]),
    "oblique": TURN,
    "oblique, left-handed": TURN @ np.diag([-1.0, 1.0, 1.0]),
}


def open_with(person: PanelUser, axes: str = "axial") -> tuple[object, np.ndarray, Geometry]:
    from bright_model import make_abdomen

    from PancreasSegPanel.scene.volume_node import add_volume

    geometry = Geometry((90, 70, 40), (4.0, 4.0, 5.0), (-180.0, -140.0, 900.0), tuple(GRIDS[axes].ravel()))
    ct, truth = make_abdomen(geometry=geometry)
    node = add_volume(person.host.scene, ct, "Bauch ä")
    person.open()
    person.host.widget.logic.getParameterNode().model = "bright"
    person.host.process_events()
    return node, truth, geometry


def dice(person: PanelUser, truth: np.ndarray, geometry: Geometry) -> float:
    from PancreasSegPanel.scene.oriented_image import oriented_image, values_on
    from PancreasSegPanel.scene.patient_axes import ras_from_geometry

    (node,) = person.segmentations()
    segment = node.GetSegmentation().GetSegment("Pancreas")
    like = oriented_image(truth.astype(np.uint8), (0, 0, 0), ras_from_geometry(geometry))
    found = values_on(segment.GetRepresentation("Binary labelmap"), like) == segment.GetLabelValue()
    return 2.0 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth))


LESS_USUAL = [pytest.param(axes, marks=pytest.mark.slow) for axes in ("axial", "left-handed", "oblique")]


@pytest.mark.parametrize("axes", [*LESS_USUAL, "oblique, left-handed"])
def test_the_organ_is_found_where_it_is_whatever_the_axes(person, axes):
    _, truth, geometry = open_with(person, axes)
    person.segment_and_wait()
    assert person.status.startswith("Pancreas: "), person.status
    assert dice(person, truth, geometry) > 0.8


def test_region_forecast_and_a_second_run_with_one_worker(person):
    _, truth, geometry = open_with(person)
    person.wait(lambda: person.host.find("forecastLabel").text.startswith("Forecast: "))
    person.host.click("proposeRegionButton")
    person.wait(lambda: person.can_segment)
    assert person.host.find("regionSelector").currentNode() is not None, person.status
    person.segment_and_wait()
    first = person.logic.jobs.client.worker_pid
    person.segment_and_wait()
    assert person.logic.jobs.client.worker_pid == first
    assert dice(person, truth, geometry) > 0.8


def wait_for_stage(person: PanelUser, stage: str) -> None:
    """Wait until the run is in a stage (`start`: has just been asked for)."""
    if stage != "start":
        run = person.panel._run
        person.wait(lambda: person.can_segment or (run.request.progress and run.request.progress.stage == stage))


OTHER_STAGES = [pytest.param(stage, marks=pytest.mark.slow) for stage in ("start", "load", "propose", "measure")]


@pytest.mark.parametrize("stage", [*OTHER_STAGES, "segment"])
def test_cancel_in_every_stage_frees_the_panel_at_once(person, stage):
    open_with(person)
    person.host.click("segmentButton")
    wait_for_stage(person, stage)
    if not person.can_segment:  # a stage may be over before it is seen
        person.host.click("cancelButton")
        assert person.can_segment
        assert person.status.startswith("Cancelled")
    before = len(person.segmentations())
    until = time.monotonic() + 1.5
    person.wait(lambda: time.monotonic() > until)  # what comes late is not written
    assert len(person.segmentations()) == before
    person.segment_and_wait()
    assert len(person.segmentations()) == 1, person.status


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there are no such signals on Windows")
def test_a_killed_worker_is_told_in_a_sentence_and_the_next_click_works(person):
    open_with(person)
    person.segment_and_wait()
    pid = person.logic.jobs.client.worker_pid
    os.kill(pid, signal.SIGSTOP)  # so that it cannot be done before it is killed
    person.host.click("segmentButton")
    os.kill(pid, signal.SIGKILL)
    person.wait(lambda: person.can_segment)
    assert "worker" in person.status.lower()
    assert "Traceback" not in person.status
    person.segment_and_wait()
    assert person.status.startswith("Pancreas: "), person.status
    assert person.logic.jobs.client.worker_pid != pid


@pytest.mark.slow
def test_the_scene_closed_half_way(person):
    node, _, _ = open_with(person)
    person.segment_and_wait()
    person.host.click("segmentButton")
    person.host.close_scene()
    assert node.GetScene() is None
    person.wait(lambda: not person.logic.pending, PATIENCE_S)
    assert not person.segmentations()
    open_with(person)
    person.segment_and_wait()
    assert len(person.segmentations()) == 1


@pytest.mark.slow
def test_what_is_no_pancreas_gets_the_workers_sentence(person):
    from bright_model import make_abdomen

    from PancreasSegPanel.scene.volume_node import add_volume

    ct, _ = make_abdomen(pancreas=False)
    add_volume(person.host.scene, ct, "leer")
    person.open()
    person.host.widget.logic.getParameterNode().model = "bright"
    person.host.process_events()
    person.segment_and_wait()
    assert "pancreas" in person.status.lower()
    assert not person.segmentations()
    assert not person.host.message_boxes


@pytest.mark.slow
def test_a_folder_of_cts_with_one_warm_model(person, tmp_path):
    from bright_model import make_abdomen

    from PancreasSegLib.io import write_volume

    folder = tmp_path / "Serie für Müller"
    folder.mkdir()
    ct, _ = make_abdomen()
    for name in ("a.nii.gz", "b.nrrd"):
        write_volume(folder / name, ct)
    person.open()
    person.host.widget.logic.getParameterNode().model = "bright"
    person.host.find("batchCollapsibleButton").collapsed = False
    person.host.process_events()
    person.host.dialogs.paths.append(str(folder))
    person.host.click("batchFolderButton")
    person.wait(lambda: person.status.startswith("Batch of 2"))
    assert [row[0] for row in person.table("batchTable").values()] == ["done", "done"]
    assert (folder / "pancreasseg" / "summary.csv").is_file()


@pytest.mark.slow
def test_one_of_the_modules_own_tests_with_the_default_model_on_a_phantom(person):
    person.open()
    test = sys.modules["PancreasSeg"].PancreasSegTest("test_correct_phantom")
    result = unittest.TestResult()
    test.run(result)
    assert result.wasSuccessful() and not result.skipped, result
    names = [node.GetName() for node in person.segmentations()]
    assert len(names) == 2 and sum(name.endswith("marks") for name in names) == 1  # it corrected what it segmented
    assert person.table()["Volume (mL)"]  # the form shows what a script made
