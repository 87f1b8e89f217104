"""The form: what can be clicked when, what is said, what the keyboard does."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from panel_in_host import BOX, reply

from PancreasSegLib.errors import NoPancreasError
from PancreasSegLib.progress import ProgressEvent
from PancreasSegLib.volume import Box, Volume

pytest_plugins = ["panel_in_host"]  # its fixtures


def forecast(sentence="Forecast: 1 to 3 s."):
    return {"seconds": 2.0, "sentence": sentence}


def proposal(geometry, box=BOX):
    where = {"box_ijk": box.to_json(), "geometry": geometry.to_json()}
    return where | {"volume_fraction": 0.1, "reasons": ["Lungs."]}


def test_the_first_look_without_a_ct(user):
    user.open()
    assert not user.can_segment
    assert user.host.find("segmentButton").toolTip == "Choose a CT."
    assert not user.host.find("installFrame").isVisible()
    assert user.host.find("modelComboBox").currentText.startswith("Default (version")


def test_a_ct_is_described_and_what_is_none_is_refused_at_once(user, add_ct, axial, host):
    from PancreasSegPanel.scene.volume_node import add_volume

    ct = add_ct(axial)
    mr = add_volume(host.scene, Volume(np.arange(46080).reshape(32, 36, 40).astype(np.int16) % 900, axial), "MR")
    user.open()
    assert host.find("inputVolumeSelector").currentNode() is ct
    assert "40 × 36 × 32 voxels" in host.find("inputCheckLabel").text
    assert user.can_segment
    host.set_node("inputVolumeSelector", mr)
    assert "does not look like a CT" in host.find("inputCheckLabel").text
    assert not user.can_segment
    host.set_node("inputVolumeSelector", ct)
    assert user.can_segment


def test_segment_shows_progress_and_a_result(user, add_ct, axial, host):
    ct = add_ct(axial, "Übungs-CT")
    user.open()
    host.click("segmentButton")
    request = user.asked("segment")
    assert user.enabled("segmentButton", "cancelButton", "proposeRegionButton", "batchLoadedButton") == [
        False,
        True,
        False,
        False,
    ]
    assert host.find("progressBar").isVisible()
    user.client.progress(ProgressEvent("segment", 0.42, 12.0), request)
    user.wait(lambda: host.find("progressBar").value == 42, 5)
    assert user.status == "Outlining the pancreas, about 12 s left"
    user.answer("segment", reply(request.scan))
    assert user.status.startswith("Pancreas: ") and "The model is unsure." in user.status
    assert user.enabled("segmentButton", "cancelButton", "undoButton", "copyResultsButton") == [
        True,
        False,
        True,
        True,
    ]
    assert not host.find("progressBar").isVisible()
    (node,) = user.segmentations()
    assert host.find("outputSegmentationSelector").currentNode() is node
    assert host.find("resultsTable").horizontalHeaderItem(0).text() == "Übungs-CT"
    assert user.table()["Confidence"] == ["0.81"]
    assert node.GetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole()) == ct.GetID()


def test_the_slices_go_to_the_organ_and_show_the_ct(user, add_ct, axial, host):
    import slicer

    ct = add_ct(axial)
    user.open()
    user.segment()
    shown = host.scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode").GetBackgroundVolumeID()
    assert shown == ct.GetID()
    node = user.segmentations()[0]
    centre = node.GetSegmentCenterRAS("Pancreas")
    axial_view = host.scene.GetNodeByID("vtkMRMLSliceNodeRed")
    assert abs(axial_view.GetSliceToRAS().GetElement(2, 3) - centre[2]) < axial.spacing_mm[2]
    slicer.vtkMRMLSliceNode.JumpAllSlices(host.scene, 0.0, 0.0, 0.0)
    host.click("jumpButton")
    assert abs(axial_view.GetSliceToRAS().GetElement(2, 3) - centre[2]) < axial.spacing_mm[2]


def test_cancel_by_click_frees_the_panel_at_once(user, add_ct, axial, host):
    add_ct(axial)
    user.open()
    host.click("segmentButton")
    host.click("cancelButton")
    assert user.can_segment
    assert user.status.startswith("Cancelled")
    assert not user.segmentations()


def test_the_keyboard_alone_is_enough(user, add_ct, axial, host):
    from PySide6.QtCore import Qt

    add_ct(axial)
    user.open()
    host.find("modelComboBox").setFocus()
    host.press(Qt.Key_Return, Qt.ControlModifier)
    user.asked("segment")
    assert not user.can_segment
    host.find("cancelButton").setFocus()
    host.press(Qt.Key_Escape)
    assert user.can_segment
    host.find("segmentButton").setFocus()
    host.press(Qt.Key_Space)
    user.asked("segment")


def test_mnemonics_are_unique_and_everything_explains_itself(user, host):
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel

    user.open()
    form = host.find("inputsCollapsibleButton").parent
    form = form() if callable(form) else form
    keys: dict[str, str] = {}
    for widget in [*form.findChildren(QAbstractButton), *form.findChildren(QLabel)]:
        text = widget.text.replace("&&", "")
        if "&" in text:
            key = text[text.index("&") + 1].lower()
            assert key not in keys, f"Alt+{key} is on {keys.get(key)} and on {widget.objectName}"
            assert key not in "fevh", f"Alt+{key} opens a menu of Slicer"
            keys[key] = widget.objectName
    for name in ("c", "o", "m", "d", "g", "s"):
        assert name in keys
    from PySide6.QtWidgets import QPushButton

    for widget in [*form.findChildren(QPushButton), *form.findChildren(QComboBox)]:
        if widget.objectName.endswith(("Button", "ComboBox")) and not widget.objectName.startswith("qt_"):
            assert widget.toolTip, f"{widget.objectName} has no tool tip"


def test_the_tab_key_goes_through_the_form_from_top_to_bottom(user, add_ct, axial, host):
    from itertools import pairwise
    from xml.etree import ElementTree

    from panel_in_host import PROJECT

    add_ct(axial)
    user.open()
    form = ElementTree.parse(PROJECT / "Resources" / "UI" / "PancreasSeg.ui")
    stops = [stop.text for stop in form.iter("tabstop")]
    assert len(stops) == len(set(stops)) > 20
    seen = [name for name in stops if host.find(name).isVisible() and host.find(name).enabled]
    places = [host.find(name).mapToGlobal(host.find(name).rect.topLeft()) for name in seen]
    rows = [place.y() for place in places]
    assert all(after > before - 12 for before, after in pairwise(rows)), list(zip(seen, rows, strict=True))


def test_an_error_is_one_sentence_in_the_status_line(user, add_ct, axial, host):
    add_ct(axial)
    user.open()
    host.click("segmentButton")
    user.answer("segment", error=NoPancreasError("The scan shows a head.", "Use a scan of the abdomen."))
    assert user.status == "The scan shows a head. Use a scan of the abdomen."
    assert user.can_segment
    assert not host.message_boxes


def test_the_forecast_is_asked_once_per_choice_and_never_piles_up(user, add_ct, axial, host):
    add_ct(axial)
    user.open()
    first = user.asked("forecast")
    host.find("deviceComboBox").currentIndex = 1
    host.process_events()
    user.client.answer(forecast("Old."), first)
    second_asked = lambda: [r for r in user.client.requests if r.method == "forecast" and r is not first]  # noqa: E731
    user.wait(second_asked, 5)
    assert host.find("forecastLabel").text != "Old."
    (second,) = second_asked()
    assert second.options["device"] == "cpu"
    user.client.answer(forecast("New."), second)
    user.wait(lambda: host.find("forecastLabel").text == "New.", 5)
    assert not user.logic.pending or [r.method for r in user.client.requests if not r.done] == ["devices"]


def test_devices_are_listed_and_a_choice_reaches_the_worker(user, add_ct, axial, host):
    add_ct(axial)
    user.open()
    user.answer(
        "devices",
        [
            {"name": "auto", "label": "Automatic (CPU, 2 cores of Some(R) Processor, 6.1 GB free)"},
            {"name": "cuda:0", "label": "GPU, 10.2 GB free"},
        ],
    )
    combo = host.find("deviceComboBox")
    assert [combo.itemText(i) for i in range(combo.count)] == [
        "Automatic (CPU, 2 cores, 6.1 GB free)",
        "GPU, 10.2 GB free",
    ]
    combo.currentIndex = 1
    host.click("segmentButton")
    assert user.asked("segment").options["device"] == "cuda:0"


def test_a_proposed_region_can_be_moved_and_is_used(user, add_ct, axial, host):
    import slicer

    add_ct(axial)
    user.open()
    host.click("proposeRegionButton")
    assert user.enabled("segmentButton", "cancelButton") == [False, True]
    user.answer("propose_roi", proposal(axial))
    region = host.find("regionSelector").currentNode()
    assert region is slicer.util.getNodesByClass("vtkMRMLMarkupsROINode")[0]
    assert "10%" in user.status
    host.click("segmentButton")
    assert user.asked("segment").options["roi"] == BOX
    host.click("cancelButton")
    centre = list(region.GetCenter())
    region.SetCenter(centre[0] - 3.0, centre[1], centre[2])  # one voxel to the left
    host.click("segmentButton")
    moved = user.asked("segment").options["roi"]
    assert moved.lower_ijk == (BOX.lower_ijk[0] + 1, *BOX.lower_ijk[1:])
    host.click("cancelButton")
    host.click("proposeRegionButton")
    user.answer("propose_roi", proposal(axial))
    assert len(slicer.util.getNodesByClass("vtkMRMLMarkupsROINode")) == 1
    host.set_node("regionSelector", None)
    host.click("segmentButton")
    assert user.asked("segment").options["roi"] == "auto"


def test_cancelling_a_proposal(user, add_ct, axial, host):
    import slicer

    add_ct(axial)
    user.open()
    host.click("proposeRegionButton")
    request = user.asked("propose_roi")
    host.click("cancelButton")
    assert user.can_segment and user.status == "Cancelled."
    user.client.answer(proposal(axial), request)
    host.process_events(lambda: request.done, 5)
    assert not slicer.util.getNodesByClass("vtkMRMLMarkupsROINode")


def test_several_cts_in_turn_keep_their_own_results(user, add_ct, axial, host):
    first, second = add_ct(axial, "first"), add_ct(axial, "second")
    user.open()
    user.segment()
    mine = user.segmentations()[0]
    host.set_node("inputVolumeSelector", second)
    assert host.find("outputSegmentationSelector").currentNode() is None
    user.segment(box=Box((9, 13, 11), (15, 18, 15)))
    assert len(user.segmentations()) == 2
    assert host.find("resultsTable").columnCount == 2
    host.set_node("inputVolumeSelector", first)
    assert host.find("outputSegmentationSelector").currentNode() is mine
    user.segment()
    assert len(user.segmentations()) == 2


def test_the_region_of_another_ct_is_never_used(user, add_ct, axial, host):
    first, second = add_ct(axial, "first"), add_ct(axial, "second")
    user.open()
    host.click("proposeRegionButton")
    user.answer("propose_roi", proposal(axial))
    own = host.find("regionSelector").currentNode()
    host.set_node("inputVolumeSelector", second)
    assert host.find("regionSelector").currentNode() is None
    host.set_node("inputVolumeSelector", first)
    assert host.find("regionSelector").currentNode() is None  # Automatic stays until the user chooses
    assert own.GetScene() is host.scene


def test_a_labelmap_is_not_taken_for_the_first_ct(user, add_ct, axial, host):
    labels = host.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    ct = add_ct(axial)
    user.open()
    assert labels is not None
    assert host.find("inputVolumeSelector").currentNode() is ct


def test_undo_takes_back_the_result(user, add_ct, axial, host):
    add_ct(axial)
    user.open()
    user.segment()
    host.click("undoButton")
    assert not user.segmentations()
    assert user.enabled("undoButton", "jumpButton", "show3DButton") == [False, False, False]
    assert host.find("resultsTable").columnCount == 0


def test_one_step_of_the_segment_editors_undo(user, add_ct, axial, host):
    import slicer

    add_ct(axial)
    node = host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "organs")
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    settings = host.scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor.setMRMLSegmentEditorNode(settings)
    editor.setSegmentationNode(node)
    user.open()
    host.set_node("outputSegmentationSelector", node)
    user.segment()
    assert node.GetSegmentation().GetNumberOfSegments() == 1
    editor.undo()
    assert node.GetSegmentation().GetNumberOfSegments() == 0


def test_the_table_is_copied_and_exported(user, add_ct, axial, host, tmp_path):
    import slicer

    add_ct(axial, "Jäger")
    user.open()
    user.segment()
    host.click("copyResultsButton")
    assert "Volume (mL)\t" in slicer.app.clipboard().text()
    path = tmp_path / "Ergebnisse für Jäger.csv"
    host.dialogs.paths.append(str(path))
    host.click("exportResultsButton")
    (row,) = csv.DictReader(path.read_text("utf-8-sig").splitlines())
    assert row["ct"] == "Jäger" and float(row["confidence"]) == pytest.approx(0.81)
    host.dialogs.paths.append("")
    host.click("exportResultsButton")  # given up
    host.dialogs.paths.append(str(tmp_path / "no" / "such" / "folder.csv"))
    host.click("exportResultsButton")
    assert "cannot be used" in host.message_boxes[-1].text


def test_the_surface_is_shown_smoothed_and_hidden(user, add_ct, axial, host):
    add_ct(axial)
    user.open()
    user.segment()
    node = user.segmentations()[0]
    host.click("show3DButton")
    surface = node.GetSegmentation().GetSegment("Pancreas").GetRepresentation("Closed surface")
    assert surface.GetNumberOfPoints() > 0
    rough = surface.GetBounds()
    host.find("smoothingSlider").value = 0.0

    def smoothed():
        return (
            node.GetSegmentation().GetSegment("Pancreas").GetRepresentation("Closed surface").GetBounds() != rough
        )

    assert not smoothed()  # not while the slider may still move
    user.wait(smoothed, 5)
    host.click("show3DButton")
    assert not node.GetSegmentation().ContainsRepresentation("Closed surface")


def test_the_confidence_map_is_made_when_wanted(user, add_ct, axial, host):
    import slicer

    add_ct(axial)
    user.open()
    host.click("confidenceMapCheckBox")
    user.segment()
    names = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    assert names == ["CT", "CT pancreas confidence"]
