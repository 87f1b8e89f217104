"""Segmentations for 3D Slicer: the header's fields, and where it can be had, Slicer's own reader."""

from __future__ import annotations

import re

import numpy as np
import pytest

from PancreasSegLib.io import read_labels, write_mask
from PancreasSegLib.io.terminology import term_of
from PancreasSegLib.volume import Geometry

PANCREAS = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure"
    "~SCT^15776009^Pancreas~^^~Anatomic codes - DICOM master list~^^~^^"
)
_C, _S = np.cos(0.3), np.sin(0.3)
GRID = Geometry((20, 16, 12), (0.8, 0.7, 2.5), (-60.0, 35.5, -410.25), (_C, 0, _S, 0, -1, 0, -_S, 0, _C))


def _mask() -> np.ndarray:
    mask = np.zeros(GRID.shape_zyx, np.uint8)
    mask[2:5, 3:9, 4:15] = 1
    mask[7, 1, 2] = 3
    return mask


def _header(path) -> dict[str, str]:
    text = path.read_bytes().split(b"\n\n", 1)[0].decode("utf-8")
    assert text.startswith("NRRD")
    return dict(re.split(r":=|: ", line, maxsplit=1) for line in text.splitlines() if re.search(r":=|: ", line))


def test_fields(tmp_path):
    path = tmp_path / "case.seg.nrrd"
    write_mask(path, _mask(), GRID, labels={"pancreas": 1, "right_kidney": 3, "spleen": 2, "my thing": 9})
    header = _header(path)
    assert header["type"] in ("unsigned char", "uint8")
    assert header["sizes"] == "20 16 12"
    assert header["space"] == "left-posterior-superior"
    assert header["encoding"] == "gzip"
    assert header["Segment0_ID"] == "Segment_1"
    assert header["Segment0_Name"] == "pancreas"
    assert header["Segment0_LabelValue"] == "1"
    assert header["Segment0_Layer"] == "0"
    assert header["Segment0_Extent"] == "4 14 3 8 2 4"
    color = [float(v) for v in header["Segment0_Color"].split()]
    assert np.allclose(color, np.array([249, 180, 111]) / 255, atol=1e-6)
    assert f"TerminologyEntry:{PANCREAS}|" in header["Segment0_Tags"]
    assert header["Segment1_Extent"] == "2 2 1 1 7 7"
    assert "SCT^64033007^Kidney~SCT^24028007^Right" in header["Segment1_Tags"]
    assert header["Segment2_Extent"] == "0 -1 0 -1 0 -1"
    assert "SCT^85756007^Tissue" in header["Segment3_Tags"]
    assert header["Segmentation_SourceRepresentation"] == "Binary labelmap"
    assert header["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert header["Segmentation_ContainedRepresentationNames"] == "Binary labelmap|"
    assert header["Segmentation_ReferenceImageExtentOffset"] == "0 0 0"


def test_reference_geometry(tmp_path):
    path = tmp_path / "case.seg.nrrd"
    write_mask(path, _mask(), GRID)
    name, value, _ = _header(path)["Segmentation_ConversionParameters"].rstrip("&").split("|")
    assert name == "Reference image geometry"
    numbers = [float(v) for v in value.split(";") if v]
    to_ras = np.array(numbers[:16]).reshape(4, 4)
    assert numbers[16:] == [0, 19, 0, 15, 0, 11]
    position = (to_ras @ [7, 5, 3, 1])[:3] * [-1, -1, 1]
    assert np.allclose(position, GRID.index_to_lps((7, 5, 3)), atol=1e-9)


def test_one_label_is_the_pancreas_by_default(tmp_path):
    write_mask(tmp_path / "case.seg.nrrd", _mask() == 1, GRID)
    header = _header(tmp_path / "case.seg.nrrd")
    assert header["Segment0_Name"] == "pancreas"
    assert "Segment1_Name" not in header


def test_voxels_come_back(tmp_path):
    write_mask(tmp_path / "case.seg.nrrd", _mask(), GRID, labels={"pancreas": 1, "lesion": 3})
    again = read_labels(tmp_path / "case.seg.nrrd")
    assert np.array_equal(again.voxels, _mask())
    assert again.geometry.matches(GRID, 1e-3)


def test_terms():
    assert term_of("pancreas").slicer_entry == PANCREAS
    assert term_of("PANCREAS").rgb == (249, 180, 111)
    assert term_of("Kidney-Left").modifier == ("7771000", "Left")
    assert term_of("pancreas head").type == ("85756007", "Tissue")


def test_slicer_reads_it(tmp_path):
    slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
    vtk = pytest.importorskip("vtk")
    path = tmp_path / "case.seg.nrrd"
    write_mask(path, _mask(), GRID, labels={"pancreas": 1, "lesion": 3})
    scene = slicer.vtkMRMLScene()
    node = slicer.vtkMRMLSegmentationNode()
    storage = slicer.vtkMRMLSegmentationStorageNode()
    scene.AddNode(node)
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    segmentation = node.GetSegmentation()
    assert segmentation.GetNumberOfSegments() == 2
    assert segmentation.GetNthSegment(0).GetName() == "pancreas"
    entry = vtk.reference("")
    assert segmentation.GetNthSegment(0).GetTag("TerminologyEntry", entry)
    assert str(entry) == PANCREAS
    labelmap = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segmentation.GetNthSegmentID(0), labelmap)
    to_world = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(to_world)
    ras = to_world.MultiplyPoint((4, 3, 2, 1))[:3]
    assert np.allclose(np.array(ras) * [-1, -1, 1], GRID.index_to_lps((4, 3, 2)), atol=1e-3)
    assert labelmap.GetScalarComponentAsDouble(4, 3, 2, 0) == 1
