"""How strongly patches are changed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from PancreasSegLib.training.recipe.part import Part, Share, Triple


class AugmentationRecipe(Part):
    """Strengths and probabilities of the augmentations (the nnU-Net family, and contrast phase).

    Angles in degrees, lengths in mm, intensities in HU. A 2D stage turns, scales and bends within the slice alone.
    """

    rotation_deg: Triple = (12.0, 12.0, 25.0)
    rotation_probability: Share = 0.5
    scale: tuple[float, float] = (0.75, 1.35)
    axis_scale: float = Field(default=0.1, ge=0)
    scale_probability: Share = 0.5
    elastic_mm: float = Field(default=5.0, ge=0)
    elastic_grid_mm: float = Field(default=45.0, gt=0)
    elastic_probability: Share = 0.4
    noise_hu: float = Field(default=25.0, ge=0)
    noise_probability: Share = 0.3
    blur_mm: tuple[float, float] = (0.5, 1.6)
    blur_probability: Share = 0.2
    sharpen_probability: Share = 0.1
    low_resolution: float = Field(default=2.2, ge=1)
    low_resolution_probability: Share = 0.3
    brightness_hu: float = Field(default=20.0, ge=0)
    contrast: tuple[float, float] = (0.7, 1.35)
    intensity_probability: Share = 0.4
    gamma: tuple[float, float] = (0.7, 1.5)
    gamma_probability: Share = 0.25
    phase_hu: float = Field(default=22.0, ge=0, description="SD of the HU shift of each labelled organ")
    phase_probability: Share = 0.3
    contrast_phases: dict[Literal["native", "arterial", "pancreatic", "portal", "delayed"], Share] = Field(
        default_factory=dict, description="share of the patches shown as each contrast phase; the rest stays"
    )
    truncate_probability: float = Field(default=0.08, ge=0, le=1, description="the scan ends inside the patch")

    @field_validator("contrast_phases")
    @classmethod
    def _check_shares(cls, shares: dict[str, float]) -> dict[str, float]:
        if sum(shares.values()) > 1:
            raise ValueError(f"contrast_phases: the shares add up to {sum(shares.values()):g}, more than 1")
        return shares
