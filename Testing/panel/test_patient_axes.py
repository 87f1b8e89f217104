"""A CT node becomes the library's grid and back, whatever its axes."""

import numpy as np
import pytest

from PancreasSegLib.errors import GeometryError, NotACTError


def test_node_and_library_agree_on_every_voxels_place(add_ct, grid):
    from PancreasSegPanel.scene.ct_node import geometry_of, voxels_of

    node = add_ct(grid)
    found = geometry_of(node)
    assert found.matches(grid, 1e-6)
    assert voxels_of(node).shape == grid.shape_zyx
    ras = [0.0] * 4
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    matrix.MultiplyPoint([3, 5, 7, 1], ras)
    assert np.allclose([-ras[0], -ras[1], ras[2]], grid.index_to_lps([3, 5, 7]))


def test_voxels_are_not_copied(add_ct, axial):
    from PancreasSegPanel.scene.ct_node import scan_of, voxels_of

    node = add_ct(axial)
    voxels_of(node)[4, 5, 6] = 1234
    assert scan_of(node).voxels[4, 5, 6] == 1234


def test_a_parent_transform_moves_the_scan(scene, add_ct, axial):
    from PancreasSegPanel.scene.ct_node import geometry_of

    node = add_ct(axial)
    move(scene, node, (10.0, -20.0, 30.0))
    shift = np.subtract(geometry_of(node).origin_lps, axial.origin_lps)
    assert np.allclose(shift, [-10.0, 20.0, 30.0])


def test_a_bending_transform_is_refused_with_a_sentence(scene, add_ct, axial):
    import slicer
    import vtk

    from PancreasSegPanel.scene.ct_node import geometry_of

    node = add_ct(axial)
    transform = scene.AddNewNodeByClass("vtkMRMLTransformNode", "warp")
    spline = vtk.vtkThinPlateSplineTransform()
    points, moved = vtk.vtkPoints(), vtk.vtkPoints()
    for p in ((0, 0, 0), (100, 0, 0), (0, 100, 0), (0, 0, 100)):
        points.InsertNextPoint(p)
        moved.InsertNextPoint([c + 5 * (i + 1) for i, c in enumerate(p)])
    spline.SetSourceLandmarks(points)
    spline.SetTargetLandmarks(moved)
    spline.SetBasisToR()
    transform.SetAndObserveTransformToParent(spline)
    node.SetAndObserveTransformNodeID(transform.GetID())
    assert isinstance(transform, slicer.vtkMRMLTransformNode)
    with pytest.raises(GeometryError, match="bends space"):
        geometry_of(node)


def test_the_key_changes_with_the_content_and_the_place(scene, add_ct, axial):
    from PancreasSegPanel.scene.ct_node import content_key

    node = add_ct(axial)
    first = content_key(node)
    assert content_key(node) == first
    node.GetImageData().GetPointData().GetScalars().Modified()
    second = content_key(node)
    assert second != first
    move(scene, node, (1.0, 0.0, 0.0))
    assert content_key(node) != second


def test_an_empty_volume_is_refused(scene):
    from PancreasSegPanel.scene.ct_node import check_node, voxels_of

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    with pytest.raises(NotACTError, match="no voxels"):
        voxels_of(node)
    assert not check_node(node).usable


def test_a_ct_is_told_from_an_mr_and_a_thin_slab(scene, add_ct, axial):
    from PancreasSegLib.volume import Box, Geometry, Volume
    from PancreasSegPanel.scene.ct_node import check_node, voxels_of
    from PancreasSegPanel.scene.volume_node import add_volume

    ct = add_ct(axial)
    assert check_node(ct).usable
    assert "40 × 36 × 32" in check_node(ct).sentence
    whole = Volume(voxels_of(ct).copy(), axial)
    slab = whole.cropped(Box((0, 0, 0), (40, 36, 5)))
    assert "too thin" in check_node(add_volume(scene, slab, "slab")).sentence
    mr = Volume(np.abs(whole.voxels) // 2 + 10, Geometry(axial.size_ijk, axial.spacing_mm))
    said = check_node(add_volume(scene, mr, "MR"))
    assert not said.usable
    assert "does not look like a CT" in said.sentence
    assert "--" not in said.sentence  # the command line's advice means nothing here


def test_hu_plus_1024_is_said_with_what_can_be_done_in_the_application(scene, add_ct, axial):
    from PancreasSegLib.volume import Volume
    from PancreasSegPanel.scene.ct_node import check_node, voxels_of
    from PancreasSegPanel.scene.volume_node import add_volume

    shifted = Volume(voxels_of(add_ct(axial)) + 1024, axial)
    said = check_node(add_volume(scene, shifted, "CT"))
    assert not said.usable
    assert "HU + 1024" in said.sentence and "Simple Filters" in said.sentence
    assert "--" not in said.sentence and "hu_offset" not in said.sentence


def move(scene, node, by_ras):
    import vtk

    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    matrix = vtk.vtkMatrix4x4()
    for row, value in enumerate(by_ras):
        matrix.SetElement(row, 3, value)
    transform.SetMatrixTransformToParent(matrix)
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform
