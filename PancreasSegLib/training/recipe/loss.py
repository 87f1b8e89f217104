"""What a network is punished for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from PancreasSegLib.training.recipe.part import Part

LossName = Literal[
    "dice_ce",
    "dice_focal",
    "bce_dice",
    "dice",
    "cross_entropy",
    "bce",
    "focal",
    "generalized_dice",
    "generalized_dice_focal",
    "tversky",
    "focal_tversky",
    "hausdorff",
    "cl_dice",
]


class LossRecipe(Part):
    """A loss by name and the weights of its terms.

    ``organ_weight`` is the weight of the organ among the foreground classes. ``dice`` weighs the term of overlap
    (Dice, generalised Dice, Tversky), ``cross_entropy`` the term of voxels (cross-entropy, binary cross-entropy,
    focal), ``boundary`` the third term of ``hausdorff`` and ``cl_dice``.
    """

    name: LossName = "dice_ce"
    organ_weight: float = Field(default=2.0, gt=0)
    dice: float = Field(default=1.0, ge=0)
    cross_entropy: float = Field(default=1.0, ge=0)
    boundary: float = Field(default=0.1, ge=0)
    gamma: float = Field(default=2.0, ge=0, description="exponent of focal terms")
    false_positives: float = Field(default=0.3, ge=0, description="alpha of Tversky")
    false_negatives: float = Field(default=0.7, ge=0, description="beta of Tversky")

    @model_validator(mode="after")
    def _some_term(self) -> LossRecipe:
        if self.dice == 0 and self.cross_entropy == 0:
            raise ValueError("dice and cross_entropy cannot both be 0")
        return self
