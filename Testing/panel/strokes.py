"""What the tests of correction share: strokes, and looking at segments on the CT's voxels."""

from __future__ import annotations

import numpy as np
import slicer
from test_segment_writing import on_ct

from PancreasSegLib.refine import Mark
from PancreasSegPanel.scene.oriented_image import oriented_image
from PancreasSegPanel.scene.pancreas_segment import put_labelmap
from PancreasSegPanel.scene.segment_on_ct import frame_of

OUTSIDE, INSIDE, ELSEWHERE = (26, 18, 14), (16, 18, 14), (10, 20, 12)
"""Voxels beside the segment, in the middle of it, and at its other end."""


def stroke(session, centre_ijk, include=True, radius_mm=7.0, kind="scribble"):
    """A dab of the brush."""
    grid = session.geometry
    return Mark.stroke([grid.index_to_lps(centre_ijk)], grid, include=include, radius_mm=radius_mm, kind=kind)


def now(session):
    """The segment as it is, on the CT's grid."""
    return on_ct(session.segmentation, session.segment_id, session.geometry)


def marked(session, name="Include"):
    """A segment of the marks node, on the CT's grid."""
    if session.marks_node is None:
        return np.zeros(session.geometry.shape_zyx, bool)
    return on_ct(session.marks_node, name, session.geometry)


def whole(mark, geometry):
    """A mark on the CT's grid."""
    voxels = np.zeros(geometry.shape_zyx, bool)
    voxels[mark.box.slices_zyx] = mark.voxels
    return voxels


def answer(logic, client):
    """The worker answers what was asked last."""
    client.correct()
    logic.poll()


def edit_elsewhere(session, voxels):
    """What the Segment Editor does: the segment gets other voxels."""
    image = oriented_image(voxels.astype(np.uint8), (0, 0, 0), frame_of(session.segmentation, session.geometry))
    put_labelmap(session.segmentation, session.segment_id, image)


def paint(session, mark):
    """Paint or erase a mark's voxels in the Segment Editor, and go on here."""
    voxels = now(session)
    voxels[mark.box.slices_zyx][mark.voxels] = mark.include
    edit_elsewhere(session, voxels)
    session.notice()


def complete(node, segment_id):
    """Lock a segment."""
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(node.GetSegmentation().GetSegment(segment_id), logic.Completed)
