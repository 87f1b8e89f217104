"""A reply becomes a segment: at its place, with its names, and nobody else's voxels change."""

import fake_worker
import numpy as np
import pytest
import slicer
import vtk
from fake_worker import BOX, blob, reply
from test_patient_axes import move

from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.volume import Box
from PancreasSegPanel.scene.oriented_image import array_of, oriented_image, values_on
from PancreasSegPanel.scene.pancreas_segment import BINARY_LABELMAP, find_own_segment
from PancreasSegPanel.scene.patient_axes import ras_from_geometry
from PancreasSegPanel.work.segmentation_run import Job


def segment(logic, client, ct, output=None, **changes):
    """A whole run with the fake worker."""
    job = Job(ct, output)
    run = logic.start(job)
    client.answer(reply(client.last.scan, **changes))
    logic.poll()
    assert run.done
    return run


def on_ct(node, segment_id, geometry):
    """A segment's voxels on the CT's whole grid, (z, y, x), by world position."""
    from PancreasSegPanel.scene.vtk_matrices import node_to_world

    labelmap = node.GetSegmentation().GetSegment(segment_id).GetRepresentation(BINARY_LABELMAP)
    frame = np.linalg.inv(node_to_world(node)) @ ras_from_geometry(geometry)
    like = oriented_image(np.zeros(geometry.shape_zyx, np.uint8), (0, 0, 0), frame)
    return values_on(labelmap, like) == node.GetSegmentation().GetSegment(segment_id).GetLabelValue()


def expected(geometry, box=BOX):
    whole = np.zeros(geometry.shape_zyx, bool)
    whole[box.slices_zyx] = blob(geometry, box) > 0
    return whole


def add_neighbour(node, geometry, box, name="Neighbour"):
    labelmap = oriented_image(np.ones(box.size_ijk[::-1], np.uint8), box.lower_ijk, ras_from_geometry(geometry))
    other = slicer.vtkSegment()
    other.SetName(name)
    other.AddRepresentation(BINARY_LABELMAP, labelmap)
    node.GetSegmentation().AddSegment(other, name)
    return name


def voxels(node, segment_id):
    image = node.GetSegmentation().GetSegment(segment_id).GetRepresentation(BINARY_LABELMAP)
    return array_of(image).copy(), image.GetExtent()


def test_the_mask_lies_on_the_cts_voxels(logic, client, add_ct, grid):
    run = segment(logic, client, add_ct(grid))
    segment_id = find_own_segment(run.segmentation, "pancreas")
    assert np.array_equal(on_ct(run.segmentation, segment_id, grid), expected(grid))


def test_the_segment_has_name_terminology_colour_and_reference(logic, client, add_ct, axial):
    ct = add_ct(axial)
    node = segment(logic, client, ct).segmentation
    made = node.GetSegmentation().GetSegment(find_own_segment(node, "pancreas"))
    assert made.GetName() == "Pancreas"
    assert np.allclose(np.round(np.multiply(made.GetColor(), 255)), (249, 180, 111))
    entry = vtk.mutable("")
    assert made.GetTag(made.GetTerminologyEntryTagName(), entry)
    assert "SCT^15776009^Pancreas" in str(entry)
    assert node.GetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole()) == ct.GetID()


def test_only_the_crop_is_stored(logic, client, add_ct, axial):
    node = segment(logic, client, add_ct(axial)).segmentation
    stored, extent = voxels(node, find_own_segment(node, "pancreas"))
    assert stored.shape == BOX.size_ijk[::-1]
    assert extent == (8, 21, 12, 23, 10, 18)


def test_the_second_run_replaces_only_its_own_segment(logic, client, add_ct, axial):
    ct = add_ct(axial)
    node = segment(logic, client, ct).segmentation
    name = add_neighbour(node, axial, Box((10, 14, 12), (30, 30, 25)))
    before = voxels(node, name)
    smaller = Box((9, 13, 11), (15, 18, 15))
    run = segment(logic, client, ct, node, box=smaller)
    assert run.segmentation is node
    assert node.GetSegmentation().GetNumberOfSegments() == 2
    own = find_own_segment(node, "pancreas")
    assert np.array_equal(on_ct(node, own, axial), expected(axial, smaller))
    after = voxels(node, name)
    assert after[1] == before[1]
    assert np.array_equal(after[0], before[0])


def test_segments_in_one_layer_keep_their_voxels(logic, client, add_ct, axial):
    ct = add_ct(axial)
    node = segment(logic, client, ct).segmentation
    name = add_neighbour(node, axial, Box((24, 14, 12), (30, 30, 25)))
    own = find_own_segment(node, "pancreas")
    node.GetSegmentation().MergeSegmentLabelmaps([own, name])
    layers = [node.GetSegmentation().GetSegment(i).GetRepresentation(BINARY_LABELMAP) for i in (own, name)]
    assert layers[0] is layers[1]
    before = on_ct(node, name, axial)
    smaller = Box((9, 13, 11), (15, 18, 15))
    segment(logic, client, ct, node, box=smaller)
    assert np.array_equal(on_ct(node, name, axial), before)
    assert np.array_equal(on_ct(node, own, axial), expected(axial, smaller))


def test_a_segment_named_pancreas_of_the_users_own_stays(logic, client, add_ct, axial, scene):
    ct = add_ct(axial)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
    name = add_neighbour(node, axial, Box((0, 0, 0), (4, 4, 4)), "Pancreas")
    before = voxels(node, name)
    segment(logic, client, ct, node)
    assert np.array_equal(voxels(node, name)[0], before[0])
    own = find_own_segment(node, "pancreas")
    assert own != name
    assert node.GetSegmentation().GetSegment(own).GetName() == "Pancreas (PancreasSeg)"


def test_a_completed_neighbour_keeps_its_voxels_and_the_user_is_told(logic, client, add_ct, axial, scene):
    ct = add_ct(axial)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "organs")
    box = Box((15, 12, 10), (30, 30, 19))
    name = add_neighbour(node, axial, box, "Duodenum")
    seg_logic = slicer.vtkSlicerSegmentationsModuleLogic
    seg_logic.SetSegmentStatus(node.GetSegmentation().GetSegment(name), seg_logic.Completed)
    run = segment(logic, client, ct, node)
    own = on_ct(node, find_own_segment(node, "pancreas"), axial)
    neighbour = on_ct(node, name, axial)
    assert not (own & neighbour).any()
    assert np.array_equal(own, expected(axial) & ~neighbour)
    assert any("Duodenum" in note for note in run.measurement.notes)
    assert run.measurement.volume_ml == pytest.approx(own.sum() * axial.voxel_volume_ml)


def edit(scene, node, mode, mask_segment=""):
    editor = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode", "editor")
    editor.SetAndObserveSegmentationNode(node)
    editor.SetMaskMode(mode)
    editor.SetMaskSegmentID(mask_segment)
    return editor


def test_the_segment_editors_editable_area_is_obeyed(logic, client, add_ct, axial, scene):
    kind = slicer.vtkMRMLSegmentationNode
    box = Box((15, 12, 10), (30, 30, 19))
    for mode, keeps in (
        (kind.EditAllowedEverywhere, lambda own, other: own),
        (kind.EditAllowedOutsideAllSegments, lambda own, other: own & ~other),
        (kind.EditAllowedInsideAllSegments, lambda own, other: own & other),
        (kind.EditAllowedInsideSingleSegment, lambda own, other: own & other),
    ):
        ct = add_ct(axial)
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "organs")
        name = add_neighbour(node, axial, box)
        edit(scene, node, mode, name)
        segment(logic, client, ct, node)
        other = on_ct(node, name, axial)
        own = on_ct(node, find_own_segment(node, "pancreas"), axial)
        assert np.array_equal(own, keeps(expected(axial), other)), mode


def test_visible_segments_only_where_the_editor_says_so(logic, client, add_ct, axial, scene):
    ct = add_ct(axial)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "organs")
    node.CreateDefaultDisplayNodes()
    name = add_neighbour(node, axial, Box((15, 12, 10), (30, 30, 19)))
    node.GetDisplayNode().SetSegmentVisibility(name, False)
    edit(scene, node, slicer.vtkMRMLSegmentationNode.EditAllowedOutsideVisibleSegments)
    segment(logic, client, ct, node)
    assert np.array_equal(on_ct(node, find_own_segment(node, "pancreas"), axial), expected(axial))


def test_the_editors_intensity_range_is_obeyed(logic, client, add_ct, axial, scene):
    from PancreasSegPanel.scene.ct_node import voxels_of

    ct = add_ct(axial)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "organs")
    editor = edit(scene, node, slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere)
    editor.SetAndObserveSourceVolumeNode(ct)
    editor.SetSourceVolumeIntensityMask(True)
    editor.SetSourceVolumeIntensityMaskRange(42.0, 46.0)
    segment(logic, client, ct, node)
    hu = voxels_of(ct)
    wanted = expected(axial) & (hu >= 42) & (hu <= 46)
    assert wanted.any()
    assert np.array_equal(on_ct(node, find_own_segment(node, "pancreas"), axial), wanted)


def test_another_segmentations_editor_does_not_count(logic, client, add_ct, axial, scene):
    ct = add_ct(axial)
    other = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "other")
    edit(scene, other, slicer.vtkMRMLSegmentationNode.EditAllowedInsideAllSegments)
    run = segment(logic, client, ct)
    assert np.array_equal(
        on_ct(run.segmentation, find_own_segment(run.segmentation, "pancreas"), axial), expected(axial)
    )


def test_transforms_of_ct_and_output_are_taken_into_account(logic, client, add_ct, grid, scene):
    from PancreasSegPanel.scene.ct_node import geometry_of

    ct = add_ct(grid)
    move(scene, ct, (10.0, -20.0, 30.0))
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "moved otherwise")
    move(scene, node, (-7.0, 3.0, 5.0))
    segment(logic, client, ct, node)
    found = on_ct(node, find_own_segment(node, "pancreas"), geometry_of(ct))
    assert np.array_equal(found, expected(grid))


def test_a_new_segmentation_moves_with_its_ct(logic, client, add_ct, axial, scene):
    ct = add_ct(axial)
    transform = move(scene, ct, (10.0, 0.0, 0.0))
    assert segment(logic, client, ct).segmentation.GetParentTransformNode() is transform


def status_of(node, segment_id="Pancreas"):
    return slicer.vtkSlicerSegmentationsModuleLogic.GetSegmentStatus(node.GetSegmentation().GetSegment(segment_id))


def test_the_first_write_says_that_work_has_begun(logic, client, add_ct, axial):
    status = slicer.vtkSlicerSegmentationsModuleLogic
    ct = add_ct(axial)
    node = segment(logic, client, ct).segmentation
    assert status_of(node) == status.InProgress
    for kept in (status.Completed, status.Flagged):
        status.SetSegmentStatus(node.GetSegmentation().GetSegment("Pancreas"), kept)
        segment(logic, client, ct, node)
        assert status_of(node) == kept


def test_a_result_lies_with_its_ct_in_the_data_module(logic, client, add_ct, axial, scene):
    ct = add_ct(axial)
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = tree.CreateStudyItem(tree.CreateSubjectItem(tree.GetSceneItemID(), "Patient"), "Study")
    tree.CreateItem(study, ct)
    added = slicer.vtkMRMLScene.NodeAddedEvent  # the application gives each new node an item at the top

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def give_item(_scene, _event, node):
        tree.CreateItem(tree.GetSceneItemID(), node)

    tag = scene.AddObserver(added, give_item)
    node = segment(logic, client, ct).segmentation
    scene.RemoveObserver(tag)
    assert tree.GetItemParent(tree.GetItemByDataNode(node)) == study


def test_a_segmentation_kept_as_surfaces_is_refused_before_the_run(logic, client, add_ct, axial, scene):
    import vtk

    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "STL")
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    sphere = vtk.vtkSphereSource()
    sphere.Update()
    other = slicer.vtkSegment()
    other.AddRepresentation("Closed surface", sphere.GetOutput())
    node.GetSegmentation().AddSegment(other, "ball")
    with pytest.raises(PancreasSegError, match="closed surface"):
        logic.start(Job(add_ct(axial), node))
    assert not client.requests


def test_an_empty_reply_leaves_no_node_behind_and_says_why(logic, client, add_ct, axial, scene):
    ct = add_ct(axial)
    empty = np.zeros((0, 0, 0), np.uint8)
    run = logic.start(Job(ct))
    answer = reply(client.last.scan, mask=blob(axial, BOX))
    client.answer(fake_worker.SegmentReply(**(vars(answer) | {"mask": empty, "box_ijk": None})))
    logic.poll()
    assert run.segmentation is None
    assert run.error.code == "no-pancreas"
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_a_surface_that_is_shown_follows_the_new_mask(logic, client, add_ct, axial):
    from PancreasSegPanel.scene import surface

    ct = add_ct(axial)
    node = segment(logic, client, ct).segmentation
    surface.show(node, 0.0)
    own = node.GetSegmentation().GetSegment(find_own_segment(node, "pancreas"))
    before = own.GetRepresentation("Closed surface").GetBounds()
    segment(logic, client, ct, node, box=Box((9, 13, 11), (15, 18, 15)))
    after = own.GetRepresentation("Closed surface").GetBounds()
    assert after[1] - after[0] < before[1] - before[0]
    surface.hide(node)
    assert not surface.is_shown(node)
