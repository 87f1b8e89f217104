"""Make a model package of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PancreasSegLib.errors import RecipeError
from PancreasSegLib.models import ModelPackage, Stage, write_package
from PancreasSegLib.networks import input_multiple
from PancreasSegLib.refine.evidence import WINDOW_HU
from PancreasSegLib.refine.work_grid import LEAST_IJK, MULTIPLE_IJK, SPACING_MM
from PancreasSegLib.training.plan import as_run
from PancreasSegLib.training.recipe import Recipe, StageRecipe
from PancreasSegLib.training.refiner.trainer import refiner_arguments
from PancreasSegLib.training.run import missing_networks, network_file
from PancreasSegLib.training.stage_network import stage_arguments

REFINER = "refiner-0"
"""Folder and file name of a run's refiner."""

ROLES = ("localiser", "segmenter")
"""Stages in the order in which the cascade runs them."""


def export_run(
    recipe: Recipe, destination: Path | None = None, *, scores: dict | None = None, model_card: str = ""
) -> Path:
    """Write the networks of a run as a model package.

    Parameters
    ----------
    recipe : Recipe
        The recipe of the run; its run folder must hold every network.
    destination : Path, optional
        Folder of the package; ``run_folder/package`` when left out, replaced if it is there.
    scores : dict, optional
        Measured figures to be kept in the package.
    model_card : str, optional
        Markdown written by a person, instead of the short one that the recipe makes.

    Returns
    -------
    Path
        The package's folder.

    A refiner is put in where the recipe has one and it is trained; a package can be used without.

    Raises
    ------
    RecipeError
        If a network is not finished.
    """
    from safetensors.torch import load_file

    recipe = as_run(recipe)
    missing = missing_networks(recipe)
    if missing:
        raise RecipeError(f"The run {recipe.run_folder} lacks {', '.join(missing)}.", "Train with --resume first.")
    stages: list[Stage] = []
    weights: dict[str, Any] = {}
    for role in sorted(recipe.stages, key=ROLES.index):  # they may be trained in another order
        stage = recipe.stages[role]
        files = tuple(f"models/{role}-{member}.safetensors" for member in range(stage.members))
        for member, file in enumerate(files):
            weights[file] = load_file(network_file(recipe, f"{role}-{member}"))
        stages.append(_stage(role, stage, recipe, files))
    refiner = _refiner(recipe)
    if refiner is not None:
        weights[refiner.weights[0]] = load_file(network_file(recipe, REFINER))
    folder = destination or recipe.run_folder / "package"
    package = ModelPackage(
        name=recipe.name if recipe.fold == "all" else f"{recipe.name}-fold-{recipe.fold}",
        version=recipe.version,
        description=recipe.description,
        path=folder,
        stages=tuple(stages),
        labels={name: value for value, name in enumerate(recipe.data.written, 1)},
        scores=scores or {},
        sources=recipe.sources,
        licence=recipe.licence,
        recipe=recipe.model_dump(mode="json", exclude={"output", "device"}),
        refiner=refiner,
    )
    write_package(folder, package, weights, model_card=model_card or _card(package), overwrite=True)
    return folder


def _stage(role: str, stage: StageRecipe, recipe: Recipe, files: tuple[str, ...]) -> Stage:
    arguments = stage_arguments(stage, len(recipe.data.labels))
    return Stage(
        role=role,
        network=stage.network,
        arguments=arguments,
        weights=files,
        spacing_mm=stage.spacing_mm,
        window_hu=stage.window_hu,
        mean_hu=stage.mean_hu,
        std_hu=stage.std_hu,
        patch_ijk=stage.patch_ijk,
        multiple_ijk=input_multiple(stage.network, **arguments),
        labels={"background": 0} | {name: index + 1 for index, name in enumerate(recipe.data.labels)},
        hu_mask=stage.hu_mask,
        temperature=stage.temperature,
    )


def _refiner(recipe: Recipe) -> Stage | None:
    """Return the refiner of a recipe, None where it has none or it is not trained (yet)."""
    if recipe.refiner is None or not network_file(recipe, REFINER).is_file():
        return None
    arguments = refiner_arguments(recipe.refiner)
    low, high = WINDOW_HU
    return Stage(
        role="refiner",
        network=recipe.refiner.network,
        arguments=arguments,
        weights=(f"models/{REFINER}.safetensors",),
        spacing_mm=SPACING_MM,
        window_hu=(low, high),
        mean_hu=60.0,
        std_hu=85.0,
        patch_ijk=LEAST_IJK,
        multiple_ijk=MULTIPLE_IJK,
        labels={"background": 0, recipe.data.organ: 1},
    )


def _card(package: ModelPackage) -> str:
    """Return a short model card; a person adds what only a person knows."""
    lines = [f"# {package.name} {package.version}", "", package.description, ""]
    lines += ["Research use only; not a medical device.", "", "## Stages", ""]
    for stage in package.all_stages:
        lines.append(
            f"- {stage.role}: {stage.network}, {len(stage.weights)} network(s), "
            f"spacing {list(stage.spacing_mm)} mm, window {list(stage.window_hu)} HU, "
            f"classes {', '.join(stage.labels)}"
        )
    lines += ["", "## Training data", ""]
    lines += [f"- {source.get('name', '?')}: {source.get('licence', '?')}" for source in package.sources] or ["-"]
    lines += [
        "",
        "## Measured",
        "",
        "See `scores` in configs/metadata.json." if package.scores else "Nothing yet.",
    ]
    return "\n".join(lines) + "\n"
