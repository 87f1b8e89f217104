"""A training recipe: everything that decides a run, typed, in one YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from PancreasSegLib.errors import RecipeError

Triple = tuple[float, float, float]
IndexTriple = tuple[int, int, int]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataRecipe(_Part):
    """Which patients and labels.

    ``root`` is an MSD-style folder; ``cache`` holds the prepared cases (a prepared cache is enough to train);
    ``labels`` are the classes to learn, in the order of the output channels after background.
    """

    root: Path
    cache: Path = Path(".runs/cache")
    labels: tuple[str, ...] = ("pancreas",)
    organ: str = "pancreas"
    folds: int = Field(default=5, ge=2)
    split_seed: int = 0
    exclude: tuple[str, ...] = ()
    phantoms: int = Field(default=0, ge=0, description="generated anatomical phantoms added to the training cases")


class RegionRecipe(_Part):
    """The part of each scan that a stage is trained on: all of it, or the organ's box with a margin in mm."""

    kind: Literal["scan", "organ"] = "scan"
    margin_mm: float = Field(default=50.0, ge=0)


class SamplingRecipe(_Part):
    """How patches are drawn: shares centred on the organ and on any other label, the rest anywhere."""

    batch_size: int = Field(default=2, ge=1)
    organ_share: float = Field(default=0.5, ge=0, le=1)
    label_share: float = Field(default=0.2, ge=0, le=1)
    phantom_share: float = Field(default=0.0, ge=0, le=1)
    base_share: float = Field(default=0.0, ge=0, le=1, description="of cases that are there against forgetting")


class AugmentationRecipe(_Part):
    """Strengths and probabilities of the augmentations (the nnU-Net family, and contrast phase).

    Angles in degrees, lengths in mm, intensities in HU.
    """

    rotation_deg: Triple = (12.0, 12.0, 25.0)
    rotation_probability: float = Field(default=0.5, ge=0, le=1)
    scale: tuple[float, float] = (0.75, 1.35)
    axis_scale: float = Field(default=0.1, ge=0)
    scale_probability: float = Field(default=0.5, ge=0, le=1)
    elastic_mm: float = Field(default=5.0, ge=0)
    elastic_grid_mm: float = Field(default=45.0, gt=0)
    elastic_probability: float = Field(default=0.4, ge=0, le=1)
    noise_hu: float = Field(default=25.0, ge=0)
    noise_probability: float = Field(default=0.3, ge=0, le=1)
    blur_mm: tuple[float, float] = (0.5, 1.6)
    blur_probability: float = Field(default=0.2, ge=0, le=1)
    sharpen_probability: float = Field(default=0.1, ge=0, le=1)
    low_resolution: float = Field(default=2.2, ge=1)
    low_resolution_probability: float = Field(default=0.3, ge=0, le=1)
    brightness_hu: float = Field(default=20.0, ge=0)
    contrast: tuple[float, float] = (0.7, 1.35)
    intensity_probability: float = Field(default=0.4, ge=0, le=1)
    gamma: tuple[float, float] = (0.7, 1.5)
    gamma_probability: float = Field(default=0.25, ge=0, le=1)
    phase_hu: float = Field(default=22.0, ge=0, description="SD of the HU shift of each labelled organ")
    phase_probability: float = Field(default=0.3, ge=0, le=1)
    truncate_probability: float = Field(default=0.08, ge=0, le=1, description="the scan ends inside the patch")


class OptimizerRecipe(_Part):
    """Optimiser, its schedule and the exponential moving average of the weights."""

    name: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    momentum: float = Field(default=0.99, ge=0, lt=1)
    warmup: float = Field(default=0.02, ge=0, lt=1, description="share of the run with a rising rate")
    power: float = Field(default=0.9, gt=0, description="exponent of the polynomial decay")
    clip_norm: float = Field(default=12.0, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)


class LossRecipe(_Part):
    """Dice + cross-entropy; `organ_weight` is the weight of the organ among the foreground classes."""

    organ_weight: float = Field(default=2.0, gt=0)
    dice: float = Field(default=1.0, ge=0)
    cross_entropy: float = Field(default=1.0, ge=0)


class StageRecipe(_Part):
    """One network of the cascade and how it is trained.

    ``initial_weights`` are ``network.safetensors`` files of the same architecture; ``{run}`` is the run's folder,
    so that a stage can start from one that was trained before it in the same fold.

    ``spacing_mm`` and ``patch_ijk`` run along canonical x (Left), y (Posterior), z (Superior); the network's
    ``arguments`` follow torch's (z, y, x).
    """

    spacing_mm: Triple
    window_hu: tuple[float, float] = (-125.0, 275.0)
    mean_hu: float = 60.0
    std_hu: float = Field(default=85.0, gt=0)
    hu_mask: Literal["none", "mask", "channel"] = "none"
    region: RegionRecipe = RegionRecipe()
    patch_ijk: IndexTriple
    network: str = "dynunet"
    arguments: dict[str, Any] = {}
    sampling: SamplingRecipe = SamplingRecipe()
    augmentation: AugmentationRecipe = AugmentationRecipe()
    optimizer: OptimizerRecipe = OptimizerRecipe()
    loss: LossRecipe = LossRecipe()
    steps: int = Field(default=5000, ge=1)
    time_limit_minutes: float | None = Field(default=None, gt=0)
    validate_every: int = Field(default=500, ge=1)
    checkpoint_minutes: float = Field(default=2.0, gt=0)
    members: int = Field(
        default=1, ge=1, description="networks of different seeds whose probabilities are averaged"
    )
    temperature: float = Field(
        default=1.0, gt=0, description="divides the scores before the softmax in the package"
    )
    initial_weights: tuple[Path, ...] = Field(default=(), description="files to start from, one a member")

    @model_validator(mode="after")
    def _one_start_a_member(self) -> StageRecipe:
        if self.initial_weights and len(self.initial_weights) != self.members:
            raise ValueError(f"initial_weights: {len(self.initial_weights)} files for {self.members} members")
        return self


class RefinerRecipe(_Part):
    """The network that carries a reader's marks further, and the simulated readers that it learns from.

    It is trained after a cross-validation, on the masks of patients that their networks never saw. Lengths in mm.
    """

    network: str = "dynunet"
    arguments: dict[str, Any] = {
        "filters": [24, 48, 96],
        "kernel_size": [[3, 3, 3]] * 3,
        "strides": [[1, 2, 2], [2, 2, 2], [2, 2, 2]],
        "norm": "instance",
        "deep_supervision": False,
    }
    batch_size: int = Field(default=2, ge=1)
    steps: int = Field(default=4000, ge=1)
    time_limit_minutes: float | None = Field(default=None, gt=0)
    checkpoint_minutes: float = Field(default=2.0, gt=0)
    optimizer: OptimizerRecipe = OptimizerRecipe(ema=0.998, weight_decay=0.02, clip_norm=5.0)
    marks: tuple[int, int] = Field(default=(3, 8), description="fewest and most marks of a session")
    stroke_mm: tuple[float, float] = (20.0, 50.0)
    brush_mm: tuple[float, float] = Field(default=(1.5, 4.0), description="radius")
    point_share: float = Field(default=0.15, ge=0, le=1)
    spoilt_share: float = Field(default=0.35, ge=0, le=1, description="sessions whose mask is spoilt further")
    mask_only_share: float = Field(default=0.15, ge=0, le=1, description="sessions without a probability")


class Recipe(_Part):
    """The whole recipe; ``stages`` are trained in the order given, ``fold`` is a number or ``all``."""

    name: str
    version: str = "1"
    description: str = ""
    licence: str = ""
    sources: tuple[dict[str, Any], ...] = ()
    seed: int = 0
    data: DataRecipe
    fold: int | Literal["all"] = "all"
    only: tuple[str, ...] = Field(default=(), description="train these networks alone, e.g. segmenter-0")
    output: Path = Path(".runs")
    device: str = "auto"
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    stages: dict[Literal["localiser", "segmenter"], StageRecipe]
    refiner: RefinerRecipe | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if not self.stages:
            raise ValueError("stages: at least one stage is needed")
        if self.data.organ not in self.data.labels:
            raise ValueError(f"data.organ: {self.data.organ!r} is not among data.labels {self.data.labels}")
        if isinstance(self.fold, int) and not 0 <= self.fold < self.data.folds:
            raise ValueError(
                f"fold: {self.fold} is not one of the {self.data.folds} folds (0 to {self.data.folds - 1})"
            )
        return self

    @property
    def run_folder(self) -> Path:
        """Folder of this run: ``output/name/fold-N``."""
        return self.output / self.name / f"fold-{self.fold}"


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply ``key=value`` overrides.

    Parameters
    ----------
    path : str or Path
        YAML file, or the name of a recipe that comes with the library (``default``).
    overrides : sequence of str
        Dotted keys, values in YAML: ``stages.segmenter.steps=200``, ``fold=0``.

    Returns
    -------
    Recipe

    Raises
    ------
    RecipeError
        If the file is missing or no YAML, or a field is unknown or wrong; the sentence names the field.
    """
    file = find_recipe(path)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise RecipeError(f"{file} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{file} holds no recipe.", "A recipe is a mapping with name, data and stages.")
    for override in overrides:
        apply_override(content, override)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors()]
        raise RecipeError(f"The recipe {file.name} is wrong at {'; '.join(lines)}.") from error


def find_recipe(path: str | Path) -> Path:
    """Return the recipe's file: a path, or a name under the library's ``recipes`` folder."""
    given = Path(path).expanduser()
    shipped = Path(__file__).parent.parent / "recipes" / f"{given.name}.yaml"
    if given.is_file():
        return given
    if shipped.is_file() and given.name == str(path):
        return shipped
    names = sorted(file.stem for file in shipped.parent.glob("*.yaml"))
    raise RecipeError(f"There is no recipe {path}.", f"Give a YAML file or one of: {', '.join(names)}.")


def apply_override(content: dict[str, Any], override: str) -> None:
    """Set a field by its dotted name, ``key=value`` with the value in YAML.

    Raises
    ------
    RecipeError
        If it is of another form.
    """
    key, separator, raw = override.partition("=")
    if not separator or not key:
        raise RecipeError(f"The override {override!r} is not of the form key=value.")
    *parents, last = key.split(".")
    node = content
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise RecipeError(f"The override {override!r} goes through {parent!r}, which holds no fields.")
    try:
        node[last] = yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise RecipeError(f"The value of the override {override!r} is not valid YAML.") from error
