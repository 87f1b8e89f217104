"""From HU to the channels that a stage's network takes, as inference makes them too."""

from __future__ import annotations

import torch

from PancreasSegLib.roi.tissue import SOFT_TISSUE_HU
from PancreasSegLib.training.recipe import StageRecipe


def input_channels(hu: torch.Tensor, stage: StageRecipe) -> torch.Tensor:
    """Normalise HU, and use the soft-tissue HU mask as the recipe's ``hu_mask`` says.

    Parameters
    ----------
    hu : Tensor of float32, shape (z, y, x)
        HU inside the stage's window.
    stage : StageRecipe
        Window, normalisation, and ``hu_mask``: ``none``; ``mask`` (air outside the soft tissue, as in the earlier
        HU-threshold method) or ``channel`` (the mask as second channel).

    Returns
    -------
    Tensor of float32, shape (1 or 2, z, y, x)
    """
    low, high = SOFT_TISSUE_HU
    soft = (hu >= low) & (hu <= high)
    if stage.hu_mask == "mask":
        hu = torch.where(soft, hu, stage.window_hu[0])
    image = (hu - stage.mean_hu) / stage.std_hu
    return torch.stack([image, soft.to(image.dtype)]) if stage.hu_mask == "channel" else image[None]
