"""The Correct section beside everything else: keys, neighbours, other editors, scenes that close, modules left."""

from __future__ import annotations

import numpy as np
import pytest
from reader import GRID, Reader

pytest_plugins = ["panel_in_host"]  # its fixtures


@pytest.fixture
def reader(user):
    return Reader(user.host, user.client)


def line(reader, row=31):
    return reader.way((36, row, 19), (46, row, 19))


def shortcuts(host):
    """The keys that the main window answers to."""
    from PySide6.QtGui import QShortcut

    return {
        s.key.toString() for s in host.window.findChildren(QShortcut) if s.parent() is host.window and s.enabled
    }


def test_keys_take_and_put_away_the_tools(reader, host):
    from PySide6.QtCore import Qt

    reader.start()
    names = ("includeBrush", "excludeBrush", "includePoint", "excludePoint")
    for number, name in enumerate(names, start=1):
        host.press(Qt.Key_0 + number)
        down = [other for other in names if host.find(f"{other}Button").checked]
        assert down == [name]
    host.press(Qt.Key_4)
    assert reader.section.active_tool.tool is None and not host.find("excludePointButton").checked
    host.press(Qt.Key_1)
    size = host.find("brushSizeSlider").value
    host.press(Qt.Key_Plus)
    assert host.find("brushSizeSlider").value > size
    host.press(Qt.Key_Minus)
    assert host.find("brushSizeSlider").value == pytest.approx(size, abs=0.1)
    assert reader.section.active_tool.brush.radius_mm == pytest.approx(host.find("brushSizeSlider").value / 2)


def test_escape_forgets_the_stroke_then_puts_the_tool_away_then_cancels_a_run(reader, host):
    from PySide6.QtCore import Qt

    reader.start()
    before = reader.now()
    reader.take("include")
    host.mouse.press("Red", line(reader)[0])
    host.mouse.draw("Red", line(reader))
    host.press(Qt.Key_Escape)
    assert reader.section.active_tool.tool is not None
    host.mouse.release("Red", line(reader)[-1])
    assert not reader.waiting() or all(not r.options["marks"] for r in reader.waiting())
    assert (reader.now() == before).all()
    host.press(Qt.Key_Escape)
    assert reader.section.active_tool.tool is None
    host.click("segmentButton")
    host.find("cancelButton").setFocus()
    host.press(Qt.Key_Escape)
    assert reader.status.startswith("Cancelled")


def test_keys_work_beside_those_of_another_extension_which_gets_them_back(reader, host):
    from PySide6.QtCore import Qt

    heard = host.add_foreign_shortcuts()  # nnInteractive's, which stay on the main window
    reader.start()
    before = reader.now()
    reader.take("paint")
    for column in (40, 46):
        reader.draw("Red", line(reader, column))
    for _ in range(2):
        host.press(Qt.Key_Z, Qt.ControlModifier)
    assert (reader.now() == before).all() and heard == []
    host.press(Qt.Key_R)  # ours only while there is a preview
    assert len(heard) == 1
    host.leave_module()
    host.press(Qt.Key_S)
    assert len(heard) == 2
    host.enter_module()
    host.press(Qt.Key_S)
    assert len(heard) == 2


def test_keys_are_letters_in_a_text_field(reader, host):
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QDoubleSpinBox, QLineEdit

    reader.start()
    field = QLineEdit(host.window)
    field.show()
    field.setFocus()
    for key in (Qt.Key_1, Qt.Key_Z, Qt.Key_N):
        host.press(key)
    assert field.text == "1zn"
    assert reader.section.active_tool.tool is None
    box = host.find("brushSizeSlider").findChild(QDoubleSpinBox)
    box.selectAll()
    box.setFocus()
    host.press(Qt.Key_1)
    host.press(Qt.Key_2)
    assert box.value == 12.0 and reader.section.active_tool.tool is None
    field.deleteLater()
    host.process_events()


def test_leaving_the_module_gives_mouse_and_keys_back(reader, host):
    reader.start()
    taken = shortcuts(host)
    assert {"1", "5", "Z", "Ctrl+Z", "N"} <= taken and "Esc" not in taken and "A" not in taken
    reader.take("include")
    assert "Esc" in shortcuts(host)
    before = reader.now()
    host.leave_module()
    host.process_events()
    assert not shortcuts(host)
    assert not host.find("includeBrushButton").checked
    host.mouse.drag("Red", line(reader))
    assert not reader.waiting() or all(not r.options["marks"] for r in reader.waiting())
    with reader.slices.mode("AdjustWindowLevel"):
        assert reader.slices.changes_by(lambda: reader.slices.drag("Red")) == {"window and level"}
    assert (reader.now() == before).all()
    host.enter_module()
    assert taken == shortcuts(host)
    reader.take("include")
    reader.draw("Red", line(reader))
    assert (reader.now() != before).any()


def test_a_stroke_that_is_being_drawn_when_the_module_is_left_counts(reader, host):
    reader.start()
    reader.take("include")
    host.mouse.press("Red", line(reader)[0])
    host.mouse.draw("Red", line(reader))
    host.leave_module()
    reader.let_correct()
    assert reader.marked("Include").any() and reader.now()[reader.marked("Include")].all()
    host.enter_module()


def test_closing_the_section_puts_the_tool_away(reader, host):
    reader.start()
    reader.take("exclude")
    host.find("correctCollapsibleButton").collapsed = True
    assert reader.section.active_tool.tool is None
    assert not shortcuts(host)


def test_a_completed_neighbour_keeps_every_voxel(reader, host):
    import slicer

    from PancreasSegLib.volume import Box
    from PancreasSegPanel.scene.oriented_image import oriented_image
    from PancreasSegPanel.scene.patient_axes import ras_from_geometry

    reader.start()
    box = Box((38, 28, 17), (42, 35, 22))
    other = slicer.vtkSegment()
    other.SetName("Splenic vein")
    voxels = np.ones(box.size_ijk[::-1], np.uint8)
    image = oriented_image(voxels, box.lower_ijk, ras_from_geometry(GRID))
    other.AddRepresentation("Binary labelmap", image)
    reader.node.GetSegmentation().AddSegment(other, "Vein")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(other, logic.Completed)
    vein = reader.now("Vein")
    reader.take("include")
    reader.draw("Red", line(reader))
    assert (reader.now("Vein") == vein).all()
    assert not (reader.now() & vein).any()
    assert "Splenic vein" in reader.told
    host.click("undoCorrectionButton")
    assert (reader.now("Vein") == vein).all()


def test_what_was_painted_elsewhere_survives_the_next_corrections(reader, host):
    from PancreasSegPanel.scene.oriented_image import oriented_image
    from PancreasSegPanel.scene.pancreas_segment import put_labelmap
    from PancreasSegPanel.scene.patient_axes import ras_from_geometry

    reader.start()
    reader.take("include")
    reader.draw("Red", line(reader, 28))
    painted = np.zeros(GRID.shape_zyx, bool)
    painted[4:6, 10:14, 8:12] = True
    erased = np.zeros(GRID.shape_zyx, bool)
    erased[18:21, 28:34, 20:23] = True
    now = (reader.now() | painted) & ~erased
    image = oriented_image(now.astype(np.uint8), (0, 0, 0), ras_from_geometry(GRID))
    put_labelmap(reader.node, "Pancreas", image)  # as the Segment Editor does
    reader.draw("Red", line(reader, 34))
    after = reader.now()
    assert after[painted].all() and not after[erased].any()
    reader.take("exclude")
    reader.draw("Red", line(reader, 36))
    assert reader.now()[painted].all() and not reader.now()[erased].any()


def test_the_scene_closed_while_the_brush_draws(reader, host):
    reader.start()
    reader.take("include")
    host.mouse.press("Red", line(reader)[0])
    host.mouse.draw("Red", line(reader))
    asked = reader.waiting()
    host.close_scene()
    assert reader.section.active_tool.tool is None
    assert host.find("correctSegmentSelector").count == 0
    assert not host.find("includeBrushButton").enabled
    host.mouse.release("Red", reader.slices.centre("Red"))
    for request in asked:
        reader.client.correct(request)
    host.process_events()
    reader.start()
    reader.take("include")
    reader.draw("Red", line(reader))
    assert reader.marked("Include").any()


def test_the_scene_closed_while_the_worker_corrects(reader, host):
    reader.start()
    reader.take("include")
    host.mouse.drag("Red", line(reader))
    asked = reader.waiting()
    assert any(request.options["marks"] for request in asked)
    host.close_scene()
    for request in asked:
        reader.client.correct(request)
    host.process_events()
    assert not host.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")


def test_a_segment_that_goes_takes_the_tool_with_it(reader, host):
    reader.start()
    reader.take("include")
    reader.draw("Red", line(reader))
    reader.node.GetSegmentation().RemoveSegment("Pancreas")
    host.process_events()
    assert reader.section.active_tool.tool is None
    assert not host.find("includeBrushButton").enabled
    reader.find_half()
    reader.take("include")
    reader.draw("Red", line(reader))
    assert reader.now()[reader.marked("Include")].all()


def test_the_segmentation_removed_while_the_brush_draws(reader, host):
    reader.start()
    reader.take("include")
    host.mouse.press("Red", line(reader)[0])
    host.mouse.draw("Red", line(reader))
    host.scene.RemoveNode(reader.node)
    host.process_events()
    host.mouse.release("Red", line(reader)[-1])
    host.process_events()
    assert reader.section.active_tool.tool is None


def test_another_segment_is_corrected_on_its_own(reader, host):
    import slicer

    reader.start()
    own = slicer.vtkSegment()
    own.SetName("Mine")
    own.AddRepresentation("Binary labelmap", slicer.vtkOrientedImageData())
    reader.node.GetSegmentation().AddSegment(own, "Mine")
    host.process_events()
    choice = host.find("correctSegmentSelector")
    assert [choice.itemText(number) for number in range(choice.count)] == ["Pancreas", "Mine"]
    before = reader.now("Pancreas")
    choice.setCurrentIndex(1)
    reader.take("include")
    reader.draw("Red", line(reader))
    assert reader.now("Mine").any() and (reader.now("Pancreas") == before).all()
    own.SetName("Renamed")
    host.process_events()
    assert choice.currentText == "Renamed"
    choice.setCurrentIndex(0)
    assert not host.find("undoCorrectionButton").enabled


def test_a_ct_under_a_transform_is_marked_where_it_is_seen(reader, host):
    import vtk

    transform = host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    turn = vtk.vtkTransform()
    turn.Translate(12, -7, 25)
    turn.RotateZ(20)
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    reader.start(transform=transform)
    reader.take("include")
    host.find("brushSizeSlider").value = 12.0
    place = reader.ras((42, 30, 19))
    reader.look_at(place)
    way = [place, reader.slices.line("Red", (0, 0), (6, 0))[1]]
    reader.draw("Red", way)
    sure, maybe = reader.under("Red", way, 6.0)
    new = reader.marked("Include")
    assert new[sure].all() and new.any() and not new[~maybe].any()


def test_segment_again_ends_the_marks_and_says_so(reader, host):
    reader.start()
    reader.take("include")
    reader.draw("Red", line(reader))
    assert reader.marked("Include").any()
    reader.find_half()
    assert reader.told
    assert not host.find("undoCorrectionButton").enabled
    reader.take("include")
    reader.draw("Red", line(reader))
    assert reader.now()[reader.marked("Include")].all()


def test_marks_and_segment_are_saved_and_taken_up_again(reader, host, tmp_path):
    reader.start()
    reader.take("include")
    reader.draw("Red", line(reader))
    marks, segment = reader.marked("Include"), reader.now()
    path = tmp_path / "Größe.mrb"
    host.save_scene(path)
    host.close_scene()
    host.load_scene(path)
    import slicer

    reader.slices.ct = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[0]
    assert host.find("correctSegmentSelector").count == 1  # the marks are none to correct
    assert (reader.now() == segment).all()
    host.find("correctCollapsibleButton").collapsed = False
    host.process_events()
    reader.look_at(reader.edge())
    reader.take("exclude")
    reader.draw("Red", reader.way((20, 31, 19), (24, 31, 19)))
    assert (reader.marked("Include") == marks).all()
    assert reader.now()[marks].all() and not reader.now()[reader.marked("Exclude")].any()


def test_reloading_the_module_with_the_brush_on_leaves_nothing_behind(reader, host):
    reader.start()
    reader.take("include")
    view = reader.slices.layout.sliceWidget("Red").sliceView()
    renderer = view.renderWindow().GetRenderers().GetFirstRenderer()
    drawn = renderer.GetViewProps().GetNumberOfItems()
    host.reload_module()
    assert renderer.GetViewProps().GetNumberOfItems() == drawn - 2
    host.mouse.drag("Red", line(reader))
    host.unload_module()
    assert not shortcuts(host)


def test_the_segment_editor_is_embedded_and_one_tool_at_a_time_is_in_hand(reader, host):
    reader.start()
    assert reader.section.editor.widget is None  # made when it is wanted
    host.find("segmentEditorCollapsibleButton").collapsed = False
    host.process_events()
    editor = host.find("segmentEditorWidget")
    assert editor.segmentationNode() is reader.node and editor.sourceVolumeNode() is reader.slices.ct
    assert editor.currentSegmentID() == "Pancreas" and editor._in_views
    reader.take("include")
    editor.setActiveEffectByName("Paint")
    assert reader.section.active_tool.tool is None and not host.find("includeBrushButton").checked
    reader.take("include")
    assert not editor.mrmlSegmentEditorNode().GetActiveEffectName()
    editor.setActiveEffectByName("Paint")
    host.leave_module()
    assert not editor.mrmlSegmentEditorNode().GetActiveEffectName() and not editor._in_views
    host.enter_module()
    assert editor._in_views
    before = reader.now()
    reader.take("include")
    reader.draw("Red", line(reader))
    assert (reader.now() != before).any()
    editor.undo()  # the correction is a step of the editor's own history
    assert (reader.now() == before).all()
    host.close_scene()
    assert editor.segmentationNode() is None


@pytest.mark.parametrize("by", ["button", "key"])
def test_paint_by_hand_takes_the_segment_editors_own_tool_and_each_edit_is_a_step(reader, host, by):
    from PySide6.QtCore import Qt

    def press():
        host.press(Qt.Key_5) if by == "key" else host.click("paintButton")

    reader.start()
    reader.take("include")
    press()
    editor = host.find("segmentEditorWidget")
    assert not host.find("segmentEditorCollapsibleButton").collapsed and editor.currentSegmentID() == "Pancreas"
    assert editor.mrmlSegmentEditorNode().GetActiveEffectName() == "Paint"
    assert reader.section.active_tool.tool is None and "press S" in reader.told
    states = [reader.now()]
    for k in (18, 19):
        painted = reader.now()
        painted[k, 28:33, 40:48] = True
        reader.edit(painted)
        states.append(reader.now())
    assert host.find("undoCorrectionButton").enabled and reader.marked("Painted").any()
    for state in states[1::-1]:
        host.click("undoCorrectionButton")
        assert (reader.now() == state).all()
    for state in states[1:]:
        host.click("redoCorrectionButton")
        assert (reader.now() == state).all()
    press()
    assert not editor.mrmlSegmentEditorNode().GetActiveEffectName()


def test_the_embedded_editors_editable_area_is_obeyed(reader, host):
    import slicer

    reader.start()
    host.find("segmentEditorCollapsibleButton").collapsed = False
    host.process_events()
    settings = host.find("segmentEditorWidget").mrmlSegmentEditorNode()
    settings.SetSourceVolumeIntensityMask(True)
    settings.SetSourceVolumeIntensityMaskRange(50.0, 200.0)
    before = reader.now()
    host.find("brushSizeSlider").value = 20.0
    reader.take("include")
    reader.draw("Red", reader.way((47, 31, 19), (54, 31, 19)))
    new = reader.now() & ~before
    hu = slicer.util.arrayFromVolume(reader.slices.ct)
    assert new.any() and (hu[new] >= 50).all()
    assert "intensity range" in reader.told


def test_only_segments_on_the_chosen_ct_are_offered(reader, host, add_ct, axial):
    reader.start()
    other = add_ct(axial, "Another CT")
    foreign = host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Of another CT")
    foreign.SetReferenceImageGeometryParameterFromVolumeNode(other)
    foreign.GetSegmentation().AddEmptySegment("Liver", "Liver")
    mine = host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Free")
    mine.GetSegmentation().AddEmptySegment("Spleen", "Spleen")
    host.set_node("outputSegmentationSelector", None)
    host.process_events()
    choice = host.find("correctSegmentSelector")
    texts = [choice.itemText(number) for number in range(choice.count)]
    assert texts == ["Pancreas (CT segmentation)", "Spleen (Free)"]


def test_the_marks_are_no_output(reader, host):
    reader.start()
    reader.take("include")
    reader.draw("Red", line(reader))
    host.set_node("outputSegmentationSelector", reader.session.marks_node)
    host.process_events()
    assert not reader.can_segment
    assert "marks of a correction" in host.find("segmentButton").toolTip
    assert host.find("correctSegmentSelector").count == 0
    assert reader.section.active_tool.tool is None


def test_the_choices_are_kept_with_the_scene(reader, host):
    reader.start()
    parameters = host.widget.logic.getParameterNode()
    host.find("brushSizeSlider").value = 9.0
    host.click("autoUpdateCheckBox")
    assert (parameters.brushDiameter, parameters.autoUpdate, parameters.previewCorrections) == (9.0, False, False)
    parameters.autoUpdate = True
    parameters.brushDiameter = 7.0
    host.process_events()
    assert host.find("autoUpdateCheckBox").checked and host.find("brushSizeSlider").value == 7.0
