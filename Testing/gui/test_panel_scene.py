"""The scene closes, opens, loses nodes; the module is left, reloaded, unloaded: nothing is broken."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest
from panel_in_host import BOX, body, reply

from PancreasSegLib.volume import Box

pytest_plugins = ["panel_in_host"]  # its fixtures


def test_closing_the_scene_half_way_leaves_an_idle_panel(user, add_ct, axial, host):
    add_ct(axial)
    user.open()
    host.click("segmentButton")
    request = user.asked("segment")
    host.close_scene()
    assert not user.can_segment  # there is no CT
    assert not user.enabled("cancelButton")[0]
    assert not host.find("progressBar").isVisible()
    assert "scene was closed" in user.status
    user.client.answer(reply(request.scan), request)  # too late
    host.process_events(lambda: request.done, 5)
    assert not user.segmentations()
    assert request.scan.key in user.client.released
    add_ct(axial)
    host.set_node("inputVolumeSelector", host.scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"))
    user.segment()
    assert len(user.segmentations()) == 1


def test_a_ct_deleted_half_way(user, add_ct, axial, host):
    first, second = add_ct(axial, "first"), add_ct(axial, "second")
    user.open()
    host.click("segmentButton")
    request = user.asked("segment")
    host.scene.RemoveNode(first)
    host.process_events()
    assert "was removed" in user.status
    assert not user.enabled("cancelButton")[0]
    user.client.answer(reply(request.scan), request)
    host.process_events(lambda: request.done, 5)
    assert not user.segmentations()
    host.set_node("inputVolumeSelector", second)
    user.segment()
    assert len(user.segmentations()) == 1


def test_the_scene_is_saved_and_reopened_with_choices_result_and_figures(user, add_ct, axial, host, tmp_path):
    add_ct(axial, "Schädel und Bauch")
    user.open()
    host.find("smoothingSlider").value = 0.25
    user.segment()
    volume = user.table()["Volume (mL)"]
    path = tmp_path / "Größe" / "szene ä.mrb"
    path.parent.mkdir()
    host.save_scene(path)
    host.close_scene()
    assert host.find("resultsTable").columnCount == 0
    host.load_scene(path)
    (node,) = user.segmentations()
    assert host.find("outputSegmentationSelector").currentNode() is node
    assert host.find("inputVolumeSelector").currentNode().GetName() == "Schädel und Bauch"
    assert host.find("smoothingSlider").value == 0.25
    assert user.table()["Volume (mL)"] == volume
    assert user.enabled("jumpButton", "show3DButton", "undoButton") == [True, True, False]
    user.segment(box=Box((9, 13, 11), (15, 18, 15)))
    assert len(user.segmentations()) == 1
    assert node.GetSegmentation().GetNumberOfSegments() == 1  # the own segment was known again, and replaced
    assert user.table()["Volume (mL)"] != volume


def test_leaving_the_module_lets_the_run_go_on(user, add_ct, axial, host):
    add_ct(axial)
    user.open()
    host.click("segmentButton")
    request = user.asked("segment")
    host.leave_module()
    user.client.answer(reply(request.scan), request)
    host.process_events(lambda: request.done, 5)
    assert len(user.segmentations()) == 1
    host.enter_module()
    assert user.can_segment


def test_reloading_and_unloading_end_the_worker_and_the_timers(user, add_ct, axial, host):
    add_ct(axial)
    user.open()
    host.click("segmentButton")
    user.asked("segment")
    panel = user.panel
    host.widget.onReload()
    host.process_events()
    assert user.client.closed
    assert not panel.poller.timer.active
    assert host.widget.panel is not panel
    assert user.can_segment
    host.unload_module()
    add_ct(axial, "another")  # the old module's observers would raise
    host.close_scene()


def test_a_reloaded_panel_works_without_being_entered_anew(user, add_ct, axial, host):
    from PySide6.QtCore import Qt

    add_ct(axial)
    user.open()
    user.segment()
    host.reload_module()
    assert host.find("forecastLabel").text == "Preparing the forecast…"
    host.find("correctCollapsibleButton").collapsed = False
    host.press(Qt.Key_1)
    assert host.find("includeBrushButton").checked


def test_a_panel_reloaded_while_another_module_is_shown_stays_quiet(user, add_ct, axial, host):
    from PySide6.QtCore import Qt

    add_ct(axial)
    user.open()
    user.segment()
    host.leave_module()
    host.reload_module()
    assert not host.find("forecastLabel").text
    host.find("correctCollapsibleButton").collapsed = False
    host.press(Qt.Key_1)
    assert not host.find("includeBrushButton").checked


@pytest.mark.skipif(sys.platform != "linux", reason="the host's loop keeps the lock on Linux only")
def test_while_an_answer_is_awaited_the_threads_get_time_as_slicers_loop_gives_them_none(
    user, add_ct, axial, host
):
    host.keeps_gil = True
    add_ct(axial)
    user.open()
    assert user.asked("devices") and user.logic.pending
    steps, ended = [0], threading.Event()

    def work() -> None:
        while not ended.is_set():
            steps[0] += 1
            time.sleep(0)  # gives the lock away, as each slice did that was hashed

    thread = threading.Thread(target=work)
    thread.start()
    until = time.monotonic() + 1.0
    user.wait(lambda: time.monotonic() > until)
    ended.set()
    host.keeps_gil = False
    thread.join()
    assert steps[0] > 200  # one a tick would be 40


def test_the_timer_runs_until_the_worker_has_ended_what_was_given_up(user, add_ct, axial, host):
    add_ct(axial)
    user.open()
    user.answer("devices", [])
    user.client.state = "stopping"
    host.click("segmentButton")
    host.click("cancelButton")
    host.process_events()
    for request in [request for request in user.client.requests if not request.done]:  # a forecast
        user.client.cancel(request)
    user.wait(lambda: all(request.done for request in user.client.requests), 10)
    assert user.logic.pending
    user.client.state = "ready"
    user.wait(lambda: not user.panel.poller.timer.active, 10)


def test_the_module_keeps_one_wrapper_of_the_parameter_node(user, add_ct, axial, host):
    add_ct(axial)
    user.open()
    first = host.widget._parameters
    for _ in range(3):
        host.leave_module()
        host.enter_module()
    assert host.widget._parameters is first is host.widget.logic.getParameterNode()


def test_what_is_made_lies_with_its_ct_in_the_data_module(user, add_ct, axial, host):
    import slicer
    from PySide6.QtCore import Qt

    ct = add_ct(axial)
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.scene)
    study = tree.CreateStudyItem(tree.CreateSubjectItem(tree.GetSceneItemID(), "Patient"), "Study")
    tree.SetItemParent(tree.GetItemByDataNode(ct), study)
    user.open()
    host.widget.logic.getParameterNode().confidenceMap = True
    user.segment()
    host.click("proposeRegionButton")
    proposed = {"geometry": axial.to_json(), "box_ijk": BOX.to_json(), "volume_fraction": 0.2, "reasons": []}
    user.answer("propose_roi", proposed)
    host.press(Qt.Key_S)  # makes the marks
    kinds = ("vtkMRMLSegmentationNode", "vtkMRMLScalarVolumeNode", "vtkMRMLMarkupsROINode")
    made = [node for kind in kinds for node in slicer.util.getNodesByClass(kind) if node is not ct]
    assert len(made) == 4, [node.GetName() for node in made]
    assert {tree.GetItemParent(tree.GetItemByDataNode(node)) for node in made} == {study}


def test_a_choice_made_in_python_is_shown(user, add_ct, axial, host):
    add_ct(axial, "first")
    second = add_ct(axial, "second")
    user.open()
    parameters = host.widget.logic.getParameterNode()
    parameters.inputVolume = second
    parameters.device = "cpu"
    host.process_events()
    assert host.find("inputVolumeSelector").currentNode() is second
    assert host.find("deviceComboBox").currentText == "CPU"
    parameters.model = "of a colleague"
    host.process_events()
    assert "of a colleague" in host.find("modelComboBox").currentText
    assert not user.can_segment
    assert "not on this computer" in host.find("segmentButton").toolTip


def test_a_script_through_the_modules_logic(user, add_ct, axial, host):
    import slicer
    from PySide6.QtCore import QTimer

    ct = add_ct(axial)
    user.open()
    logic = slicer.util.getModuleLogic("PancreasSeg")
    QTimer.singleShot(50, lambda: user.client.answer(reply(user.asked("segment").scan), user.asked("segment")))
    node = logic.segment(ct)
    assert logic.measurement(node).label == "pancreas"


def test_the_batch_over_all_loaded_cts(user, add_ct, axial, host):
    for name in ("a", "b"):
        add_ct(axial, name)
    user.open()
    user.segment()  # a is done
    host.find("batchCollapsibleButton").collapsed = False
    host.process_events()
    host.click("batchLoadedButton")
    assert user.enabled("segmentButton", "batchCancelButton", "batchFolderButton") == [False, True, False]
    assert user.table("batchTable")["a"][0] == "done before"
    assert user.table("batchTable")["b"][0].startswith("running")
    user.answer("segment", reply(user.asked("segment").scan))
    assert user.table("batchTable")["b"][0] == "done"
    assert user.status == "Batch of 2: 1 done, 1 done before."
    assert user.can_segment
    assert host.find("resultsTable").columnCount == 2


def test_the_batch_over_a_folder_is_stopped_and_resumed(user, axial, host, tmp_path):
    from PancreasSegLib.io import write_volume

    folder = tmp_path / "Scans für Müller"
    folder.mkdir()
    for name in ("a.nii.gz", "b.nii.gz"):
        write_volume(folder / name, body(axial))
    user.open()
    host.find("batchCollapsibleButton").collapsed = False
    host.process_events()
    host.dialogs.paths.append(str(folder))
    host.click("batchFolderButton")
    user.answer("segment", reply(user.asked("segment").scan))
    second = user.asked("segment")
    host.click("batchCancelButton")
    assert [row[0] for row in user.table("batchTable").values()] == ["done", "stopped"]
    assert user.can_segment is False  # no CT is loaded
    host.process_events(lambda: second.done, 5)
    host.dialogs.paths.append(str(folder))
    host.click("batchFolderButton")
    user.answer("segment", reply(user.asked("segment").scan))
    user.wait(lambda: user.status.startswith("Batch of 2"), 20)
    assert [row[0] for row in user.table("batchTable").values()] == ["done before", "done"]
    masks = sorted(path.name for path in (folder / "pancreasseg").glob("*.seg.nrrd"))
    assert masks == ["a_pancreas.seg.nrrd", "b_pancreas.seg.nrrd"]
    import slicer
    from fake_worker import blob

    from PancreasSegPanel.scene.oriented_image import array_of

    loaded = slicer.util.loadSegmentation(str(folder / "pancreasseg" / masks[0]))
    segment = loaded.GetSegmentation().GetNthSegment(0)
    assert segment.GetName().lower() == "pancreas"
    voxels = array_of(segment.GetRepresentation("Binary labelmap"))
    assert np.count_nonzero(voxels == segment.GetLabelValue()) == np.count_nonzero(blob(axial, BOX))


def test_the_sample_data_is_offered(user, host, monkeypatch):
    import sys
    import types

    offered = []
    module = types.ModuleType("SampleData")
    module.SampleDataLogic = types.SimpleNamespace(
        registerCustomSampleDataSource=lambda **given: offered.append(given)
    )
    monkeypatch.setitem(sys.modules, "SampleData", module)
    user.open()
    entry = offered[-1]
    assert entry["category"] == "PancreasSeg" and entry["checksums"].startswith("SHA256:")
    assert entry["loadFileType"] == "VolumeFile"
