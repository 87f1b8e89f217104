"""One network of the cascade and how it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from PancreasSegLib.training.recipe.augmentation import AugmentationRecipe
from PancreasSegLib.training.recipe.loss import LossRecipe
from PancreasSegLib.training.recipe.optimizer import EarlyStoppingRecipe, OptimizerRecipe
from PancreasSegLib.training.recipe.part import CountOrAuto, Part, PatchOrAuto, Share, SpacingOrAuto


class RegionRecipe(Part):
    """The part of each scan that a stage is trained on: all of it, or the organ's box with a margin in mm."""

    kind: Literal["scan", "organ"] = "scan"
    margin_mm: float = Field(default=50.0, ge=0)


class SamplingRecipe(Part):
    """How patches are drawn: shares centred on the organ and on any other label, the rest anywhere.

    ``batch_size`` is that of a step, over all processes; ``accumulate`` cuts it into parts that are computed one
    after the other, for less memory.
    """

    batch_size: CountOrAuto = Field(default=2, ge=0)
    accumulate: int = Field(default=1, ge=1)
    organ_share: Share = 0.5
    label_share: Share = 0.2
    phantom_share: Share = 0.0
    morph_share: float = Field(default=0.0, ge=0, le=1, description="of cases in the shapes of ``data.shapes``")
    base_share: float = Field(default=0.0, ge=0, le=1, description="of cases that are there against forgetting")


class StageRecipe(Part):
    """One network of the cascade and how it is trained.

    ``initial_weights`` are ``network.safetensors`` files of the same architecture; ``{run}`` is the run's folder,
    so that a stage can start from one that was trained before it in the same fold.

    ``spacing_mm`` and ``patch_ijk`` run along canonical x (Left), y (Posterior), z (Superior); the network's
    ``arguments`` follow torch's (z, y, x). With ``spatial_dims: 2`` among the arguments the stage learns slices,
    and the patch is one voxel thick.

    A run ends after ``steps``, or after ``epochs`` of ``steps_per_epoch``, or by ``time_limit_minutes`` of the
    ``clock`` (of the wall, or the processor time of the process), or by ``early_stopping``. ``watch`` says what
    early stopping, the plateau and ``keep: best`` look at: the organ's Dice on held-out patients, or the mean of
    all labels; where nobody is held out, the loss.
    """

    spacing_mm: SpacingOrAuto
    window_hu: tuple[float, float] = (-125.0, 275.0)
    mean_hu: float = 60.0
    std_hu: float = Field(default=85.0, gt=0)
    hu_mask: Literal["none", "mask", "channel"] = "none"
    region: RegionRecipe = RegionRecipe()
    patch_ijk: PatchOrAuto
    network: str = "dynunet"
    arguments: dict[str, Any] = Field(default={}, description="of the network, see `pancreasseg networks`")
    sampling: SamplingRecipe = SamplingRecipe()
    augmentation: AugmentationRecipe = AugmentationRecipe()
    optimizer: OptimizerRecipe = OptimizerRecipe()
    loss: LossRecipe = LossRecipe()
    steps: int = Field(default=5000, ge=1)
    epochs: int | None = Field(default=None, ge=1, description="instead of steps")
    steps_per_epoch: int | None = Field(default=None, ge=1, description="validate_every where nothing is said")
    time_limit_minutes: float | None = Field(default=None, gt=0)
    clock: Literal["wall", "process"] = "wall"
    validate_every: int = Field(default=500, ge=1, description="steps")
    watch: Literal["organ", "mean"] = "organ"
    early_stopping: EarlyStoppingRecipe | None = None
    keep: Literal["last", "best"] = "last"
    checkpoint_minutes: float = Field(default=2.0, gt=0)
    members: int = Field(
        default=1, ge=1, description="networks of different seeds whose probabilities are averaged"
    )
    temperature: float = Field(
        default=1.0, gt=0, description="divides the scores before the softmax in the package"
    )
    initial_weights: tuple[Path, ...] = Field(default=(), description="files to start from, one a member")

    @model_validator(mode="before")
    @classmethod
    def _validated_each_epoch(cls, values: Any) -> Any:
        """Let a recipe that counts in epochs validate after each, where it says nothing else."""
        if isinstance(values, dict) and values.get("steps_per_epoch") and "validate_every" not in values:
            return {**values, "validate_every": values["steps_per_epoch"]}
        return values

    @field_validator("patch_ijk")
    @classmethod
    def _positive_patch(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if any(value) and min(value) < 1:
            raise ValueError("each length is at least 1")
        return value

    @field_validator("spacing_mm")
    @classmethod
    def _positive_spacing(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        if any(value) and min(value) <= 0:
            raise ValueError("each spacing is above 0")
        return value

    @field_validator("window_hu")
    @classmethod
    def _rising_window(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] >= value[1]:
            raise ValueError("the lower bound comes first")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> StageRecipe:
        if self.initial_weights and len(self.initial_weights) != self.members:
            raise ValueError(f"initial_weights: {len(self.initial_weights)} files for {self.members} members")
        if self.spatial_dims == 2 and any(self.patch_ijk) and self.patch_ijk[2] != 1:
            x, y, _ = self.patch_ijk
            raise ValueError(f"patch_ijk: a stage of slices (spatial_dims: 2) has patches of [{x}, {y}, 1]")
        if self.sampling.batch_size % self.sampling.accumulate:
            raise ValueError(
                f"sampling.accumulate: a batch of {self.sampling.batch_size} cannot be cut into "
                f"{self.sampling.accumulate} equal parts"
            )
        return self

    @property
    def spatial_dims(self) -> int:
        """2 for a stage that learns slices, else 3."""
        return 2 if self.arguments.get("spatial_dims") == 2 else 3

    @property
    def epoch_steps(self) -> int:
        """Steps of an epoch."""
        return self.steps_per_epoch or self.validate_every

    @property
    def total_steps(self) -> int:
        """Steps of the whole run, from ``epochs`` where they are given."""
        return self.epochs * self.epoch_steps if self.epochs else self.steps
