"""MONAI's own runner on a package whose network sees slices, and which finds another organ."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from PancreasSegLib.inference import Segmenter
from PancreasSegLib.io import read_volume
from PancreasSegLib.models import export_package, write_package
from PancreasSegLib.networks import build_network

ARGUMENTS = {
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": 2,
    "filters": [2, 2, 2],
    "strides": [1, 2, 2],
    "norm": "batch",
}
SPACING_IJK = (4.0, 4.0, 6.0)


def shifting_state() -> dict[str, torch.Tensor]:
    """Weights that find what is above 100 HU, a pixel further to the Left."""
    network = build_network("dynunet", lean=True, **ARGUMENTS).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
        network.input_block.conv1.conv.weight[0, 0, 1, 0] = 1
        network.input_block.conv2.conv.weight[0, 0, 1, 1] = 1
        last = network.upsamples[-1].conv_block
        last.conv1.conv.weight[0, 2, 1, 1] = 1  # the skip connection comes after the upsampled channels
        last.conv2.conv.weight[0, 0, 1, 1] = 1
        network.output_block.conv.conv.weight[1, 0] = 40
        network.output_block.conv.conv.bias[1] = -20.0  # 100 HU is 0.5 after (HU - 50) / 100
    return network.state_dict()


def test_slices_are_fed_as_slices_and_lie_where_ours_do(tiny, tmp_path):
    pytest.importorskip("nibabel")
    from monai.bundle import run

    stage = tiny.stage(
        arguments=ARGUMENTS, spacing_mm=SPACING_IJK, patch_ijk=(16, 24, 1), multiple_ijk=(4, 4, 1),
        labels={"background": 0, "liver": 1},
    )  # fmt: skip
    description = tiny.package(stage, name="slices", labels={"liver": 3})
    made = write_package(tmp_path / "slices", description, {stage.weights[0]: shifting_state()}, "card")
    bundle = export_package(made, tmp_path / "exported", for_monai=True)

    body = np.full((24, 48, 56), -1000, np.int16)
    body[:, 4:-4, 4:-4] = 20
    body[8:16, 18:30, 20:36] = 200
    image = sitk.GetImageFromArray(body)
    image.SetSpacing((4.0, 4.0, 6.0))
    image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, -1))
    data = tmp_path / "data"
    data.mkdir()
    sitk.WriteImage(image, str(data / "scan.nii.gz"))
    run(
        config_file=str(bundle / "configs/inference.json"),
        bundle_root=str(bundle),
        dataset_dir=str(data),
        output_dir=str(data / "out"),
    )
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(str(data / "out/scan_segmentation.nii.gz")))
    assert set(np.unique(theirs)) == {0, 3}
    ours = Segmenter.load(made, device="cpu", threads=1).segment(read_volume(data / "scan.nii.gz")).mask
    assert set(np.unique(ours)) == {0, 3}
    both, total = ((ours > 0) & (theirs > 0)).sum(), (ours > 0).sum() + (theirs > 0).sum()
    assert 2 * both / total > 0.9
    moved = np.argwhere(ours > 0).mean(0) - np.argwhere(body == 200).mean(0)
    assert np.allclose(moved, (0, 1, 0), atol=0.3)  # the file's j leads to the Left
