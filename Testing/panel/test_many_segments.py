"""A segmentation of many organs shown in 3D, as TotalSegmentator leaves it: a write touches one of them."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from strokes import OUTSIDE, now, stroke, whole
from test_segment_writing import reply, segment

from PancreasSegPanel.scene.oriented_image import oriented_image
from PancreasSegPanel.scene.pancreas_segment import BINARY_LABELMAP, CLOSED_SURFACE
from PancreasSegPanel.scene.segment_writing import new_segmentation

ROWS, COLUMNS, SIZE = 3, 13, 24


def ball():
    z, y, x = np.ogrid[:SIZE, :SIZE, :SIZE]
    middle = SIZE / 2 - 0.5
    return (z - middle) ** 2 + (y - middle) ** 2 + (x - middle) ** 2 < (SIZE / 2 - 1) ** 2


@pytest.fixture(params=["a layer each", "one layer"])
def organs(request, scene, add_ct, axial):
    """A CT, and a segmentation with 39 balls beside each other, whose surfaces are there."""
    ct = add_ct(axial)
    node = new_segmentation(scene, ct)
    frame = np.diag([0.8, 0.8, 1.0, 1.0])
    voxels = np.zeros((SIZE, ROWS * SIZE, COLUMNS * SIZE), np.uint8)
    names = []
    for number in range(ROWS * COLUMNS):
        row, column = divmod(number, COLUMNS)
        place = (slice(None), slice(SIZE * row, SIZE * (row + 1)), slice(SIZE * column, SIZE * (column + 1)))
        voxels[place][ball()] = number + 1
        names.append(f"Organ {number + 1}")
    together = oriented_image(voxels, (0, 0, 0), frame)
    for value, name in enumerate(names, 1):
        made = slicer.vtkSegment()
        made.SetName(name)
        if request.param == "one layer":
            made.AddRepresentation(BINARY_LABELMAP, together)
            made.SetLabelValue(value)
        else:
            row, column = divmod(value - 1, COLUMNS)
            alone = oriented_image(ball().astype(np.uint8), (SIZE * column, SIZE * row, 0), frame)
            made.AddRepresentation(BINARY_LABELMAP, alone)
        node.GetSegmentation().AddSegment(made, name)
    node.CreateClosedSurfaceRepresentation()
    return ct, node


def surfaces(node):
    """Each segment's surface, with the time of its last change; the organ's own apart."""
    segmentation = node.GetSegmentation()
    found = {}
    for number in range(segmentation.GetNumberOfSegments()):
        name = segmentation.GetNthSegmentID(number)
        surface = segmentation.GetSegment(name).GetRepresentation(CLOSED_SURFACE)
        found[name] = (surface, surface.GetMTime() if surface is not None else 0)
    return found.pop("Pancreas", None), found


def test_a_result_is_added_without_touching_the_other_organs(organs, logic, client):
    ct, node = organs
    _, before = surfaces(node)
    run = segment(logic, client, ct, node)
    own, after = surfaces(node)
    assert run.error is None and own[0].GetNumberOfPoints() > 0
    assert after == before and len(after) == ROWS * COLUMNS
    assert logic.undo() and surfaces(node)[1] == before


def test_a_second_result_and_its_undo_touch_one_organ(organs, logic, client):
    ct, node = organs
    segment(logic, client, ct, node)
    own, before = surfaces(node)
    run = segment(logic, client, ct, node, mask=np.ones_like(reply(client.requests[-1].scan).mask))
    assert run.error is None
    changed, after = surfaces(node)
    assert changed != own and after == before
    assert logic.undo() and surfaces(node)[1] == before


def test_a_stroke_and_its_undo_touch_one_organ(organs, logic, client, axial):
    ct, node = organs
    session = logic.correct(segment(logic, client, ct, node).segmentation)
    was = now(session)
    own, before = surfaces(node)
    mark = stroke(session, OUTSIDE)
    session.add([mark])
    client.correct()
    logic.poll()
    assert now(session)[whole(mark, axial)].all()
    changed, after = surfaces(node)
    assert changed != own and after == before
    session.undo()
    assert np.array_equal(now(session), was) and surfaces(node)[1] == before


def test_a_region_in_an_organ_of_a_layer_touches_it_alone(organs, logic, client, axial):
    ct, node = organs
    session = logic.correct(node, "Organ 7", ct)
    _, before = surfaces(node)
    session.add([stroke(session, OUTSIDE, kind="region")])
    client.correct()
    logic.poll()
    session.undo()
    _, after = surfaces(node)
    changed, same = after.pop("Organ 7"), before.pop("Organ 7")
    assert changed != same and after == before
