"""MONAI's own runner on an exported package: right place, right label, on the CT's own grid, whatever its axes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from PancreasSegLib.models import export_package, write_package

SPACING_IJK = (4.0, 5.0, 6.0)
CENTRE_LPS = np.array([12.0, -8.0, 20.0])
RADIUS_MM = 24.0


def shifting_network(tiny, stage):
    """A DynUNet that finds voxels above 100 HU and moves them a voxel to Left and a voxel to Inferior."""
    from PancreasSegLib.networks import build_network

    network = build_network("dynunet", lean=True, **stage.arguments).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for name, parameter in network.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.fill_(1)
        network.input_block.conv1.conv.weight[0, 0, 2, 1, 0] = 1  # z + 1, x - 1
        network.input_block.conv2.conv.weight[0, 0, 1, 1, 1] = 1
        last = network.upsamples[-1].conv_block
        last.conv1.conv.weight[0, 2, 1, 1, 1] = 1  # the skip connection comes after the upsampled channels
        last.conv2.conv.weight[0, 0, 1, 1, 1] = 1
        network.output_block.conv.conv.weight[2, 0] = 40
        network.output_block.conv.conv.bias[2] = -20.0  # 100 HU is 0.5 after (HU - 50) / 100
    return network.state_dict()


def ct_with_a_ball(direction, size=(40, 36, 30)) -> sitk.Image:
    """200 HU within RADIUS_MM of CENTRE_LPS, 0 HU elsewhere, on a grid of any orientation."""
    spacing = (2.0, 2.5, 3.0)
    matrix = np.array(direction).reshape(3, 3)
    origin = CENTRE_LPS - matrix @ (np.array(spacing) * (np.array([40, 36, 30]) - 1) / 2) + 5.0
    k, j, i = np.indices(size[::-1])
    positions = origin + np.stack([i, j, k], -1) * spacing @ matrix.T
    ct = np.where(np.linalg.norm(positions - CENTRE_LPS, axis=-1) < RADIUS_MM, 200, 0).astype(np.int16)
    image = sitk.GetImageFromArray(ct)
    image.SetSpacing(spacing)
    image.SetOrigin(origin.tolist())
    image.SetDirection(list(direction))
    return image


def centroid_lps(mask: sitk.Image) -> np.ndarray:
    k, j, i = np.argwhere(sitk.GetArrayFromImage(mask) > 0).mean(0)
    return np.array(mask.TransformContinuousIndexToPhysicalPoint([i, j, k]))


@pytest.fixture
def moving(tiny, tmp_path):
    """An exported package whose network moves what it finds; two members, labels that are renamed."""
    stage = tiny.stage(members=2, spacing_mm=SPACING_IJK)
    state = shifting_network(tiny, stage)
    made = write_package(
        tmp_path / "moving",
        tiny.package(stage, name="moving", labels={"pancreas": 5}),
        dict.fromkeys(stage.weights, state),
        "card",
    )
    return export_package(made, tmp_path / "exported", for_monai=True)


DIRECTIONS = {
    "lps": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "sagittal": (0, 0, 1, 1, 0, 0, 0, -1, 0),
    "mirrored": (0, -1, 0, -1, 0, 0, 0, 0, -1),
}


def check(moving, data, name):
    ct = sitk.ReadImage(str(data / f"{name}.nii.gz"))
    mask = sitk.ReadImage(str(data / "out" / f"{name}_pancreas.nii.gz"))
    assert mask.GetSize() == ct.GetSize()
    assert np.allclose(mask.GetOrigin(), ct.GetOrigin(), atol=1e-3)
    assert np.allclose(mask.GetDirection(), ct.GetDirection(), atol=1e-4)
    voxels = sitk.GetArrayFromImage(mask)
    assert set(np.unique(voxels)) == {0, 5}
    volume = (voxels > 0).sum() * np.prod(mask.GetSpacing())
    assert volume == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3, rel=0.2)
    moved = centroid_lps(mask) - CENTRE_LPS
    assert np.allclose(moved, [SPACING_IJK[0], 0, -SPACING_IJK[2]], atol=1.0)  # Left is +, Inferior is -


def test_it_segments_scans_of_any_orientation(moving, tmp_path):
    pytest.importorskip("nibabel")
    from monai.bundle import run

    data = tmp_path / "data"
    data.mkdir()
    for name, direction in DIRECTIONS.items():
        sitk.WriteImage(ct_with_a_ball(direction), str(data / f"{name}.nii.gz"))
    run(
        config_file=str(moving / "configs/inference.json"),
        bundle_root=str(moving),
        dataset_dir=str(data),
        output_dir=str(data / "out"),
    )
    for name in DIRECTIONS:
        check(moving, data, name)
    assert torch.is_grad_enabled()


def test_the_localiser_says_where_to_look(tiny, tmp_path):
    pytest.importorskip("nibabel")
    from monai.bundle import run

    stages = (tiny.stage("localiser", spacing_mm=(5.0, 5.0, 6.0)), tiny.stage(spacing_mm=SPACING_IJK))
    states = {stage.weights[0]: shifting_network(tiny, stage) for stage in stages}
    made = write_package(tmp_path / "cascade", tiny.package(*stages, labels={"pancreas": 5}), states, "card")
    data = tmp_path / "data"
    data.mkdir()
    image = ct_with_a_ball(DIRECTIONS["sagittal"], size=(40, 36, 60))
    ct = sitk.GetArrayFromImage(image)
    ct[-9:-2, 5:12, 5:12] = 200  # bright too, smaller and far away
    speck = sitk.GetImageFromArray(ct)
    speck.CopyInformation(image)
    sitk.WriteImage(speck, str(data / "two.nii.gz"))
    run(
        config_file=str(made.path / "configs/inference.json"),
        bundle_root=str(made.path),
        dataset_dir=str(data),
        output_dir=str(data / "out"),
    )
    check(made.path, data, "two")


@pytest.mark.slow
def test_the_command_line_of_monai(moving, tmp_path):
    pytest.importorskip("nibabel")
    pytest.importorskip("fire")
    data = tmp_path / "data"
    data.mkdir()
    sitk.WriteImage(ct_with_a_ball(DIRECTIONS["sagittal"]), str(data / "scan.nii.gz"))
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", "configs/inference.json"]
    command += ["--bundle_root", ".", "--dataset_dir", str(data), "--output_dir", str(data / "out")]
    subprocess.run(command, cwd=moving, check=True)
    check(moving, data, "scan")


def test_a_network_that_monai_lacks_is_built_by_the_library(tiny, tmp_path):
    from monai.bundle import ConfigParser

    from PancreasSegLib.networks import build_network

    arguments = {"out_channels": 3, "filters": [2, 2], "strides": [1, 2]}
    stage = tiny.stage(network="fcn", arguments=arguments, multiple_ijk=(2, 2, 2))
    state = build_network("fcn", **arguments).state_dict()
    made = write_package(tmp_path / "fcn", tiny.package(stage), {stage.weights[0]: state}, "card")
    parser = ConfigParser()
    parser.read_config(str(made.path / "configs/inference.json"))
    network = parser.get_parsed_content("network_def")
    assert type(network).__name__ == "FCN"
    network.load_state_dict(state)


def test_no_configuration_for_a_network_that_needs_our_mask(tiny, tmp_path):
    stage = tiny.stage(hu_mask="channel", arguments={**tiny.arguments, "in_channels": 2})
    made = tiny.written(tmp_path / "masked", tiny.package(stage))
    assert not (made.path / "configs/inference.json").exists()
