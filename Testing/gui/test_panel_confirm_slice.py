"""*Confirm slice* in the form: the slice on the screen becomes a mark, the slices beside it follow."""

from __future__ import annotations

import numpy as np
import pytest
from reader import FOUND, GRID, ORGAN, Reader, inside

pytest_plugins = ["panel_in_host"]  # its fixtures


@pytest.fixture
def reader(user):
    return Reader(user.host, user.client)


def key_s(host):
    from PySide6.QtCore import Qt

    host.press(Qt.Key_S)


def mend(reader):
    """Mend the axial slice of the organ's middle with the Segment Editor."""
    mended = reader.now()
    mended[19] = inside(GRID, ORGAN)[19]
    reader.edit(mended)


def asked(reader):
    """The slices that the worker was asked to carry further: axis and number."""
    found = []
    for request in reader.client.requests:
        for mark in request.options.get("marks", ()):
            if mark.kind == "slice":
                axis = int(np.argmin(mark.box.size_ijk))
                found.append((axis, mark.box.lower_ijk[axis]))
    return found


def dice(mask, truth):
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


def test_after_painting_a_slice_s_lets_the_slices_beside_it_follow(reader, host):
    truth = inside(GRID, ORGAN)
    reader.start()
    mend(reader)
    assert "press S" in reader.told
    painted = reader.now()
    assert dice(painted[19], truth[19]) > 0.99
    key_s(host)
    assert reader.told == "Correcting…"
    reader.let_correct()
    after = reader.now()
    assert (after[19] == painted[19]).all() and asked(reader) == [(2, 19)]
    assert dice(after, truth) > dice(painted, truth) + 0.01
    assert "slice S 957.0 mm is confirmed" in reader.told and "next doubtful slice" in reader.told
    assert (reader.marked("Slices")[19] == painted[19]).all()
    host.click("undoCorrectionButton")
    assert (reader.now() == painted).all() and not reader.marked("Slices").any()
    host.click("redoCorrectionButton")
    assert (reader.now() == after).all()


@pytest.mark.parametrize(("view", "place"), [("Red", (2, 19)), ("Yellow", (0, 30)), ("Green", (1, 31))])
def test_the_slice_is_that_of_the_view_in_which_the_pointer_was_last(reader, host, view, place):
    reader.start()
    middle = reader.ras((30, 31, 19))
    reader.look_at(middle)
    for other in ("Green", "Red", "Yellow", view):
        host.mouse.move(other, middle)
    host.mouse.leave()  # to the button
    host.click("confirmSliceButton")
    reader.let_correct()
    assert asked(reader) == [place]


def test_without_a_pointer_it_is_the_view_of_the_cts_own_slices(reader, host):
    reader.start()
    host.click("confirmSliceButton")
    reader.let_correct()
    assert asked(reader) == [(2, 19)]


def test_paging_with_the_wheel_is_followed(reader, host):
    reader.start()
    reader.slices.node("Red").SetSliceOffset(reader.slices.node("Red").GetSliceOffset() + 3 * 3.0)
    key_s(host)
    reader.let_correct()
    assert asked(reader) == [(2, 22)]


@pytest.mark.parametrize(("angle", "taken"), [(2.0, True), (15.0, False)])
def test_a_turned_view_is_refused_and_told_what_to_do(reader, host, angle, taken):
    import vtk

    reader.start()
    host.mouse.move("Red", reader.edge())
    node = reader.slices.node("Red")
    turn = vtk.vtkTransform()
    turn.Concatenate(node.GetSliceToRAS())
    turn.RotateX(angle)
    node.GetSliceToRAS().DeepCopy(turn.GetMatrix())
    node.UpdateMatrices()
    before = reader.now()
    key_s(host)
    reader.let_correct()
    if taken:
        assert asked(reader) == [(2, 19)]
    else:
        assert not asked(reader) and (reader.now() == before).all()
        assert "Red is turned" in reader.told and "Rotate to volume plane" in reader.told


def test_a_slice_without_organ_is_told(reader, host):
    reader.start()
    reader.slices.node("Red").SetSliceOffset(reader.ras((0, 0, 35))[2])
    key_s(host)
    assert "no organ in this slice" in reader.told and "Page to the organ" in reader.told
    assert not reader.session.can_undo


def test_a_completed_neighbour_keeps_every_voxel(reader, host):
    import slicer

    from PancreasSegLib.volume import Box
    from PancreasSegPanel.scene.oriented_image import oriented_image
    from PancreasSegPanel.scene.patient_axes import ras_from_geometry

    reader.start()
    mend(reader)
    box = Box((38, 28, 20), (42, 35, 22))
    other = slicer.vtkSegment()
    other.SetName("Splenic vein")
    image = oriented_image(np.ones(box.size_ijk[::-1], np.uint8), box.lower_ijk, ras_from_geometry(GRID))
    other.AddRepresentation("Binary labelmap", image)
    reader.node.GetSegmentation().AddSegment(other, "Vein")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(other, logic.Completed)
    vein = reader.now("Vein")
    key_s(host)
    reader.let_correct()
    assert (reader.now("Vein") == vein).all() and not (reader.now() & vein).any()
    assert "confirmed" in reader.told and "Splenic vein" in reader.told


def test_s_while_an_answer_is_awaited_confirms_only_what_was_seen(reader, host):
    reader.start()
    reader.take("include")
    host.mouse.drag("Red", reader.way((36, 31, 19), (46, 31, 19)))
    key_s(host)
    assert "not in the segment yet" in reader.told and not asked(reader)
    reader.slices.node("Red").SetSliceOffset(reader.ras((0, 0, 20))[2])
    key_s(host)  # in the next slice nothing was drawn, but the stroke spreads into it
    seen = reader.now()[20]
    reader.let_correct()
    assert (reader.now()[20] != seen).any() and not asked(reader)
    assert "has changed since" in reader.told and "Retry" not in reader.told
    assert host.find("updateButton").text == "Update"
    key_s(host)
    reader.let_correct()
    assert asked(reader) == [(2, 20)] and "confirmed" in reader.told


def test_s_while_a_line_is_drawn_is_refused(reader, host):
    reader.start()
    line = reader.way((36, 31, 19), (46, 31, 19))
    reader.take("include")
    host.mouse.press("Red", line[0])
    host.mouse.draw("Red", line)
    key_s(host)
    assert "being drawn" in reader.told and not asked(reader)
    host.mouse.release("Red", line[-1])
    reader.let_correct()
    key_s(host)
    reader.let_correct()
    assert asked(reader) == [(2, 19)]


def test_with_preview_and_without_update_at_once(reader, host):
    reader.start()
    mend(reader)
    painted = reader.now()
    host.click("previewCheckBox")
    key_s(host)
    reader.let_correct()
    assert (reader.now() == painted).all() and (reader.marked("Preview") & ~painted).any()
    assert "Accept" in reader.told
    host.click("rejectButton")
    assert (reader.now() == painted).all() and not reader.marked("Slices").any()
    host.click("previewCheckBox")
    host.click("autoUpdateCheckBox")
    key_s(host)
    assert "Marks recorded: 1." in reader.told and (reader.now() == painted).all()
    host.click("updateButton")
    reader.let_correct()
    assert (reader.now() & ~painted).any() and asked(reader)[-1] == (2, 19)


def test_the_button_and_the_key_are_there_while_there_is_something_to_correct(reader, host):
    from PySide6.QtGui import QShortcut

    def keys():
        found = host.window.findChildren(QShortcut)
        return {s.key.toString() for s in found if s.parent() is host.window and s.enabled}

    reader.start(segment=False)
    assert not host.find("confirmSliceButton").enabled and "S" not in keys()
    reader.find_half()
    assert host.find("confirmSliceButton").enabled and "S" in keys()
    watched = reader.section.confirm
    assert watched._tags
    host.leave_module()
    assert not watched._tags and "S" not in keys()
    host.enter_module()
    host.find("correctCollapsibleButton").collapsed = True
    assert not watched._tags and "S" not in keys()


def test_the_layout_is_changed(reader, host):
    reader.start()
    reader.slices.layout.setLayout(4)
    middle = reader.ras((FOUND.upper_ijk[0] - 4, 31, 19))
    reader.look_at(middle)
    host.mouse.move("Yellow", middle)
    key_s(host)
    reader.let_correct()
    assert asked(reader) == [(0, FOUND.upper_ijk[0] - 4)]
