"""Runs: progress, cancel in every stage, scene closed, CT removed or changed, errors, scripts."""

import threading
import time

import numpy as np
import pytest
from fake_worker import BOX, reply
from test_patient_axes import move

from PancreasSegLib.errors import CancelledError, NoPancreasError, PancreasSegError
from PancreasSegLib.progress import ProgressEvent
from PancreasSegLib.volume import Box, Geometry
from PancreasSegPanel.work.segmentation_run import Job


def test_progress_arrives_and_the_run_ends_once(logic, client, add_ct, axial):
    seen, ended = [], []
    run = logic.start(Job(add_ct(axial)), ended.append, seen.append)
    assert logic.pending
    client.progress(ProgressEvent("segment", 0.5, 3.0))
    client.answer(reply(client.last.scan))
    logic.poll()
    assert [event.fraction for event in seen] == [0.5]
    assert ended == [run]
    logic.poll()
    assert not logic.pending
    assert run.measurement.confidence == 0.81
    assert run.measurement.notes == ["The model is unsure."]


def test_cancel_frees_the_run_at_once_and_nothing_is_written(logic, client, add_ct, axial, scene):
    ended = []
    run = logic.start(Job(add_ct(axial)), ended.append)
    logic.cancel(run)
    assert ended == [run]  # before any poll
    assert run.cancelled and isinstance(run.error, CancelledError)
    client.answer(reply(client.last.scan))  # too late
    logic.poll()
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    logic.poll()
    assert not logic.pending


def test_an_error_of_the_worker_is_handed_on(logic, client, add_ct, axial):
    run = logic.start(Job(add_ct(axial)))
    client.fail(NoPancreasError("The scan shows a head.", "Use a scan of the abdomen."))
    logic.poll()
    assert run.error.message == "The scan shows a head."
    assert not run.cancelled


def test_an_error_while_writing_leaves_no_half_result(logic, client, add_ct, axial, scene, monkeypatch):
    import PancreasSegPanel.work.segmentation_run as module

    def broken(*_arguments):
        raise ValueError("broken\nin two lines")

    monkeypatch.setattr(module, "write_segments", broken)
    run = logic.start(Job(add_ct(axial)))
    client.answer(reply(client.last.scan))
    logic.poll()
    assert run.done and run.segmentation is None
    assert "Traceback" not in str(run.error) and "in two lines" not in str(run.error)
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_what_is_no_ct_starts_nothing(logic, client, scene):
    from PancreasSegLib.volume import Volume
    from PancreasSegPanel.scene.volume_node import add_volume

    mr = Volume(
        np.random.default_rng(0).integers(0, 900, (32, 36, 40)).astype(np.int16), Geometry((40, 36, 32), (3, 3, 4))
    )
    with pytest.raises(PancreasSegError, match="does not look like a CT"):
        logic.start(Job(add_volume(scene, mr, "MR")))
    assert not client.requests and not logic.runs


def test_a_ct_removed_meanwhile_ends_its_run_only(logic, client, add_ct, axial, scene):
    first, second = add_ct(axial, "first"), add_ct(axial, "second")
    runs = [logic.start(Job(first)), logic.start(Job(second))]
    key = client.requests[0].scan.key
    scene.RemoveNode(first)
    logic.node_removed(first)
    assert runs[0].done and "removed" in runs[0].error.message
    assert key in client.released
    client.answer(reply(client.requests[1].scan), client.requests[1])
    logic.poll()
    assert runs[1].segmentation is not None


def test_a_ct_moved_meanwhile_is_not_given_a_mask_that_does_not_fit(logic, client, add_ct, axial, scene):
    ct = add_ct(axial)
    run = logic.start(Job(ct))
    move(scene, ct, (5.0, 0.0, 0.0))
    client.answer(reply(client.last.scan))
    logic.poll()
    assert "moved" in run.error.message
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_closing_the_scene_ends_everything_and_keeps_the_worker(logic, client, add_ct, axial):
    ct = add_ct(axial)
    run = logic.start(Job(ct))
    logic.scene_closing()
    assert run.done and "scene was closed" in run.error.message
    assert client.last.scan.key in client.released
    assert not client.closed
    logic.poll()
    assert not logic.pending


def test_an_output_deleted_meanwhile_does_not_lose_the_result(logic, client, add_ct, axial, scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "gone")
    run = logic.start(Job(add_ct(axial), node))
    scene.RemoveNode(node)
    client.answer(reply(client.last.scan))
    logic.poll()
    assert run.segmentation is not None and run.segmentation is not node


def test_the_same_content_keeps_its_key_and_a_new_one_releases_it(logic, client, add_ct, axial):
    ct = add_ct(axial)
    logic.start(Job(ct))
    logic.start(Job(ct))
    first, second = (request.scan.key for request in client.requests)
    assert first == second and not client.released
    ct.GetImageData().GetPointData().GetScalars().Modified()
    logic.start(Job(ct))
    assert client.last.scan.key != first
    assert client.released == [first]


def test_the_region_reaches_the_worker_as_voxels(logic, client, add_ct, grid, scene):
    from PancreasSegPanel.scene.region_node import show_region

    ct = add_ct(grid)
    region = show_region(scene, ct, BOX, grid)
    logic.start(Job(ct, region=region))
    assert client.last.options["roi"] == BOX


def test_a_confidence_map_has_the_probability_and_its_place(logic, client, add_ct, grid, scene):
    from PancreasSegPanel.scene.ct_node import geometry_of, voxels_of

    ct = add_ct(grid)
    run = logic.start(Job(ct, confidence_map=True))
    assert client.last.options["probability"]
    answer = reply(client.last.scan)
    client.answer(answer)
    logic.poll()
    made = run.confidence_map
    assert geometry_of(made).matches(answer.probability["pancreas"].geometry)
    assert np.allclose(voxels_of(made), answer.probability["pancreas"].voxels)
    logic.start(Job(ct, confidence_map=True))
    client.answer(reply(client.last.scan))
    logic.poll()
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 2  # filled again, not added


def test_a_script_waits_and_the_application_stays_alive(scene, client, add_ct, axial):
    from PancreasSegPanel.logic import PanelLogic

    turns = []

    def process_events():
        turns.append(threading.current_thread())
        if len(turns) == 3:
            client.answer(reply(client.last.scan))

    logic = PanelLogic(lambda: client, process_events)
    node = logic.segment(add_ct(axial))
    assert node.IsA("vtkMRMLSegmentationNode")
    assert len(turns) >= 3
    assert logic.measurement(node).volume_ml > 0


def test_a_script_gets_the_error(scene, client, add_ct, axial):
    from PancreasSegPanel.logic import PanelLogic

    logic = PanelLogic(lambda: client, lambda: client.fail(NoPancreasError("None found.")))
    with pytest.raises(NoPancreasError, match="None found"):
        logic.segment(add_ct(axial))


def test_background_work_runs_elsewhere_and_answers_here(logic):
    seen = []
    logic.jobs.do(threading.current_thread, lambda job: seen.append((job.result, threading.current_thread())))
    logic.jobs.do(lambda: 1 / 0, lambda job: seen.append(job.error))
    end = time.monotonic() + 5
    while logic.pending and time.monotonic() < end:
        logic.poll()
        time.sleep(0.01)
    (worker, here), error = seen
    assert worker is not here and here is threading.main_thread()
    assert "ZeroDivisionError" in error.message


def test_closing_ends_the_worker_and_the_next_job_makes_a_new_one(scene, add_ct, axial):
    import fake_worker

    from PancreasSegPanel.logic import PanelLogic

    made = []

    def make():
        made.append(fake_worker.FakeClient())
        return made[-1]

    logic = PanelLogic(make)
    assert not made  # nothing starts before the first job
    ct = add_ct(axial)
    run = logic.start(Job(ct))
    logic.close()
    assert made[0].closed and run.cancelled and not logic.pending
    logic.start(Job(ct))
    assert len(made) == 2


@pytest.mark.parametrize("box", [BOX, Box((0, 0, 0), (40, 36, 32)), Box((3, 4, 5), (4, 5, 6))])
def test_a_region_that_was_not_moved_gives_the_same_box(scene, add_ct, grid, box):
    from PancreasSegPanel.scene.region_node import box_of_region, show_region

    ct = add_ct(grid)
    move(scene, ct, (10.0, -20.0, 30.0))
    from PancreasSegPanel.scene.ct_node import geometry_of

    world = geometry_of(ct)
    region = show_region(scene, ct, box, world)
    assert box_of_region(region, world) == box
    assert show_region(scene, ct, BOX, world, region) is region
    assert box_of_region(region, world) == BOX


def test_a_region_elsewhere_is_refused_and_a_larger_one_clipped(scene, add_ct, axial):
    from PancreasSegLib.errors import RegionError
    from PancreasSegPanel.scene.region_node import box_of_region, show_region

    region = show_region(scene, add_ct(axial), BOX, axial)
    region.SetSize(2000.0, 2000.0, 2000.0)
    assert box_of_region(region, axial) == Box.whole(axial)
    region.SetSize(10.0, 10.0, 10.0)
    region.SetCenter(5000.0, 0.0, 0.0)
    with pytest.raises(RegionError, match="outside"):
        box_of_region(region, axial)


def test_a_turned_region_is_covered(scene, add_ct, axial):
    import vtk

    from PancreasSegPanel.scene.region_node import box_of_region, show_region

    region = show_region(scene, add_ct(axial), BOX, axial)
    turn = vtk.vtkMatrix4x4()
    turn.DeepCopy(region.GetObjectToNodeMatrix())
    rotation = vtk.vtkTransform()
    rotation.SetMatrix(turn)
    rotation.RotateZ(30)
    region.SetAndObserveObjectToNodeMatrix(rotation.GetMatrix())
    box = box_of_region(region, axial)
    assert box.size_ijk[0] > BOX.size_ijk[0] and box.size_ijk[2] == BOX.size_ijk[2]
