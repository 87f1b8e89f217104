"""One step back: the own segment, and nothing else."""

import numpy as np
from fake_worker import BOX
from test_segment_writing import add_neighbour, expected, on_ct, segment, voxels

from PancreasSegLib.volume import Box
from PancreasSegPanel.scene.measurement import find_measurement
from PancreasSegPanel.scene.pancreas_segment import find_own_segment

SMALLER = Box((9, 13, 11), (15, 18, 15))


def test_undo_brings_back_the_former_mask_and_figures(logic, client, add_ct, axial):
    ct = add_ct(axial)
    node = segment(logic, client, ct).segmentation
    volume = find_measurement(node).volume_ml
    segment(logic, client, ct, node, box=SMALLER)
    own = find_own_segment(node, "pancreas")
    assert np.array_equal(on_ct(node, own, axial), expected(axial, SMALLER))
    assert logic.undo()
    assert np.array_equal(on_ct(node, own, axial), expected(axial, BOX))
    assert find_measurement(node).volume_ml == volume


def test_undo_of_the_first_result_removes_the_segment_and_the_node_it_made(logic, client, add_ct, axial, scene):
    segment(logic, client, add_ct(axial))
    assert logic.can_undo
    assert logic.undo()
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert not logic.can_undo
    assert not logic.undo()


def test_undo_keeps_what_was_edited_elsewhere_since(logic, client, add_ct, axial):
    ct = add_ct(axial)
    node = segment(logic, client, ct).segmentation
    name = add_neighbour(node, axial, Box((24, 14, 12), (30, 30, 25)))
    drawn = voxels(node, name)
    assert logic.undo()
    assert node.GetSegmentation().GetNumberOfSegments() == 1
    assert np.array_equal(voxels(node, name)[0], drawn[0])
    assert find_measurement(node) is None


def test_a_node_that_is_gone_cannot_be_undone(logic, client, add_ct, axial, scene):
    node = segment(logic, client, add_ct(axial)).segmentation
    scene.RemoveNode(node)
    logic.node_removed(node)
    assert not logic.undo()
