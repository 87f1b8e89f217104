"""Which model package of a cross-validation never saw which patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PancreasSegLib.data import Case, Dataset, read_dataset
from PancreasSegLib.errors import DatasetError, ModelPackageError, RecipeError
from PancreasSegLib.training.division import patient_split
from PancreasSegLib.training.recipe import Recipe, load_recipe


def fold_packages(run: Path, cases: Sequence[Case]) -> dict[str, Path]:
    """Return, by case, the package of the fold that held the case's patient out.

    Parameters
    ----------
    run : Path
        ``output/name`` of a recipe, with ``fold-N/recipe.yaml`` and ``fold-N/package``, as
        ``pancreasseg cross-validate`` leaves them; or the recipe itself.
    cases : sequence of Case
        The cases to predict, all from the dataset that the folds were made of.

    Raises
    ------
    DatasetError
        If a case was not in the folds' dataset, so that nobody knows who saw it.
    ModelPackageError
        If the package of a fold is missing.
    RecipeError
        If there are no folds, or they were not made by one split.
    """
    recipe, folder = _recipe_of(run)
    dataset = _dataset_of(recipe, folder)
    known = {case.name: case for case in dataset.cases if case.name not in recipe.data.exclude}
    split = patient_split(recipe.data, [case.patient for case in known.values()])
    number_of = {patient: number for number, held_out in enumerate(split.folds) for patient in held_out}
    found = {}
    for case in cases:
        if case.name not in known:
            raise DatasetError(
                f"The folds in {folder} were not made of {case.name}, so a model may have seen this patient.",
                f"They were made of {dataset.root}; choose among its cases with --cases.",
            )
        patient = known[case.name].patient
        if patient not in number_of and patient not in split.test:
            raise DatasetError(
                f"No model in {folder} never saw {case.name}: the split holds it out in no fold.",
                "Choose among the patients that are held out, with --cases.",
            )
        package = folder / f"fold-{number_of.get(patient, 0)}" / "package"  # nobody saw those of the test
        if not package.is_dir():
            raise ModelPackageError(
                f"The model that never saw {case.name} is not in {package}.",
                "Finish `pancreasseg cross-validate` of the recipe first.",
            )
        found[case.name] = package
    return found


def _recipe_of(run: Path) -> tuple[Recipe, Path]:
    """Return the recipe of a run folder, or of a recipe, and the folder of its folds."""
    if not run.is_dir():
        recipe = load_recipe(run)
        return recipe, recipe.output / recipe.name
    made = {path.parent.name: load_recipe(path) for path in sorted(run.glob("fold-[0-9]*/recipe.yaml"))}
    if not made:
        raise RecipeError(
            f"There are no folds in {run}.",
            "Give the folder that `pancreasseg cross-validate` made, or its recipe.",
        )
    first = next(iter(made.values()))
    split = _split_of(first)
    for name, recipe in made.items():
        if _split_of(recipe) != split or f"fold-{recipe.fold}" != name:
            raise RecipeError(f"{run / name} was not trained on the same split as the other folds.")
    return first, run


def _split_of(recipe: Recipe) -> tuple[object, ...]:
    data = recipe.data
    return str(data.root), data.division, sorted(data.exclude)


def _dataset_of(recipe: Recipe, folder: Path) -> Dataset:
    try:
        return read_dataset(recipe.data.root)
    except DatasetError as error:
        raise DatasetError(
            f"The dataset that the folds in {folder} were made of cannot be read. {error.message}",
            "Without it nobody knows which model saw which patient; run from the folder where it was trained.",
        ) from error
