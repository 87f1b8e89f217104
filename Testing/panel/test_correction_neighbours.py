"""What others did and what is protected: a correction overwrites neither."""

import numpy as np
import pytest
import slicer
from strokes import ELSEWHERE, INSIDE, OUTSIDE, answer, complete, edit_elsewhere, marked, now, paint, stroke, whole
from test_patient_axes import move
from test_segment_writing import add_neighbour, edit, on_ct

from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.volume import Box, Geometry
from PancreasSegLib.worker import CorrectionChange
from PancreasSegPanel.scene.oriented_image import array_of, oriented_image
from PancreasSegPanel.scene.pancreas_segment import BINARY_LABELMAP, find_own_segment, put_labelmap
from PancreasSegPanel.scene.patient_axes import ras_from_geometry
from PancreasSegPanel.scene.segment_on_ct import frame_of, lies_on, read_segment


def box_of(geometry, box):
    found = np.zeros(geometry.shape_zyx, bool)
    found[box.slices_zyx] = True
    return found


def test_what_was_painted_elsewhere_is_truth(start, logic, client, grid):
    session = start(grid)
    added = box_of(grid, Box((25, 17, 13), (29, 20, 16))) & ~now(session)
    removed = box_of(grid, Box((14, 16, 12), (18, 20, 16))) & now(session)
    edit_elsewhere(session, (now(session) | added) & ~removed)
    session.add([stroke(session, (26, 18, 14), include=False, radius_mm=20)])  # would take all that was added
    mark = whole(client.last.options["marks"][0], grid)
    state = client.last.options["state"].within(Box.whole(grid))
    assert (state[1][added] == 1).all() and (state[1][removed] == 2).all()
    answer(logic, client)
    assert now(session)[added & ~mark].all()  # only the stroke itself says otherwise
    assert not now(session)[removed].any()
    session.add([stroke(session, INSIDE)])
    answer(logic, client)
    assert not now(session)[removed & ~whole(client.last.options["marks"][0], grid)].any()
    assert not marked(session, "Include")[added & ~mark].any()  # it is truth, but hides nothing
    assert marked(session, "Painted")[added & ~mark].all()


def test_what_was_painted_between_stroke_and_answer_stays(start, logic, client, axial):
    session = start(axial)
    mark = stroke(session, OUTSIDE)
    session.add([mark])
    core = whole(stroke(session, OUTSIDE, radius_mm=3), axial)
    other = whole(stroke(session, ELSEWHERE), axial)
    edit_elsewhere(session, now(session) | other)
    edit_elsewhere(session, now(session) | core)
    edit_elsewhere(session, now(session) & ~core)  # the user changed his mind: as before for the session
    answer(logic, client)
    assert now(session)[other].all() and now(session)[whole(mark, axial)].all()
    before = now(session)
    session.undo()
    assert now(session)[other].all()
    session.redo()
    assert np.array_equal(now(session), before)


def test_an_undo_of_the_segment_editor_takes_the_marks_along(start, logic, client, axial):
    session = start(axial)
    masks = [now(session)]
    for centre in (OUTSIDE, ELSEWHERE):
        session.add([stroke(session, centre)])
        answer(logic, client)
        masks.append(now(session))
    marks = marked(session)
    edit_elsewhere(session, masks[0])  # twice undo, seen at once
    session.prepare()
    assert session.redo() and session.redo()
    assert np.array_equal(now(session), masks[2]) and np.array_equal(marked(session), marks)
    edit_elsewhere(session, masks[1])
    session.add([stroke(session, INSIDE, include=False)])
    state = client.last.options["state"].within(Box.whole(axial))
    assert np.array_equal(state[1] > 0, whole(stroke(session, OUTSIDE), axial))


def test_an_edit_elsewhere_is_undone_before_the_correction_that_it_came_after(start, logic, client, axial):
    session = start(axial)
    before, mark = now(session), stroke(session, OUTSIDE)
    session.add([mark])
    answer(logic, client)
    corrected = now(session)
    hole = whole(stroke(session, OUTSIDE, radius_mm=3), axial)
    elsewhere = box_of(axial, Box((5, 5, 5), (8, 8, 8)))
    edit_elsewhere(session, (now(session) & ~hole) | elsewhere)
    edited = now(session)
    session.undo()
    assert np.array_equal(now(session), corrected) and not marked(session, "Erased").any()
    session.undo()
    assert np.array_equal(now(session), before)
    session.redo()
    session.redo()
    assert np.array_equal(now(session), edited) and marked(session, "Erased")[hole].all()


def test_a_completed_neighbour_survives_and_the_user_is_told(start, logic, client, axial):
    session = start(axial)
    name = add_neighbour(session.segmentation, axial, Box((24, 10, 8), (34, 30, 25)), "Duodenum")
    complete(session.segmentation, name)
    neighbour, before = on_ct(session.segmentation, name, axial), now(session)
    session.add([stroke(session, (24, 18, 14))])
    answer(logic, client)
    grown = now(session) & ~before
    assert grown.any() and not (grown & neighbour).any()
    assert np.array_equal(on_ct(session.segmentation, name, axial), neighbour)
    assert session.last.left_out_ml > 0 and "Duodenum" in session.sentence
    session.add([stroke(session, INSIDE, include=False)])  # the worker learns what was really written
    state = client.last.options["state"].within(Box.whole(axial))
    assert np.array_equal(state[0] > 0, before | grown)


def test_a_segment_that_pancreasseg_made_is_protected_as_well(start, logic, client, axial):
    session = start(axial)
    own = session.segment_id
    name = add_neighbour(session.segmentation, axial, Box((26, 10, 8), (34, 30, 25)), "Tumour")
    complete(session.segmentation, own)
    tumour = logic.correct(session.segmentation, name)
    pancreas = now(session)
    tumour.add([stroke(tumour, (20, 18, 14), radius_mm=20, kind="region")])
    answer(logic, client)
    assert not (now(tumour) & pancreas).any() and np.array_equal(now(session), pancreas)


@pytest.mark.parametrize("how", ["inside a segment", "intensity"])
def test_masking_settings_are_respected(start, logic, client, scene, axial, how):
    session = start(axial)
    kind, node, before = slicer.vtkMRMLSegmentationNode, session.segmentation, now(session)
    if how == "intensity":
        editor = edit(scene, node, kind.EditAllowedEverywhere)
        editor.SetAndObserveSourceVolumeNode(session.ct)
        editor.SetSourceVolumeIntensityMask(True)
        editor.SetSourceVolumeIntensityMaskRange(44, 46)
        from PancreasSegPanel.scene.ct_node import voxels_of

        allowed = voxels_of(session.ct) == 45
    else:
        name = add_neighbour(node, axial, Box((20, 10, 8), (27, 30, 25)))
        edit(scene, node, kind.EditAllowedInsideSingleSegment, name)
        allowed = on_ct(node, name, axial)
    mark = whole(stroke(session, OUTSIDE, radius_mm=9), axial)
    session.add([stroke(session, OUTSIDE, radius_mm=9, kind="region")])
    answer(logic, client)
    assert np.array_equal(now(session), before | (mark & allowed))
    assert (mark & ~allowed & ~before).any()


def test_segments_in_one_layer_keep_their_voxels(start, logic, client, axial):
    session = start(axial)
    name = add_neighbour(session.segmentation, axial, Box((24, 14, 12), (30, 30, 25)))
    session.segmentation.GetSegmentation().MergeSegmentLabelmaps([session.segment_id, name])
    mine, other = now(session), on_ct(session.segmentation, name, axial)
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    assert np.array_equal(on_ct(session.segmentation, name, axial), other)
    assert now(session)[whole(stroke(session, OUTSIDE), axial)].all()
    session.undo()
    assert np.array_equal(now(session), mine)
    assert np.array_equal(on_ct(session.segmentation, name, axial), other)


def test_a_segment_on_another_grid_is_corrected_and_comes_back_as_it_was(logic, client, add_ct, scene, grid):
    ct = add_ct(grid)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "by hand")
    fine = Geometry((30, 24, 20), (1.5, 1.5, 2.0), tuple(grid.index_to_lps((12, 12, 10))), grid.direction_lps)
    drawn = np.zeros(fine.shape_zyx, np.uint8)
    drawn[4:16, 5:19, 6:25] = 1
    segment = slicer.vtkSegment()
    segment.SetName("mine")
    segment.AddRepresentation(BINARY_LABELMAP, oriented_image(drawn, (0, 0, 0), ras_from_geometry(fine)))
    node.GetSegmentation().AddSegment(segment, "mine")
    before = read_segment(node, "mine", fine)
    session = logic.correct(node, "mine", ct)
    seen = now(session)
    ratio = seen.sum() * grid.voxel_volume_ml / (drawn.sum() * fine.voxel_volume_ml)
    assert 0.7 < ratio < 1.4
    mark = stroke(session, (24, 20, 14))
    session.add([mark])
    answer(logic, client)
    assert now(session)[whole(mark, grid)].all()
    session.undo()
    after = read_segment(node, "mine", fine)
    assert after.box == before.box and np.array_equal(after.mask, before.mask)
    assert lies_on(node, "mine", fine)


def test_voxels_outside_the_ct_stay(start, logic, client, axial):
    session = start(axial)
    frame = frame_of(session.segmentation, axial)
    large = np.zeros((40, 40, 50), np.uint8)
    large[15:25, 15:25, 0:30] = 1
    put_labelmap(session.segmentation, session.segment_id, oriented_image(large, (-8, 0, 0), frame))
    session.add([stroke(session, (30, 18, 20))])
    answer(logic, client)
    image = (
        session.segmentation.GetSegmentation().GetSegment(session.segment_id).GetRepresentation(BINARY_LABELMAP)
    )
    assert image.GetExtent()[0] == -8
    assert array_of(image)[:, :, :8].sum() == large[:, :, :8].sum()


def test_transforms_of_ct_and_segmentation(logic, client, add_ct, grid, scene):
    from test_segment_writing import segment

    ct = add_ct(grid)
    move(scene, ct, (10.0, -20.0, 30.0))
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "moved otherwise")
    move(scene, node, (-7.0, 3.0, 5.0))
    segment(logic, client, ct, node)
    session = logic.correct(node, None, ct)
    mark = stroke(session, OUTSIDE)
    session.add([mark])
    answer(logic, client)
    assert now(session)[whole(mark, session.geometry)].all()
    assert np.array_equal(marked(session), whole(mark, session.geometry))


def test_moving_both_together_changes_nothing_and_apart_ends_it(start, logic, client, axial, scene):
    session = start(axial)
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    together = move(scene, session.ct, (10.0, 0.0, 0.0))
    session.segmentation.SetAndObserveTransformNodeID(together.GetID())
    before = now(session)
    session.add([stroke(session, INSIDE, include=False)])
    probability = client.last.options["state"].probability
    assert probability.geometry.origin_lps[0] == pytest.approx(
        axial.index_to_lps((8, 12, 10))[0] - 10.0  # the transform moves by 10 mm to the right in RAS
    )
    answer(logic, client)
    assert (now(session) != before).any()
    session.ct.SetAndObserveTransformNodeID(None)
    with pytest.raises(PancreasSegError, match="moved apart"):
        session.add([stroke(session, INSIDE)])
    assert session.ended and logic.correct(session.segmentation) is not session


def test_what_cannot_be_corrected_gets_a_sentence(start, logic, scene, axial):
    session = start(axial)
    session.add([stroke(session, OUTSIDE)])
    with pytest.raises(PancreasSegError, match="marks"):
        logic.correct(session.marks_node, "Include", session.ct)
    with pytest.raises(PancreasSegError, match="no such segment"):
        logic.correct(session.segmentation, "none", session.ct)
    empty = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
    with pytest.raises(PancreasSegError, match="which CT"):
        logic.correct(empty, "x")
    assert find_own_segment(session.segmentation, "pancreas") == session.segment_id


def test_a_scribble_over_what_was_painted_is_seen_as_a_scribble(start, logic, client, axial):
    session = start(axial)
    paint(session, stroke(session, OUTSIDE, radius_mm=9))
    mark = stroke(session, OUTSIDE, radius_mm=4)
    session.add([mark])
    client.answer(CorrectionChange.nothing())  # the library finds nothing new in it
    logic.poll()
    assert np.array_equal(marked(session, "Include"), whole(mark, axial))
    assert marked(session, "Painted").any() and not marked(session, "Painted")[whole(mark, axial)].any()


def test_every_write_saves_a_state_of_the_segment_editor_right_before_it(start, logic, client, axial, monkeypatch):
    import PancreasSegPanel.scene.corrected_segment as module

    session = start(axial)
    saved = []
    monkeypatch.setattr(module, "save_state", lambda scene, node: saved.append(now(session)))
    seen = [now(session)]
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    seen.append(now(session))
    session.add([stroke(session, ELSEWHERE)])
    answer(logic, client)
    seen.append(now(session))
    session.undo()
    session.clear_marks()  # changes no voxel
    assert len(saved) == 3 and all(np.array_equal(a, b) for a, b in zip(saved, seen, strict=True))


@pytest.mark.parametrize("labelmap", ["none", "empty"])
def test_an_empty_segment_is_filled_by_a_stroke(logic, client, add_ct, scene, grid, labelmap):
    ct = add_ct(grid)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "new")
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    segment_id = node.GetSegmentation().AddEmptySegment("cyst", "cyst")
    if labelmap == "none":
        node.GetSegmentation().GetSegment(segment_id).RemoveRepresentation(BINARY_LABELMAP)
    session = logic.correct(node, segment_id)
    mark = stroke(session, INSIDE)
    session.add([mark])
    assert client.last.options["state"].probability is None
    answer(logic, client)
    assert now(session)[whole(mark, grid)].all()
    session.undo()
    assert not now(session).any()
    session.redo()
    session.smooth()
    session.wait()
    paint(session, stroke(session, INSIDE, include=False, radius_mm=90))
    assert not now(session).any()
    session.smooth()
    session.wait()
    assert session.error is None
