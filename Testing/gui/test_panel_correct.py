"""The Correct section: strokes by mouse on real slice views change the segment; every step can be taken back."""

from __future__ import annotations

import numpy as np
import pytest
from reader import FOUND, GRID, ORGAN, Reader, ball, found_mask, inside

from PancreasSegLib.volume import Geometry

pytest_plugins = ["panel_in_host"]  # its fixtures

MISSING = (40, 31, 19)
"""A voxel in the half of the organ that the model did not find."""
TURN = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])


@pytest.fixture
def reader(user):
    return Reader(user.host, user.client)


def test_after_segment_the_new_segment_is_offered(reader, host):
    reader.start(segment=False)
    assert host.find("correctCollapsibleButton").collapsed
    assert not host.find("includeBrushButton").enabled
    reader.find_half()
    assert not host.find("correctCollapsibleButton").collapsed
    assert host.find("correctSegmentSelector").currentText == "Pancreas"
    assert host.find("includeBrushButton").enabled
    assert "short line" in reader.told
    before = np.zeros(GRID.shape_zyx, bool)
    before[FOUND.slices_zyx] = found_mask() > 0
    assert (reader.now() == before).all()


def test_a_stroke_with_the_include_brush_brings_the_missing_half(reader, host):
    reader.start()
    before = reader.now()
    reader.take("include")
    assert "missed organ" in reader.told
    line = reader.way((36, 31, 19), (46, 31, 19))
    reader.draw("Red", line)
    sure, maybe = reader.under("Red", line, 2.5)
    drawn = reader.marked("Include")
    assert sure.any() and drawn[sure].all() and not drawn[~maybe].any()
    after = reader.now()
    assert after[drawn].all()
    missing = inside(GRID, ORGAN) & ~before
    assert np.count_nonzero(after & missing) > np.count_nonzero(drawn)  # it spreads into the tissue
    assert "mL added" in reader.told and "next doubtful slice" in reader.told
    assert host.find("undoCorrectionButton").enabled


def test_a_stroke_with_the_exclude_brush_takes_away(reader):
    reader.start()
    before = reader.now()
    reader.take("exclude")
    line = reader.way((24, 31, 19), (30, 31, 19))
    reader.draw("Red", line)
    drawn = reader.marked("Exclude")
    assert drawn.any() and not reader.now()[drawn].any()
    assert np.count_nonzero(before & ~reader.now()) >= np.count_nonzero(drawn & before)
    assert "removed" in reader.told


def test_undo_and_redo_to_the_voxel_by_button_and_key(reader, host):
    from PySide6.QtCore import Qt

    reader.start()
    states = [reader.now()]
    reader.take("include")
    for row in (28, 34):
        reader.draw("Red", reader.way((36, row, 19), (46, row, 19)))
        states.append(reader.now())
    assert all((one != other).any() for one, other in zip(states[1:], states[:-1], strict=True))
    host.click("undoCorrectionButton")
    assert (reader.now() == states[1]).all()
    host.press(Qt.Key_Z, Qt.ControlModifier)
    assert (reader.now() == states[0]).all()
    assert not reader.marked("Include").any()
    assert not host.find("undoCorrectionButton").enabled
    host.press(Qt.Key_Y, Qt.ControlModifier)
    assert (reader.now() == states[1]).all()
    host.click("redoCorrectionButton")
    assert (reader.now() == states[2]).all()
    host.press(Qt.Key_Z)
    assert (reader.now() == states[1]).all()
    host.press(Qt.Key_Y)
    assert (reader.now() == states[2]).all()


@pytest.mark.parametrize("view", ["Red", "Yellow", "Green"])
@pytest.mark.parametrize(("tool", "name"), [("include", "Include"), ("exclude", "Exclude")])
def test_what_was_drawn_is_marked_and_nothing_else(reader, view, tool, name):
    reader.start()
    reader.host.find("brushSizeSlider").value = 12.0
    reader.take(tool)
    line = reader.slices.line(view, (-6, 0), (6, 8))
    reader.host.mouse.drag(view, line)
    sure, maybe = reader.under(view, line, 6.0)
    marked = reader.marked(name)  # before the worker has answered
    assert marked.any() and marked[sure].all() and not marked[~maybe].any()
    reader.let_correct()
    assert (reader.marked(name) == marked).all()
    reader.host.click("undoCorrectionButton")
    assert not reader.marked(name).any()


GRIDS = {
    "thick slices": Geometry((64, 60, 24), (2.0, 2.0, 5.0), (-64.0, -60.0, 900.0)),
    "thin slices": Geometry((64, 60, 60), (2.0, 2.0, 1.0), (-64.0, -60.0, 900.0)),
    "left-handed": Geometry(
        (64, 60, 40), (2.0, 2.0, 3.0), (-64.0, -60.0, 900.0), tuple(np.diag([1.0, 1, -1]).ravel())
    ),
    "oblique": Geometry((64, 60, 40), (2.0, 2.0, 3.0), (-64.0, -60.0, 900.0), tuple(TURN.ravel())),
}


@pytest.mark.parametrize("grid", GRIDS)
def test_a_dab_lies_where_the_mouse_was_on_any_grid(reader, grid):
    geometry = GRIDS[grid]
    reader.start(geometry, segment=False)
    reader.segment(box=FOUND.clipped(geometry), mask=found_mask()[: FOUND.clipped(geometry).size_ijk[2]])
    place = reader.ras((44, 30, geometry.size_ijk[2] // 2))
    reader.look_at(place)
    reader.host.find("brushSizeSlider").value = 14.0
    reader.take("include")
    line = [place, reader.slices.line("Red", (0, 0), (5, 0))[1]]
    reader.draw("Red", line)
    sure, maybe = reader.under("Red", line, 7.0)
    new = reader.marked("Include")
    assert sure.any() and new[sure].all() and not new[~maybe].any()
    slices = np.nonzero(new.any(axis=(1, 2)))[0]
    assert len(slices) == 1  # whatever the angle in the plane, one slice of voxels


@pytest.mark.parametrize("angle", [20.0, 55.0])
def test_a_dab_in_a_turned_slice_view_covers_what_its_outline_held(reader, angle):
    reader.start()
    node = reader.slices.node("Red")
    import vtk

    turn = vtk.vtkTransform()
    turn.Concatenate(node.GetSliceToRAS())
    turn.RotateX(angle)
    node.GetSliceToRAS().DeepCopy(turn.GetMatrix())
    node.UpdateMatrices()
    reader.host.find("brushSizeSlider").value = 16.0
    reader.take("include")
    line = reader.slices.line("Red", (20, 0), (28, 0))
    reader.draw("Red", line)
    sure, maybe = reader.under("Red", line, 8.0)
    new = reader.marked("Include")
    assert sure.sum() > 30 and new[sure].all() and not new[~maybe].any()


def test_the_sphere_brush_marks_neighbouring_slices_too(reader, host):
    reader.start()
    host.find("brushSizeSlider").value = 14.0
    host.find("sphereBrushCheckBox").checked = True
    reader.take("include")
    place = (56, 31, 19)
    reader.draw("Red", reader.way(place, place))
    new = reader.marked("Include")
    assert new[ball(GRID, place, 5.0)].all() and not new[~ball(GRID, place, 9.0)].any()
    assert len(np.nonzero(new.any(axis=(1, 2)))[0]) >= 3
    assert host.widget.logic.getParameterNode().sphereBrush  # kept with the scene


def test_points_are_placed_with_the_applications_own_markups(reader, host):
    import slicer

    reader.start()
    reader.take("includePoint")
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    host.view_pictures()
    host.mouse.click("Red", reader.ras(MISSING))
    reader.let_correct()
    assert reader.now()[MISSING[::-1]]
    assert reader.marked("Include")[MISSING[::-1]]
    host.mouse.click("Red", reader.ras((44, 31, 19)))  # placing goes on
    reader.let_correct()
    assert reader.marked("Include")[19, 31, 44]
    reader.take("excludePoint")
    host.mouse.click("Red", reader.ras((20, 31, 19)))
    reader.let_correct()
    assert not reader.now()[19, 31, 20]
    assert not host.find("includePointButton").checked and host.find("excludePointButton").checked
    host.click("excludePointButton")
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform
    assert not slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")


def test_points_are_placed_in_slice_views_only(reader, host):
    import slicer

    reader.start()
    reader.take("includePoint")
    (points,) = slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")
    display = points.GetDisplayNode()
    views = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    assert len(views) == 3 and all(display.IsDisplayableInView(view.GetID()) for view in views)
    (solid,) = slicer.util.getNodesByClass("vtkMRMLViewNode")
    assert not display.IsDisplayableInView(solid.GetID())
    later = slicer.vtkMRMLSliceNode()
    later.SetLayoutName("Slice4")
    host.scene.AddNode(later)  # as another layout does
    assert display.IsDisplayableInView(later.GetID())
    host.scene.RemoveNode(later)


def test_placing_that_is_ended_by_the_application_puts_the_tool_away(reader, host):
    import slicer

    reader.start()
    reader.take("includePoint")
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    host.process_events()
    assert not host.find("includePointButton").checked
    assert reader.section.active_tool.tool is None


def test_a_preview_is_accepted_or_rejected(reader, host):
    from PySide6.QtCore import Qt

    reader.start()
    before = reader.now()
    host.click("previewCheckBox")
    assert not host.find("acceptButton").isVisible()
    reader.take("include")
    line = reader.way((36, 31, 19), (46, 31, 19))
    reader.draw("Red", line)
    assert (reader.now() == before).all()
    preview = reader.marked("Preview")
    assert preview.sum() > before.sum()
    assert "Accept" in reader.told
    host.press(Qt.Key_R)
    assert (reader.now() == before).all()
    assert not reader.marked("Preview").any() and not reader.marked("Include").any()
    assert not host.find("acceptButton").isVisible()
    reader.draw("Red", line)
    host.click("rejectButton")
    reader.draw("Red", line)
    host.press(Qt.Key_A)
    assert (reader.now() == preview).all()
    host.click("undoCorrectionButton")
    assert (reader.now() == before).all()


@pytest.mark.parametrize("by", ["button", "key"])
def test_without_update_at_once_marks_wait_to_be_applied(reader, host, by):
    from PySide6.QtCore import Qt

    reader.start()
    before = reader.now()
    host.click("autoUpdateCheckBox")
    reader.take("include")
    assert not host.find("updateButton").enabled
    reader.draw("Red", reader.way((36, 28, 19), (46, 28, 19)))
    reader.draw("Red", reader.way((36, 34, 19), (46, 34, 19)))
    assert (reader.now() == before).all()
    assert reader.marked("Include").any()  # seen at once
    assert "Marks recorded: 2." in reader.told
    if by == "button":
        host.click("updateButton")
    else:
        host.press(Qt.Key_U, Qt.ControlModifier)
    reader.let_correct()
    assert reader.now()[reader.marked("Include")].all()
    assert not host.find("updateButton").enabled
    host.click("undoCorrectionButton")
    assert (reader.now() == before).all()  # one step


def test_smoothing_keeps_what_was_marked_and_can_be_undone(reader, host):
    reader.start(segment=False)
    rough = found_mask()
    rough[::3, ::4, ::5] = 1
    reader.segment(box=FOUND, mask=rough)
    reader.look_at(reader.edge())
    host.find("brushSizeSlider").value = 2.0
    reader.take("include")
    reader.draw("Red", reader.way((36, 31, 19), (44, 31, 19)))
    before, marked = reader.now(), reader.marked("Include")
    host.click("smoothButton")
    reader.wait(lambda: not reader.session.busy, 20)
    assert (reader.now() != before).any()
    assert reader.now()[marked].all()
    host.click("undoCorrectionButton")
    assert (reader.now() == before).all()


def test_marks_can_be_cleared_and_the_segment_stays(reader, host):
    reader.start()
    assert not host.find("clearMarksButton").enabled
    reader.take("include")
    reader.draw("Red", reader.way((36, 31, 19), (46, 31, 19)))
    after = reader.now()
    host.click("clearMarksButton")
    assert not reader.marked("Include").any()
    assert (reader.now() == after).all()


def test_the_next_doubtful_slice_is_shown_in_the_slice_views(reader, host):
    from PySide6.QtCore import Qt

    reader.start(segment=False)
    mask = found_mask()
    sure = mask * 0.98
    sure[4, mask[4] > 0] = 0.5  # the model wavers on two slices
    sure[13, mask[13] > 0] = 0.6
    from PancreasSegLib.volume import Volume

    probability = {"pancreas": Volume(sure.astype(np.float16), FOUND.geometry(GRID))}
    reader.segment(box=FOUND, mask=mask, probability=probability)
    z = [900.0 + 3.0 * (FOUND.lower_ijk[2] + k) for k in (4, 13)]
    host.click("nextDoubtButton")
    seen = [reader.slices.centre("Red")[2]]
    assert "doubt" in host.find("doubtLabel").text
    host.press(Qt.Key_N)
    seen.append(reader.slices.centre("Red")[2])
    assert sorted(seen) == pytest.approx(z, abs=3.1)
    assert abs(seen[0] - seen[1]) > 9


def test_several_marks_are_drawn_while_the_worker_computes(reader, host):
    reader.start()
    reader.take("include")
    lines = [reader.way((36, row, 19), (46, row, 19)) for row in (26, 30, 34)]
    for line in lines:
        host.mouse.drag("Red", line)
    assert reader.told == "Correcting…"
    reader.let_correct()
    drawn = reader.marked("Include")
    for line in lines:
        sure, _ = reader.under("Red", line, 2.5)
        assert drawn[sure].all() and reader.now()[sure].all()


def test_a_mark_outside_the_ct_is_told(reader):
    reader.start()
    reader.take("include")
    reader.slices.node("Red").SetFieldOfView(300.0, 300.0, 3.0)
    reader.draw("Red", reader.slices.line("Red", (95, 60), (96, 62)))
    assert "outside" in reader.told
    assert not reader.session.can_undo


def test_what_the_worker_cannot_do_is_told_and_asked_again(reader, host):
    from PancreasSegLib.errors import WorkerError

    reader.start()
    before = reader.now()
    reader.take("include")
    host.mouse.drag("Red", reader.way((36, 31, 19), (46, 31, 19)))
    for _ in range(4):  # it is asked again by itself first
        asked = reader.waiting()
        for request in asked:
            reader.client.fail(WorkerError("The worker stopped.", "Close other programs."), request)
        reader.wait(lambda asked=asked: all(request.done for request in asked), 10)
        host.process_events()
    assert "The worker stopped." in reader.told and "Retry" in reader.told
    assert host.find("updateButton").text == "Retry" and host.find("updateButton").enabled
    assert reader.marked("Include").any() and (reader.now() == before).all()
    host.click("updateButton")
    reader.let_correct()
    assert reader.now()[reader.marked("Include")].all()
    assert host.find("updateButton").text == "Update"
    assert "mL added" in reader.told
