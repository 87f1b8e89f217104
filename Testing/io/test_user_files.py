"""Files as users have them: values that are off, masks of other programs, folders of other programs."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_writer import body, write_series

from PancreasSegLib.errors import NotACTError
from PancreasSegLib.io import find_scans, read_labels, read_volume, write_mask, write_volume
from PancreasSegLib.volume import Geometry, Volume

GRID = Geometry((32, 24, 12), (0.8, 0.7, 2.5), (-30.0, -20.0, 100.0))


def _saved(path, voxels):
    write_volume(path, Volume(voxels, GRID))
    return path


def _padded(value: int) -> np.ndarray:
    voxels = body().astype(np.int32) + 1024
    voxels[:, :3] = voxels[..., -2:] = value
    return voxels.astype(np.int16)


SHIFTED = {
    "plain": body() + 1024,
    "padded with -2000": _padded(-2000),
    "padded with -1024": _padded(-1024),
    "padded with 0": _padded(0),
    "padded with -32768": _padded(-32768),
}


@pytest.mark.parametrize("name", SHIFTED)
@pytest.mark.parametrize("extension", ["nii.gz", "mha"])
def test_hu_plus_1024_is_said_and_can_be_mended(tmp_path, name, extension):
    path = _saved(tmp_path / f"ct.{extension}", SHIFTED[name])
    with pytest.raises(NotACTError, match=r"HU \+ 1024") as caught:
        read_volume(path)
    assert "--hu-offset -1024" in caught.value.hint
    ct = read_volume(path, hu_offset=-1024)
    inside = np.s_[:, 3:, :-2]
    assert np.array_equal(ct.voxels[inside], body()[inside])
    assert ct.voxels.dtype == np.int16
    assert ct.source["hu_offset"] == -1024


def test_hu_plus_1024_in_dicom(tmp_path):
    write_series(tmp_path, body() + 1024)
    with pytest.raises(NotACTError, match=r"HU \+ 1024"):
        read_volume(tmp_path)
    assert np.array_equal(read_volume(tmp_path, hu_offset=-1024).voxels, body())


@pytest.mark.parametrize(
    "voxels", [body() + 1024, _padded(-2000), np.abs(body()) + 3], ids=["shifted", "padded", "mr"]
)
def test_assume_ct_says_what_it_assumes(tmp_path, voxels):
    ct = read_volume(_saved(tmp_path / "ct.nii.gz", voxels), assume_ct=True)
    (warning,) = ct.source["warnings"]
    assert warning["code"] == "assumed-ct"
    assert "that was asked for" in warning["sentence"]


@pytest.mark.parametrize("floor", [-3024, -2000, -1024, -1000, -125])
def test_cts_are_not_taken_for_shifted(tmp_path, floor):
    voxels = np.maximum(body(), floor)
    voxels[:, :3] = floor
    voxels[:, 9:12, 12:18] = 1100  # metal or contrast
    assert read_volume(_saved(tmp_path / "ct.nii.gz", voxels)).source["warnings"] == []


@pytest.mark.data
@pytest.mark.parametrize("name", ["ct/hcc_048_portal", "ct/waw_1211_arterial", "abdomen/imagesTr/abdomen_0005"])
@pytest.mark.parametrize("padding", [None, -2000])
def test_hu_plus_1024_of_real_cts(tmp_path, shared_data, name, padding):
    ct = read_volume(shared_data / f"{name}.nii.gz")
    assert ct.source["warnings"] == []
    voxels = np.clip(ct.voxels, -1024, 3000)[::4, ::4, ::4] + 1024
    if padding is not None:
        voxels[:, :4] = padding
    path = tmp_path / "ct.nii"
    write_volume(path, Volume(voxels, Geometry(voxels.shape[::-1], (2.8, 2.8, 10.0))))
    with pytest.raises(NotACTError):
        read_volume(path)


def test_labels_that_are_almost_whole(tmp_path):
    values = np.zeros(GRID.shape_zyx, np.float32)
    values[3:6, 4:9, 5:9], values[7, 7, 7] = 0.999999, 2.0000002
    mask = read_labels(_saved(tmp_path / "m.nii.gz", values))
    assert mask.voxels.dtype == np.uint8
    assert np.array_equal(mask.voxels, np.rint(values))
    with pytest.raises(NotACTError, match="whole"):
        read_labels(_saved(tmp_path / "m.nii.gz", values * 0.9))


# A case of TotalSegmentator


def test_a_totalsegmentator_case(tmp_path):
    case = tmp_path / "s0001"
    (case / "segmentations").mkdir(parents=True)
    _saved(case / "ct.nii.gz", body())
    for organ in ("pancreas", "liver"):
        write_mask(case / "segmentations" / f"{organ}.nii.gz", (body() > 30).astype(np.uint8), GRID)
    assert np.array_equal(read_volume(case).voxels, body())
    assert find_scans(tmp_path) == [case / "ct.nii.gz"]
    assert find_scans(case) == [case / "ct.nii.gz"]


def test_its_folder_is_one_scan_for_segment(tmp_path, monkeypatch):
    from PancreasSegLib.cli import segment

    case = tmp_path / "s0001"
    (case / "segmentations").mkdir(parents=True)
    _saved(case / "ct.nii.gz", body())
    assert not segment._is_folder_of_scans(case, None)
    assert not segment._is_folder_of_scans(case, tmp_path / "mask.nii.gz")


# Segmentations of 3D Slicer


def write_segments(path, layers: np.ndarray, segments: dict[str, tuple[int, int]], start=(0, 0, 0)) -> None:
    """Write a segmentation as Slicer does: layers (layer, z, y, x) that begin at voxel `start` of the CT."""
    count, z, y, x = layers.shape
    origin = np.array(GRID.origin_lps) + np.array(start) * GRID.spacing_mm
    several = count > 1
    directions = "(0.8,0,0) (0,0.7,0) (0,0,2.5)"
    fields = [
        "NRRD0004", "type: unsigned char", f"dimension: {3 + several}", "space: left-posterior-superior",
        f"sizes: {f'{count} ' if several else ''}{x} {y} {z}",
        f"space directions: {'none ' if several else ''}{directions}",
        f"kinds: {'list ' if several else ''}domain domain domain", "encoding: raw",
        f"space origin: ({origin[0]},{origin[1]},{origin[2]})",
    ]  # fmt: skip
    for number, (name, (layer, value)) in enumerate(segments.items()):
        given = {"ID": f"Segment_{number}", "Name": name, "Layer": layer, "LabelValue": value}
        fields += [f"Segment{number}_{key}:={text}" for key, text in given.items()]
    data = np.moveaxis(layers, 0, -1) if several else layers[0]
    path.write_bytes("\n".join(fields).encode() + b"\n\n" + np.ascontiguousarray(data, np.uint8).tobytes())


def test_segments_in_one_layer(tmp_path):
    layer = np.zeros((1, *GRID.shape_zyx), np.uint8)
    layer[0, 2:5, 3:9, 3:9], layer[0, 6:9, 3:9, 3:9] = 3, 1
    write_segments(tmp_path / "s.seg.nrrd", layer, {"Bauchspeicheldrüse": (0, 3), "liver": (0, 1)})
    labels = read_labels(tmp_path / "s.seg.nrrd")
    assert labels.source["segments"] == {"Bauchspeicheldrüse": 3, "liver": 1}
    assert np.array_equal(labels.voxels, layer[0])
    assert labels.geometry.matches(GRID)


def test_segments_in_layers_that_overlap(tmp_path):
    layers = np.zeros((2, *GRID.shape_zyx), np.uint8)
    layers[0, 2:8, 3:12, 3:12], layers[1, 3:5, 4:7, 4:7], layers[0, 10] = 1, 1, 2
    write_segments(tmp_path / "s.seg.nrrd", layers, {"pancreas": (0, 1), "tumour": (1, 1), "liver": (0, 2)})
    labels = read_labels(tmp_path / "s.seg.nrrd")
    expected = np.zeros(GRID.shape_zyx, np.uint8)
    expected[2:8, 3:12, 3:12], expected[10], expected[3:5, 4:7, 4:7] = 1, 3, 2
    assert labels.source["segments"] == {"pancreas": 1, "tumour": 2, "liver": 3}
    assert np.array_equal(labels.voxels, expected)
    assert labels.geometry.matches(GRID)


def test_a_segmentation_that_was_cut_lies_in_its_place(tmp_path):
    write_segments(tmp_path / "s.seg.nrrd", np.ones((1, 3, 5, 6), np.uint8), {"pancreas": (0, 1)}, (7, 8, 2))
    labels = read_labels(tmp_path / "s.seg.nrrd")
    assert labels.geometry.size_ijk == (6, 5, 3)
    assert GRID.lps_to_index(labels.geometry.origin_lps) == pytest.approx((7, 8, 2))
