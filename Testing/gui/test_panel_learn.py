"""*Learn from marks* in the form: by button and key, with its progress, cancelled, previewed and taken back."""

from __future__ import annotations

import numpy as np
import pytest
from reader import GRID, Reader

from PancreasSegLib.errors import ModelPackageError, WorkerError
from PancreasSegLib.progress import ProgressEvent
from PancreasSegLib.volume import Box

pytest_plugins = ["panel_in_host"]  # its fixtures


@pytest.fixture
def reader(user):
    return Reader(user.host, user.client)


@pytest.fixture
def drawn(reader):
    """Load, segment, and draw a line with Include."""
    reader.start()
    reader.take("include")
    draw(reader)
    return reader


def draw(reader, row=31):
    reader.draw("Red", reader.way((36, row, 19), (46, row, 19)))


def key_l(host):
    from PySide6.QtCore import Qt

    host.press(Qt.Key_L)


def button(host):
    found = host.find("learnButton")
    return found.text, bool(found.enabled)


def get_on(reader, event):
    """The worker tells how far it is."""
    reader.client.progress(event, reader.lesson())
    reader.wait(lambda: reader.lesson().progress is event, 10)
    reader.host.process_events()


def fail(reader, error, times=1):
    for _ in range(times):
        request = reader.lesson()
        reader.client.fail(error, request)
        reader.wait(lambda request=request: request.done, 10)
        reader.host.process_events()


def test_it_can_be_clicked_when_something_is_marked(reader, host):
    reader.start(segment=False)
    assert button(host) == ("Learn from marks", False)
    reader.find_half()
    assert button(host) == ("Learn from marks", False)
    key_l(host)
    assert reader.told.startswith("Nothing is marked to learn from.") and reader.lesson() is None
    reader.take("include")
    draw(reader)
    assert button(host) == ("Learn from marks", True)
    host.click("undoCorrectionButton")
    assert button(host) == ("Learn from marks", False)
    host.click("redoCorrectionButton")
    host.click("clearMarksButton")
    assert button(host) == ("Learn from marks", False)
    painted = reader.now()
    painted[18:21, 26:32, 40:46] = True
    reader.edit(painted)
    assert button(host) == ("Learn from marks", True)


@pytest.mark.parametrize("by", ["button", "key"])
def test_it_outlines_the_organ_anew_and_is_one_step(drawn, host, by):
    before, marks = drawn.now(), drawn.marked("Include")
    key_l(host) if by == "key" else host.click("learnButton")
    assert drawn.told == "Learning this patient from the marks…" and button(host) == ("Cancel learning", True)
    assert (drawn.now() == before).all()
    request = drawn.lesson()
    drawn.let_learn()
    after = drawn.now()
    assert (after == drawn.as_learnt(request)).all() and (after & ~before).any() and (before & ~after).any()
    assert (drawn.marked("Include") == marks).all() and after[marks].all()
    assert drawn.told.startswith("Learnt from the marks: ") and "mL added" in drawn.told
    assert "mL removed" in drawn.told and "next doubtful slice" in drawn.told
    assert button(host) == ("Learn from marks", True)
    host.click("undoCorrectionButton")
    assert (drawn.now() == before).all() and (drawn.marked("Include") == marks).all()
    host.click("redoCorrectionButton")
    assert (drawn.now() == after).all()
    draw(drawn, 34)
    stroke = [asked for asked in drawn.client.requests if asked.method == "refine"][-1]
    assert stroke.options["state"].probability is request.result.probability


def test_how_far_it_is_stands_below_the_tools(drawn, host):
    host.click("learnButton")
    for event, told in (
        (ProgressEvent("load", 0.02, 40.0), "Learning this patient from the marks, 2 %…"),
        (ProgressEvent("learn", 0.4, 5.0), "Learning this patient from the marks, 40 %, about 5 s left…"),
        (ProgressEvent("segment", 0.9, None), "Learning this patient from the marks, 90 %…"),
    ):
        get_on(drawn, event)
        assert drawn.told == told
    drawn.let_learn()
    host.click("learnButton")
    assert drawn.told == "Learning this patient from the marks…"  # it begins from nothing


def test_model_and_device_are_those_of_the_form(drawn, host):
    parameters = host.widget.logic.getParameterNode()
    parameters.model, parameters.device = "another", "cpu"
    host.process_events()
    host.click("learnButton")
    assert [drawn.lesson().options[name] for name in ("model", "device")] == ["another", "cpu"]
    fail(drawn, ModelPackageError("The model another is not here.", "Choose another one."))
    assert "The model another is not here. Choose another one." in drawn.told and "Retry" in drawn.told
    parameters.model = "default"
    host.process_events()
    host.click("updateButton")
    assert drawn.lesson().options["model"] == "default"
    drawn.let_learn()
    assert drawn.told.startswith("Learnt from the marks")


def test_cancelled_by_its_button_it_leaves_all_as_it_was(drawn, host):
    before = drawn.now()
    host.click("learnButton")
    request = drawn.lesson()
    get_on(drawn, ProgressEvent("learn", 0.4, 5.0))
    host.click("learnButton")
    assert drawn.client.cancelled == [request]
    assert "cancelled" in drawn.told and button(host) == ("Learn from marks", True)
    drawn.client.teach(request)
    drawn.wait(lambda: request.done, 10)
    host.process_events()
    assert (drawn.now() == before).all()
    draw(drawn, 34)
    assert (drawn.now() != before).any() and "mL added" in drawn.told
    host.click("learnButton")
    drawn.let_learn()
    assert drawn.told.startswith("Learnt from the marks")


def test_the_key_pressed_again_gives_nothing_up_and_asks_nothing(drawn, host):
    key_l(host)
    request = drawn.lesson()
    key_l(host)
    assert not drawn.client.cancelled and drawn.lesson() is request and drawn.session.queued == 1


def test_a_line_drawn_meanwhile_waits_and_is_corrected_after_it(drawn, host):
    host.click("learnButton")
    request = drawn.lesson()
    way = drawn.way((36, 36, 19), (46, 36, 19))
    host.mouse.drag("Red", way)
    host.process_events()
    line, _ = drawn.under("Red", way, 2.5)
    assert drawn.marked("Include")[line].all() and not drawn.waiting()
    assert drawn.told.startswith("Learning") and button(host) == ("Cancel learning", True)
    drawn.client.teach(request)
    drawn.wait(drawn.waiting, 10)
    after = drawn.now()
    assert (after == drawn.as_learnt(request)).all() and drawn.told == "Correcting…"
    drawn.let_correct()
    assert drawn.now()[line].all()
    host.click("undoCorrectionButton")
    assert (drawn.now() == after).all()


def test_it_waits_for_a_line_that_is_corrected(drawn, host):
    host.mouse.drag("Red", drawn.way((36, 36, 19), (46, 36, 19)))
    host.click("learnButton")
    assert drawn.told == "Correcting…" and button(host) == ("Cancel learning", True) and drawn.lesson() is None
    drawn.let_correct()
    assert drawn.told.startswith("Learning")
    drawn.let_learn()
    assert drawn.told.startswith("Learnt from the marks")


def test_a_worker_that_dies_is_told_and_asked_again(drawn, host):
    before = drawn.now()
    host.click("learnButton")
    fail(drawn, WorkerError("The worker stopped.", "Close other programs."), times=2)
    assert "The worker stopped." in drawn.told and "Retry" in drawn.told
    assert host.find("updateButton").text == "Retry" and button(host) == ("Cancel learning", True)
    assert (drawn.now() == before).all()
    host.click("updateButton")
    assert drawn.told.startswith("Learning")
    drawn.let_learn()
    assert (drawn.now() != before).any() and host.find("updateButton").text == "Update"


def test_a_failed_one_is_given_up_by_its_button(drawn, host):
    host.click("learnButton")
    fail(drawn, ModelPackageError("The model is broken."))
    host.click("learnButton")
    assert button(host) == ("Learn from marks", True) and "cancelled" in drawn.told
    assert host.find("updateButton").text == "Update" and not host.find("updateButton").enabled
    before = drawn.now()
    draw(drawn, 34)
    assert (drawn.now() != before).any()


def test_with_preview_it_is_accepted_or_rejected(drawn, host):
    from PySide6.QtCore import Qt

    before = drawn.now()
    host.click("previewCheckBox")
    for key, written in ((Qt.Key_R, False), (Qt.Key_A, True)):
        key_l(host)
        request = drawn.lesson()
        drawn.let_learn()
        assert (drawn.now() == before).all() and (drawn.marked("Preview") == drawn.as_learnt(request)).all()
        assert "Accept (A) or reject (R)" in drawn.told
        host.press(key)
        assert (drawn.now() == (drawn.as_learnt(request) if written else before)).all()
        assert not drawn.marked("Preview").any()
    host.click("undoCorrectionButton")
    assert (drawn.now() == before).all()


def test_a_completed_neighbour_keeps_every_voxel(drawn, host):
    import slicer

    from PancreasSegPanel.scene.oriented_image import oriented_image
    from PancreasSegPanel.scene.patient_axes import ras_from_geometry

    box = Box((14, 28, 17), (16, 35, 22))
    other = slicer.vtkSegment()
    other.SetName("Splenic vein")
    image = oriented_image(np.ones(box.size_ijk[::-1], np.uint8), box.lower_ijk, ras_from_geometry(GRID))
    other.AddRepresentation("Binary labelmap", image)
    drawn.node.GetSegmentation().AddSegment(other, "Vein")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(other, logic.Completed)
    vein = drawn.now("Vein")
    host.click("learnButton")
    assert (drawn.as_learnt(drawn.lesson()) & vein).any()
    drawn.let_learn()
    assert (drawn.now("Vein") == vein).all() and not (drawn.now() & vein).any()
    assert "Splenic vein" in drawn.told


def test_the_key_is_a_letter_in_a_text_field_and_gone_with_the_module(drawn, host):
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QShortcut
    from PySide6.QtWidgets import QLineEdit

    def keys():
        found = host.window.findChildren(QShortcut)
        return [s.key.toString() for s in found if s.parent() is host.window and s.enabled]

    field = QLineEdit(host.window)
    field.show()
    field.setFocus()
    host.press(Qt.Key_L)
    assert field.text == "l" and drawn.lesson() is None
    field.deleteLater()
    host.process_events()
    assert keys().count("L") == 1 and len(set(keys())) == len(keys())
    host.press(Qt.Key_L, name="learnButton")
    host.leave_module()
    assert "L" not in keys()
    before = drawn.now()
    drawn.let_learn()  # what was begun goes on
    assert (drawn.now() != before).any()
    host.enter_module()
    assert button(host) == ("Learn from marks", True) and drawn.told.startswith("Learnt from the marks")


def test_the_segmentation_removed_meanwhile(drawn, host):
    host.click("learnButton")
    request = drawn.lesson()
    host.scene.RemoveNode(drawn.node)
    host.process_events()
    assert request in drawn.client.cancelled and button(host) == ("Learn from marks", False)


def test_marks_of_a_scene_that_was_opened_can_be_learnt_from(drawn, host, tmp_path):
    import slicer

    path = tmp_path / "Größe.mrb"
    marks = drawn.marked("Include")
    host.save_scene(path)
    host.close_scene()
    assert button(host) == ("Learn from marks", False)
    host.load_scene(path)
    drawn.slices.ct = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[0]
    host.find("correctCollapsibleButton").collapsed = False
    host.process_events()
    assert button(host) == ("Learn from marks", True)
    host.click("learnButton")
    asked = drawn.lesson().options["state"]
    assert (asked.within(Box.whole(GRID))[1] == marks).all()
    drawn.let_learn()
    assert drawn.told.startswith("Learnt from the marks")
