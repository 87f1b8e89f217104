"""Corrections and the scene: they end with their nodes, are saved with it, and know what the model thought."""

import time

import numpy as np
import pytest
import slicer
from fake_worker import BOX, reply
from strokes import ELSEWHERE, INSIDE, OUTSIDE, answer, edit_elsewhere, marked, now, paint, stroke, whole
from test_segment_writing import add_neighbour, expected, segment

from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.volume import Box, Volume
from PancreasSegPanel.scene.measurement import find_measurement as measured
from PancreasSegPanel.work.segmentation_run import Job


def marks_nodes(scene):
    count = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    nodes = (scene.GetNthNodeByClass(number, "vtkMRMLSegmentationNode") for number in range(count))
    return [node for node in nodes if "marks" in node.GetName()]


def remove(scene, logic, node):
    scene.RemoveNode(node)
    logic.node_removed(node)


def test_the_marks_node_shows_what_was_marked_and_hides_what_was_painted(start, scene, axial):
    session = start(axial)
    session.add([stroke(session, OUTSIDE)])
    node = session.marks_node
    assert marks_nodes(scene) == [node]
    display = node.GetDisplayNode()
    shown = {
        name: bool(display.GetSegmentVisibility(name)) for name in ("Include", "Exclude", "Preview", "Painted")
    }
    assert shown == {"Include": True, "Exclude": True, "Preview": True, "Painted": False}
    assert display.GetSegmentOpacity2DFill("Preview") == 0 and not display.GetVisibility3D()
    colours = [node.GetSegmentation().GetSegment(name).GetColor() for name in ("Include", "Exclude", "Preview")]
    assert [int(np.argmax(colour)) for colour in colours[:2]] == [1, 0] and colours[2][2] < 0.5
    assert node.GetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole()) == session.ct.GetID()


def test_removing_the_segmentation_ends_the_session_and_takes_the_marks_along(start, logic, client, scene, axial):
    session = start(axial)
    session.add([stroke(session, OUTSIDE)])
    ended = []
    session.on_change.append(lambda: ended.append(session.ended))
    remove(scene, logic, session.segmentation)
    assert "removed" in session.ended and ended == [session.ended]
    assert not marks_nodes(scene) and client.ended
    client.correct()
    logic.poll()  # too late
    with pytest.raises(PancreasSegError, match="removed"):
        session.add([])
    with pytest.raises(PancreasSegError, match="removed"):
        session.wait()


def test_removing_the_ct_ends_the_session(start, logic, client, scene, axial):
    session = start(axial)
    session.add([stroke(session, OUTSIDE)])
    remove(scene, logic, session.ct)
    assert session.ended
    client.correct()
    logic.poll()
    labelmap = session.segmentation.GetSegmentation().GetSegment(session.segment_id)
    assert labelmap.GetRepresentation("Binary labelmap").GetExtent() == (8, 21, 12, 23, 10, 18)  # as it was


def test_a_deleted_segment_ends_the_session_at_the_next_step(start, logic, axial):
    session = start(axial)
    session.segmentation.GetSegmentation().RemoveSegment(session.segment_id)
    with pytest.raises(PancreasSegError, match="gone"):
        session.undo()
    assert session.ended and not logic.corrections.alive


def test_closing_the_scene_ends_all(start, logic, client, scene, axial):
    session = start(axial)
    session.add([stroke(session, OUTSIDE)])
    logic.scene_closing()
    scene.Clear(False)
    assert "scene was closed" in session.ended
    client.correct()
    logic.poll()
    assert not logic.pending and not logic.corrections.alive


def test_a_deleted_marks_node_is_made_again(start, logic, client, scene, axial):
    session = start(axial)
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    remove(scene, logic, session.marks_node)
    session.add([stroke(session, ELSEWHERE)])
    answer(logic, client)
    assert len(marks_nodes(scene)) == 1
    assert marked(session)[whole(stroke(session, OUTSIDE), axial)].all()
    assert marked(session)[whole(stroke(session, ELSEWHERE), axial)].all()


def test_segmenting_again_ends_the_marks_and_says_so(start, logic, client, axial):
    session = start(axial)
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    session.add([stroke(session, INSIDE)])
    segment(logic, client, session.ct, session.segmentation)
    assert "made anew" in session.sentence and not session.ended
    assert not marked(session).any() and not session.can_undo and session.queued == 0
    assert np.array_equal(now(session), expected(axial))
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    assert now(session)[whole(stroke(session, OUTSIDE), axial)].all()


def test_taking_back_begins_with_the_corrections_of_a_result(start, logic, client, axial):
    session = start(axial)
    smaller = Box((9, 13, 11), (15, 18, 15))
    segment(logic, client, session.ct, session.segmentation, box=smaller)
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    paint(session, stroke(session, ELSEWHERE))
    assert logic.undo() and logic.undo()  # minutes of work must not go with one click
    assert np.array_equal(now(session), expected(axial, smaller))
    assert logic.undo()
    assert "taken back" in session.sentence and not session.can_undo and not session.has_preview
    assert np.array_equal(now(session), expected(axial))


def test_a_segment_that_goes_with_its_result_ends_the_correction(start, logic, client, scene, axial):
    session = start(axial)
    assert logic.undo()
    assert session.ended and scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    with pytest.raises(PancreasSegError):
        session.add([stroke(session, OUTSIDE)])


def saved_and_opened(scene, folder):
    """Write the scene with its data, close it, and open it again."""
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLStorableNode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLStorableNode")
        node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        if storage is not None:
            storage.SetFileName(str(folder / f"{node.GetID()}.{storage.GetDefaultWriteFileExtension()}"))
            assert storage.WriteData(node)
    scene.SetRootDirectory(str(folder))
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Commit()
    scene.Clear(False)
    assert scene.Connect()


@pytest.mark.parametrize("preview", [False, True])
def test_a_reopened_scene_goes_on(start, logic, client, scene, axial, tmp_path, preview):
    session = start(axial)
    session.add([stroke(session, OUTSIDE), stroke(session, (14, 17, 13), include=False, radius_mm=4)])
    answer(logic, client)
    paint(session, stroke(session, (30, 20, 20), radius_mm=4))
    if preview:
        session.preview = True
        session.add([stroke(session, ELSEWHERE)])
        answer(logic, client)
    names = ("Include", "Exclude", "Painted", "Preview")
    mask, marks = now(session), {name: marked(session, name) for name in names}
    told = session.marks_volume().voxels
    segmentation_name = session.segmentation.GetName()
    logic.scene_closing()
    saved_and_opened(scene, tmp_path)
    node = scene.GetFirstNodeByName(segmentation_name)
    again = logic.correct(node)
    assert again is not session and len(marks_nodes(scene)) == 1
    assert np.array_equal(now(again), mask) and again.has_preview is preview
    for name in names:
        assert np.array_equal(marked(again, name), marks[name]), name
    assert np.array_equal(again.marks_volume().voxels, told)
    again.add([stroke(again, INSIDE, include=False)])
    state = client.last.options["state"].within(Box.whole(axial))
    assert client.last.options["state"].probability is None  # it is not saved: the mask stands for it
    assert np.array_equal(state[0] > 0, marks["Preview"] if preview else mask)
    assert np.array_equal(state[1] == 1, marks["Include"] | marks["Painted"])
    answer(logic, client)
    if preview:
        again.accept()
    again.undo()
    assert np.array_equal(now(again), mask)


def test_the_probability_is_kept_for_the_segment_it_made(start, logic, client, axial):
    session = start(axial)
    session.add([stroke(session, OUTSIDE)])
    probability = client.last.options["state"].probability
    assert probability.voxels.dtype == np.float16 and probability.geometry.matches(BOX.geometry(axial))
    answer(logic, client)
    session.add([stroke(session, INSIDE)])
    assert client.last.options["state"].probability is probability  # the same object is not sent again


def test_a_saved_confidence_map_serves_as_the_probability(logic, client, add_ct, scene, axial):
    ct = add_ct(axial)
    run = logic.start(Job(ct, confidence_map=True))
    client.answer(reply(client.last.scan))
    logic.poll()
    logic.corrections.scene_closing()  # as after reopening: what was in memory is gone
    session = logic.correct(run.segmentation)
    session.add([stroke(session, OUTSIDE)])
    found = client.last.options["state"].probability
    assert found.geometry.matches(BOX.geometry(axial)) and 0.85 < found.voxels.max() < 0.95


def doubtful(scan):
    """A reply whose model is sure but on three slices."""
    answered = reply(scan)
    crop = answered.probability["pancreas"]
    voxels = (answered.mask * 1.0).astype(np.float16)
    for slice_, value in ((1, 0.5), (4, 0.7), (7, 0.9)):
        voxels[slice_][answered.mask[slice_] > 0] = value
    return reply(scan, probability={"pancreas": Volume(voxels, crop.geometry)})


def test_doubtful_slices_and_what_was_marked_is_seen(logic, client, add_ct, grid):
    ct = add_ct(grid)
    run = logic.start(Job(ct))
    client.answer(doubtful(client.last.scan))
    logic.poll()
    session = logic.correct(run.segmentation)
    places = session.doubtful_slices()
    assert places and [p.doubt for p in places] == sorted((p.doubt for p in places), reverse=True)
    for place in places:
        r, a, s = place.position_ras
        index = grid.lps_to_index((-r, -a, s))
        assert (index > np.subtract(BOX.lower_ijk, 1)).all() and (index < BOX.upper_ijk).all()
        assert place.normal_ras[2] > 0.5 and np.linalg.norm(place.normal_ras) == pytest.approx(1.0)
    first = places[0]
    r, a, s = first.position_ras
    session.add([stroke(session, grid.lps_to_index((-r, -a, s)), radius_mm=3)])
    assert first not in session.doubtful_slices()
    assert all(abs(p.position_ras[2] - s) > 5 for p in session.doubtful_slices())


def test_no_probability_no_doubt(start, logic, axial, scene):
    session = start(axial)
    name = add_neighbour(session.segmentation, axial, Box((24, 14, 12), (30, 30, 25)))
    assert logic.correct(session.segmentation, name).doubtful_slices() == []


def test_a_surface_follows_each_step(start, logic, client, axial):
    from PancreasSegPanel.scene import surface

    session = start(axial)
    surface.show(session.segmentation, 0.0)
    own = session.segmentation.GetSegmentation().GetSegment(session.segment_id)
    before = own.GetRepresentation("Closed surface").GetBounds()
    session.add([stroke(session, (30, 18, 14), kind="region")])
    answer(logic, client)
    assert own.GetRepresentation("Closed surface").GetBounds() != before
    session.undo()
    assert own.GetRepresentation("Closed surface").GetBounds() == before


def test_many_strokes_keep_little(start, logic, client, axial):
    session = start(axial)
    sizes = []
    for number in range(14):
        session.add([stroke(session, OUTSIDE if number % 2 else INSIDE, include=bool(number % 3))])
        answer(logic, client)
        state = client.last.options["state"]
        sizes.append(state.mask.size)
        client.requests.clear()
    assert sizes[-1] == sizes[8]  # the state does not grow with the strokes
    node = session.marks_node
    layers = {node.GetSegmentation().GetNthSegment(n).GetRepresentation("Binary labelmap") for n in range(5)}
    assert len(layers) == 5 and slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 2
    edit_elsewhere(session, now(session))
    while session.undo():
        pass
    assert np.array_equal(now(session), expected(axial))


def waited(logic):
    end = time.monotonic() + 20
    while logic.jobs.background.open and time.monotonic() < end:
        logic.poll()
        time.sleep(0.01)


def test_the_figures_follow_the_segment_and_come_back(start, logic, client, axial):
    session = start(axial)
    first, heard = measured(session.segmentation), []
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    session.on_change.append(lambda: heard.append(measured(session.segmentation).volume_ml))
    waited(logic)
    corrected = measured(session.segmentation)
    assert corrected.volume_ml == pytest.approx(now(session).sum() * axial.voxel_volume_ml)
    assert heard[-1] == corrected.volume_ml != first.volume_ml
    assert corrected.confidence is None and "Corrected by hand." in corrected.notes
    assert corrected.extent_mm[0] > first.extent_mm[0] and corrected.model == first.model
    paint(session, stroke(session, INSIDE, include=False, radius_mm=200))
    waited(logic)
    assert measured(session.segmentation).volume_ml == 0 and measured(session.segmentation).mean_hu is None
    session.undo()
    session.undo()
    waited(logic)
    assert measured(session.segmentation) == first


def test_figures_that_were_dropped_with_the_worker_are_measured_with_the_next_step(start, logic, axial):
    session = start(axial)
    paint(session, stroke(session, OUTSIDE))
    logic.close()
    paint(session, stroke(session, ELSEWHERE))
    waited(logic)
    assert measured(session.segmentation).volume_ml == pytest.approx(now(session).sum() * axial.voxel_volume_ml)


def test_figures_of_another_segment_are_left_alone(start, logic, axial):
    session = start(axial)
    first = measured(session.segmentation)
    name = add_neighbour(session.segmentation, axial, Box((24, 14, 12), (30, 30, 25)))
    paint(logic.correct(session.segmentation, name), stroke(session, ELSEWHERE))
    waited(logic)
    assert measured(session.segmentation) == first
