"""The scene of the host is real MRML, and `slicer` has what the application has, not more."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def volume(host):
    import slicer
    import vtk

    node = slicer.util.addVolumeFromArray(np.zeros((10, 12, 14), np.int16), name="CT")
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy((-2, 0, 0, 10, 0, -2, 0, 20, 0, 0, 3, -30, 0, 0, 0, 1))
    node.SetIJKToRASMatrix(matrix)
    node.CreateDefaultDisplayNodes()
    return node


@pytest.fixture
def segmentation(volume):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    return node


def block(volume, low, high):
    mask = np.zeros((10, 12, 14), np.uint8)
    mask[low:high, low:high, low:high] = 1
    return mask


def test_names_that_only_slicer_core_has_are_gone(host):
    import slicer

    for name in (
        "arrayFromVolume",
        "getNode",
        "VTKObservationMixin",
        "vtkITK",
        "vtkITKImageWriter",
        "MRMLCore",
        "me",
    ):
        assert not hasattr(slicer, name), name
    assert callable(slicer.util.arrayFromVolume)
    assert slicer.vtkMRMLScene and slicer.vtkSegmentationConverter
    assert slicer.app.mrmlScene() is slicer.mrmlScene
    assert slicer.modules.segmentations.logic().GetMRMLScene() is slicer.mrmlScene
    assert not hasattr(slicer.modules, "nosuchmodule")
    import vtkITK

    assert vtkITK.vtkITKImageWriter


def test_a_segment_comes_back_exactly(volume, segmentation):
    import slicer

    identifier = segmentation.GetSegmentation().AddEmptySegment("Pancreas", "Pancreas")
    mask = block(volume, 2, 7)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, identifier, volume)
    assert np.array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, identifier, volume), mask)


def test_undo_of_a_segmentation(host, volume, segmentation):
    import slicer

    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    editor.setMRMLSegmentEditorNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
    editor.setSegmentationNode(segmentation)
    identifier = segmentation.GetSegmentation().AddEmptySegment("Pancreas", "Pancreas")
    before, after = block(volume, 2, 5), block(volume, 3, 8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(before, segmentation, identifier, volume)
    editor.saveStateForUndo()
    slicer.util.updateSegmentBinaryLabelmapFromArray(after, segmentation, identifier, volume)
    editor.undo()
    assert np.array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, identifier, volume), before)
    editor.redo()
    assert np.array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, identifier, volume), after)


@pytest.mark.parametrize("name", ["scene.mrb", "sub/scene.mrml"])
def test_a_scene_comes_back_with_its_voxels(host, volume, segmentation, tmp_path, name):
    import slicer

    slicer.util.arrayFromVolume(volume)[3, 4, 5] = 99
    identifier = segmentation.GetSegmentation().AddEmptySegment("Pancreas", "Pancreas")
    mask = block(volume, 2, 7)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, identifier, volume)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    host.save_scene(path)
    host.close_scene()
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    host.load_scene(path)
    again, organs = slicer.util.getNode("CT"), slicer.util.getNode("Organs")
    assert slicer.util.arrayFromVolume(again)[3, 4, 5] == 99
    assert np.array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(organs, identifier, again), mask)


def test_files_are_loaded_and_saved_by_their_names(host, volume, tmp_path):
    import slicer

    slicer.util.arrayFromVolume(volume)[1, 2, 3] = 7
    path = tmp_path / "Bild ü.nrrd"
    assert slicer.util.saveNode(volume, str(path))
    loaded = slicer.util.loadVolume(str(path))
    assert slicer.util.arrayFromVolume(loaded)[1, 2, 3] == 7
    with pytest.raises(RuntimeError):
        slicer.util.loadVolume(str(tmp_path / "missing.nrrd"))


def test_the_views_show_the_segment_where_it_is(host, volume, segmentation):
    import slicer

    identifier = segmentation.GetSegmentation().AddEmptySegment("Pancreas", "Pancreas", (0.0, 1.0, 0.0))
    slicer.util.updateSegmentBinaryLabelmapFromArray(block(volume, 2, 8), segmentation, identifier, volume)
    segmentation.CreateClosedSurfaceRepresentation()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    for name in ("Red", "Yellow", "Green"):
        slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode().JumpSliceByCentering(1, 11, -16)
    slicer.util.resetThreeDViews()
    for name, picture in host.view_pictures().items():
        colour = picture.astype(int)
        green = (colour[..., 1] > colour[..., 0] + 40) & (colour[..., 1] > colour[..., 2] + 40)
        rows, columns = np.nonzero(green)
        assert green.mean() > 0.01, name
        middle = (rows.mean() / green.shape[0], columns.mean() / green.shape[1])
        assert np.allclose(middle, 0.5, atol=0.1), (name, middle)
    segmentation.GetDisplayNode().SetVisibility(False)
    picture = host.view_pictures()["Red"].astype(int)
    assert not (picture[..., 1] > picture[..., 0] + 40).any()


def test_a_screenshot_says_what_it_is_not(host, volume, tmp_path):
    path = tmp_path / "host.png"
    host.screenshot(path)
    assert path.stat().st_size > 5000
    assert host.window.windowTitle == "test host, not 3D Slicer"


def test_installing_is_recorded(host):
    import slicer
    from slicer.packaging import pip_ensure

    pip_ensure(["monai>=1.4"], requester="PancreasSeg", skip_packages=["torch"])
    slicer.util.pip_install(["safetensors"])
    assert host.installations.requests == [["monai>=1.4"], ["safetensors"]]
