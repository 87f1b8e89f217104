"""Correction without Qt: strokes become steps of one segment, and nothing else changes."""

import fake_worker
import numpy as np
import pytest
import slicer
from fake_worker import BOX, blob
from test_patient_axes import move
from test_segment_writing import add_neighbour, expected, on_ct, segment

from PancreasSegLib.errors import MarkError, PancreasSegError, WorkerError
from PancreasSegLib.refine import Correction, Mark
from PancreasSegLib.volume import Box, Geometry, Volume
from PancreasSegPanel.own_segment import find_own_segment


@pytest.fixture
def start(logic, client, add_ct):
    """Segment a CT with the fake worker and begin to correct it."""

    def begin(grid):
        ct = add_ct(grid)
        node = segment(logic, client, ct).segmentation
        return logic.correct(node)

    return begin


def stroke(session, centre_ijk, include=True, radius_mm=7.0, kind="scribble"):
    grid = session.geometry
    return Mark.stroke([grid.index_to_lps(centre_ijk)], grid, include=include, radius_mm=radius_mm, kind=kind)


def now(session):
    return on_ct(session.segmentation, session.segment_id, session.geometry)


def marked(session, name):
    node = session.marks_node
    if node is None:
        return np.zeros(session.geometry.shape_zyx, bool)
    return on_ct(node, name, session.geometry)


def answer(logic, client):
    client.correct()
    logic.poll()


OUTSIDE, INSIDE = (26, 18, 14), (16, 18, 14)


def test_a_stroke_changes_the_segment_as_the_library_says(start, logic, client, grid):
    session = start(grid)
    before = now(session)
    mark = stroke(session, OUTSIDE)
    steps = []
    session.add([mark], steps.append)
    assert session.busy and session.queued == 1
    answer(logic, client)
    correction = Correction(
        Volume(np.array(client.last.scan.voxels), session.geometry),
        before,
        client.last.options["state"].probability,
    )
    change = correction.add([mark])
    assert np.array_equal(now(session), correction.mask)
    assert now(session)[mark.box.slices_zyx][mark.voxels].all()
    assert not session.busy and session.queued == 0
    assert steps == [session.last] and session.last.added_ml == pytest.approx(change.added_ml)
    assert "added" in session.sentence


def test_undo_and_redo_are_exact_and_keep_other_segments(start, logic, client, grid):
    session = start(grid)
    other = add_neighbour(session.segmentation, grid, Box((20, 12, 10), (30, 30, 25)))
    untouched = on_ct(session.segmentation, other, grid)
    masks, marks = [now(session)], [marked(session, "Include")]
    for centre, include in ((OUTSIDE, True), (INSIDE, False), ((10, 20, 12), True)):
        session.add([stroke(session, centre, include)])
        answer(logic, client)
        masks.append(now(session))
        marks.append(marked(session, "Include"))
    assert all((a != b).any() for a, b in zip(masks[1:], masks, strict=False))
    for mask, mark in zip(masks[-2::-1], marks[-2::-1], strict=True):
        assert session.undo()
        assert np.array_equal(now(session), mask) and np.array_equal(marked(session, "Include"), mark)
    assert not session.can_undo and not session.undo()
    for mask, mark in zip(masks[1:], marks[1:], strict=True):
        assert session.redo()
        assert np.array_equal(now(session), mask) and np.array_equal(marked(session, "Include"), mark)
    assert not session.redo()
    assert np.array_equal(on_ct(session.segmentation, other, grid), untouched)


def test_marks_are_seen_before_the_answer_and_where_they_were_made(start, grid):
    session = start(grid)
    yes, no = stroke(session, OUTSIDE), stroke(session, INSIDE, include=False)
    session.add([yes, no])
    for name, mark in (("Include", yes), ("Exclude", no)):
        whole = np.zeros(grid.shape_zyx, bool)
        whole[mark.box.slices_zyx] = mark.voxels
        assert np.array_equal(marked(session, name), whole)
