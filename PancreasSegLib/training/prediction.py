"""The classes that a network sees in a prepared case, on the stage's own grid, in 3D or slice by slice."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from PancreasSegLib.training.cache import PreparedCase
from PancreasSegLib.training.channels import input_channels
from PancreasSegLib.training.recipe import StageRecipe

_SLICES_AT_ONCE = 16


@torch.no_grad()
def predicted_classes(
    network: torch.nn.Module,
    case: PreparedCase,
    stage: StageRecipe,
    device: torch.device,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Predict a case whole by sliding windows.

    Parameters
    ----------
    network : Module
        In evaluation mode afterwards.
    case : PreparedCase
        On the stage's grid.
    stage : StageRecipe
        Patch and normalisation.
    device, dtype
        Where and in what precision to run.

    Returns
    -------
    Tensor of int64, shape (z, y, x)
        Class indices, on `device`.
    """
    network.eval()
    low, high = stage.window_hu
    hu = torch.from_numpy(case.image).to(device).float() * ((high - low) / 255.0) + low
    image = input_channels(_at_least(hu, stage, low), stage)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        classes = _by_slices(network, image, stage) if stage.spatial_dims == 2 else _whole(network, image, stage)
    z, y, x = hu.shape
    return classes[:z, :y, :x]


def predicted_array(
    network: torch.nn.Module, case: PreparedCase, stage: StageRecipe, device: torch.device, dtype: torch.dtype
) -> NDArray[np.uint8]:
    """Return `predicted_classes` as an array of uint8."""
    return predicted_classes(network, case, stage, device, dtype).to(torch.uint8).cpu().numpy()


def _whole(network: torch.nn.Module, image: torch.Tensor, stage: StageRecipe) -> torch.Tensor:
    from monai.inferers import sliding_window_inference

    window = stage.patch_ijk[::-1]
    logits = sliding_window_inference(image[None], window, 1, network, overlap=0.25, mode="gaussian")
    return torch.as_tensor(logits)[0].argmax(0)


def _by_slices(network: torch.nn.Module, image: torch.Tensor, stage: StageRecipe) -> torch.Tensor:
    """Predict (c, z, y, x) as a batch of slices."""
    from monai.inferers import sliding_window_inference

    window = stage.patch_ijk[1::-1]
    parts = []
    for slices in image.transpose(0, 1).split(_SLICES_AT_ONCE):
        logits = sliding_window_inference(slices, window, _SLICES_AT_ONCE, network, overlap=0.25, mode="gaussian")
        parts.append(torch.as_tensor(logits).argmax(1))
    return torch.cat(parts)


def _at_least(hu: torch.Tensor, stage: StageRecipe, air: float) -> torch.Tensor:
    """Return the case with air added at the far ends, so that a patch fits in."""
    missing = [max(0, want - have) for want, have in zip(stage.patch_ijk, reversed(hu.shape), strict=True)]
    return torch.nn.functional.pad(hu, [n for length in missing for n in (0, length)], value=air)
