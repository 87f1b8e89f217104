"""How a model is fine-tuned: few typed settings; all else comes from the model package itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from PancreasSegLib.errors import RecipeError
from PancreasSegLib.models import ModelPackage, Stage
from PancreasSegLib.models.metadata import is_package_name
from PancreasSegLib.training.recipe import OptimizerRecipe, RegionRecipe, StageRecipe, apply_override

_log = logging.getLogger(__name__)

Role = Literal["localiser", "segmenter"]


class FinetuneRecipe(BaseModel):
    """Settings of a fine-tuning run; every field can be given as ``key=value``.

    The defaults are careful: a tenth of the usual rate, a few hundred steps, a pull towards the weights that it
    starts from (L2-SP, Li, Grandvalet and Davoine 2018, "Explicit inductive bias for transfer learning with
    convolutional networks", ICML), half of the patches from the base data where there are any, and the state that
    did best on held-out cases is kept.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    dataset: Path
    base: Path | None = None
    name: str
    stages: tuple[Role, ...] = ("segmenter",)
    steps: int = Field(default=300, ge=1, description="for each network")
    time_limit_minutes: float | None = Field(default=None, gt=0, description="for all networks together")
    learning_rate: float = Field(default=1e-4, gt=0)
    base_share: float = Field(default=0.5, ge=0, lt=1, description="of the patches")
    anchor: float = Field(default=5.0, ge=0, description="pull towards the start, as a decoupled weight decay")
    ema: float = Field(default=0.98, ge=0, lt=1)
    held_out: float = Field(default=0.25, ge=0, lt=1, description="share of the patients; 0 measures nothing")
    base_held_out: int = Field(default=3, ge=0, description="base patients to see whether anything is forgotten")
    tolerance: float = Field(default=0.01, ge=0, description="Dice that the base patients may lose")
    validate_every: int = Field(default=50, ge=1)
    patience: int = Field(default=4, ge=1, description="looks at the held-out cases without gain before it ends")
    seed: int = 0
    stage: dict[str, Any] = Field(default={}, description="other settings of the tuned stages")
    output: Path = Path(".runs")
    device: str = "auto"
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"

    @field_validator("name")
    @classmethod
    def _usable(cls, name: str) -> str:
        if not name or not is_package_name(name) or name == "default":
            raise ValueError(f"{name!r} cannot be the name of a model: letters, digits, dots, dashes, underscores")
        return name

    @field_validator("stages")
    @classmethod
    def _some(cls, stages: tuple[Role, ...]) -> tuple[Role, ...]:
        if not stages or len(set(stages)) < len(stages):
            raise ValueError("name each stage that is to learn once")
        return stages

    @property
    def run_folder(self) -> Path:
        """Folder of this run."""
        return self.output / self.name / "finetune"


def finetune_recipe(settings: dict[str, Any], overrides: Sequence[str] = ()) -> FinetuneRecipe:
    """Make the settings of a run.

    Parameters
    ----------
    settings : dict
        Fields of `FinetuneRecipe`; None means left out.
    overrides : sequence of str
        ``key=value``, values in YAML; ``stage.augmentation.elastic_mm=5`` reaches into the tuned stages.

    Raises
    ------
    RecipeError
        If a field is unknown or wrong; the sentence names it.
    """
    content = {key: value for key, value in settings.items() if value is not None}
    for override in overrides:
        apply_override(content, override)
    try:
        return FinetuneRecipe.model_validate(content)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        known = ", ".join(FinetuneRecipe.model_fields)
        raise RecipeError(f"The fine-tuning is wrong at {'; '.join(lines)}.", f"It knows: {known}.") from error


def tuned_name(model: str) -> str:
    """Return the name of what a model becomes when no other is given.

    Examples
    --------
    >>> tuned_name("default"), tuned_name("default-finetuned"), tuned_name("default-finetuned-2")
    ('default-finetuned', 'default-finetuned-2', 'default-finetuned-3')
    """
    found = re.fullmatch(r"(.+)-finetuned(?:-(\d+))?", model)
    return f"{found[1]}-finetuned-{int(found[2] or 1) + 1}" if found else f"{model}-finetuned"


def class_names(stage: Stage) -> tuple[str, ...]:
    """Return the classes of a stage's network in the order of its channels from 1.

    Raises
    ------
    RecipeError
        If a channel has no name.
    """
    by_value = {value: name for name, value in stage.labels.items() if value > 0}
    if sorted(by_value) != list(range(1, len(by_value) + 1)) or stage.arguments.get("out_channels") != 1 + len(
        by_value
    ):
        raise RecipeError(
            f"The {stage.role} has channels without a name, so it cannot be fine-tuned.", "Name all its labels."
        )
    return tuple(by_value[value] for value in sorted(by_value))


def tuned_stage(package: ModelPackage, stage: Stage, recipe: FinetuneRecipe) -> StageRecipe:
    """Return how a stage of a package is trained on.

    What the network must be fed with is the package's; patches and augmentation are those that made it, where the
    package keeps its recipe; rate, steps and average are the fine-tuning's.

    Raises
    ------
    RecipeError
        If the settings under ``stage`` make no sense.
    """
    kept = _kept_recipe(package, stage.role)
    networks = sum(len(package_stage(package, role).weights) for role in recipe.stages)
    limit = recipe.time_limit_minutes
    content: dict[str, Any] = {
        "region": RegionRecipe(kind="organ" if stage.role == "segmenter" else "scan", margin_mm=60.0).model_dump(),
        "sampling": {"batch_size": 1},
        **{key: kept[key] for key in ("region", "sampling", "augmentation", "loss") if key in kept},
        "spacing_mm": stage.spacing_mm,
        "window_hu": stage.window_hu,
        "mean_hu": stage.mean_hu,
        "std_hu": stage.std_hu,
        "hu_mask": stage.hu_mask,
        "patch_ijk": stage.patch_ijk,
        "network": stage.network,
        "arguments": {k: v for k, v in stage.arguments.items() if k not in ("in_channels", "out_channels")},
        "temperature": stage.temperature,
        "members": len(stage.weights),
        "steps": recipe.steps,
        "time_limit_minutes": limit / networks if limit else None,
        "validate_every": recipe.validate_every,
        "optimizer": OptimizerRecipe(
            learning_rate=recipe.learning_rate, weight_decay=0.0, warmup=0.1, ema=recipe.ema
        ).model_dump(),
    }
    content["sampling"] = {**content["sampling"], "base_share": recipe.base_share}
    _merge(content, recipe.stage)
    try:
        return StageRecipe.model_validate(content)
    except ValidationError as error:
        lines = [f"stage.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise RecipeError(f"The fine-tuning is wrong at {'; '.join(lines)}.") from error


def package_stage(package: ModelPackage, role: str) -> Stage:
    """Return the stage of that role.

    Raises
    ------
    RecipeError
        If the package has none, or its network is not trained here.
    """
    stage = package.stage(role)
    if stage is None:
        raise RecipeError(f"The model {package.name} has no {role}.", "Choose other stages.")
    if stage.is_imported:
        raise RecipeError(
            f"The model {package.name} was imported from another program, and cannot be fine-tuned here.",
            "Fine-tune it where it came from and import it again, or fine-tune the default model.",
        )
    return stage


def _kept_recipe(package: ModelPackage, role: str) -> dict[str, Any]:
    """Return the recipe of a stage as the package keeps it; nothing of what this version does not understand."""
    stages = package.recipe.get("stages")
    kept = stages.get(role) if isinstance(stages, dict) else None
    if not isinstance(kept, dict):
        return {}
    parts = {}
    for key in ("region", "sampling", "augmentation", "loss"):
        field = StageRecipe.model_fields[key].annotation
        try:
            if key in kept and isinstance(field, type):
                parts[key] = field.model_validate(kept[key]).model_dump()
        except ValidationError:
            _log.warning("The %s in the recipe of %s is not understood; the defaults are taken", key, package.name)
    return parts


def _merge(content: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(content.get(key), dict):
            _merge(content[key], value)
        else:
            content[key] = value


def write_finetune_recipe(recipe: FinetuneRecipe) -> None:
    """Write the settings into the run folder."""
    recipe.run_folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    (recipe.run_folder / "finetune.yaml").write_text(text, encoding="utf-8")
