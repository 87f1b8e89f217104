"""``pancreasseg train``: train the networks of a recipe, or a model package on with corrected cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from PancreasSegLib.training.finetune import Finetuned
    from PancreasSegLib.training.finetune_recipe import FinetuneRecipe
    from PancreasSegLib.training.recipe import Recipe

_TUNING = "Fine-tuning"
_TEACHING = "A teacher"


def _show_schema(wanted: bool) -> None:
    """Print the JSON schema of a recipe for editors, and end."""
    if wanted:
        import json

        from PancreasSegLib.training.recipe import recipe_schema

        print(json.dumps(recipe_schema(), indent=1))
        raise typer.Exit


def command(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|DATASET",
            help="A YAML recipe, or the name of one that comes along; with --finetune or "
            "--teacher a folder of cases.",
        ),
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. fold=0 stages.segmenter.steps=200 data.root=FOLDER")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")] = None,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema", callback=_show_schema, is_eager=True, help="Print the recipe's JSON schema and end."
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--finetune",
            metavar="MODEL",
            help="Train this model on with corrected cases.",
            rich_help_panel=_TUNING,
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            "--base", help="A dataset folder that is mixed in against forgetting.", rich_help_panel=_TUNING
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Of the new model; default MODEL-finetuned or MODEL-student."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a model or a run of that name.", rich_help_panel=_TUNING)
    ] = False,
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher",
            metavar="MODEL",
            help="Let this model label CTs that nobody read, and learn from them beside the dataset's masks.",
            rich_help_panel=_TEACHING,
        ),
    ] = None,
    unread: Annotated[
        Path | None,
        typer.Option(
            "--unlabelled",
            metavar="FOLDER",
            help="The CTs that nobody read; default imagesTs of the dataset.",
            rich_help_panel=_TEACHING,
        ),
    ] = None,
    student: Annotated[
        str,
        typer.Option("--recipe", metavar="RECIPE", help="Of the model that learns.", rich_help_panel=_TEACHING),
    ] = "default",
    least_confidence: Annotated[
        float,
        typer.Option(
            "--least-confidence",
            min=0.0,
            max=1.0,
            help="Leave out CTs of which the teacher is less sure (expected Dice).",
            rich_help_panel=_TEACHING,
        ),
    ] = 0.7,
) -> None:
    """Train the networks of a recipe on an MSD-style folder and export a model package.

    The run folder (output/name/fold-N) holds the recipe, run.json, and of each network checkpoints, losses.csv,
    validation.csv, metrics.png and previews, and at the end the package. A run that was cut off goes on with
    --resume; pancreasseg runs shows what a folder holds.

    With --finetune MODEL a model package is trained on with the corrected cases of a folder, and the new model is
    installed beside the others if held-out cases show that it is better.

    With --teacher MODEL a large model, an imported one for instance, labels CTs without masks, and the networks of
    --recipe learn from those beside the masks of the dataset folder.
    """
    from PancreasSegLib.cli.problem import usage_problem

    if threads:
        import torch

        torch.set_num_threads(threads)
    if model is not None:
        _finetune(model, Path(recipe), overrides or [], base, name, resume, force)
        return
    if base is not None or force or (name is not None and teacher is None):
        raise usage_problem("--base, --name and --force belong to --finetune.", "pancreasseg train")
    if teacher is not None:
        from PancreasSegLib.cli.teaching import recipe_of_lessons

        wanted = overrides or []
        _train(recipe_of_lessons(teacher, Path(recipe), unread, student, wanted, name, least_confidence), resume)
        return
    from PancreasSegLib.training.recipe import load_recipe

    _train(load_recipe(recipe, overrides or []), resume)


def _train(loaded: Recipe, resume: bool) -> None:
    from PancreasSegLib.cli.interruption import cancelled_by_ctrl_c
    from PancreasSegLib.cli.terminal import say
    from PancreasSegLib.cli.training_display import TrainingDisplay
    from PancreasSegLib.training.distributed import is_first_process
    from PancreasSegLib.training.export import export_run
    from PancreasSegLib.training.monitor.forgiving import Forgiving
    from PancreasSegLib.training.run import missing_networks, train_networks

    with (
        cancelled_by_ctrl_c() as cancel,
        TrainingDisplay(live=loaded.monitor.table and is_first_process()) as display,
    ):
        observers = [Forgiving(display, "the table")]
        train_networks(loaded, resume=resume, progress=display, cancel=cancel, observers=observers)
    if not is_first_process():
        return
    missing = missing_networks(loaded)
    if missing:
        say(f"Trained in {loaded.run_folder}; still to train for a model package: {', '.join(missing)}.")
        return
    package = export_run(loaded)
    say(f"The model package is {package}. Use it by: pancreasseg segment CT --model {package} --output MASK")


def _finetune(
    model: str, dataset: Path, overrides: list[str], base: Path | None, name: str | None, resume: bool, force: bool
) -> None:
    from PancreasSegLib.cli.interruption import cancelled_by_ctrl_c
    from PancreasSegLib.cli.progress_bar import ProgressBar
    from PancreasSegLib.cli.terminal import show
    from PancreasSegLib.errors import RecipeError
    from PancreasSegLib.models import add_package, find_package, packages_folder
    from PancreasSegLib.training.finetune_recipe import finetune_recipe, tuned_name

    settings = {"model": model, "dataset": dataset, "base": base}
    recipe = finetune_recipe({**settings, "name": name or tuned_name(find_package(model).name)}, overrides)
    if (packages_folder() / recipe.name).exists() and not force:
        raise RecipeError(
            f"There is a model {recipe.name} already.", "Give another --name, or --force to replace it."
        )

    from PancreasSegLib.training.finetune import finetune

    with cancelled_by_ctrl_c() as cancel, ProgressBar() as bar:
        done = finetune(recipe, resume=resume, restart=force, progress=bar, cancel=cancel)
    if done.scores.held_out or done.scores.base:
        show(_table(done))
    _refuse_if_worse(done, recipe)
    installed = add_package(done.package, force=force)
    _report(done, recipe, installed.name)


def _table(done: Finetuned) -> Table:
    from rich.table import Table

    from PancreasSegLib.training.finetune_export import mean_pair

    table = Table("Held-out case", "Dice before", "Dice after")
    for title, pairs in (("corrected", done.scores.held_out), ("base", done.scores.base)):
        for case, (before, after) in pairs.items():
            table.add_row(f"{title} {case}", f"{before:.3f}", f"{after:.3f}")
        if pairs:
            before, after = mean_pair(pairs)
            table.add_row(f"mean, {title}", f"{before:.3f}", f"{after:.3f}", end_section=True)
    return table


def _refuse_if_worse(done: Finetuned, recipe: FinetuneRecipe) -> None:
    """Keep a model that is no better out of the list; its package stays where it was made."""
    from PancreasSegLib.errors import NoImprovementError
    from PancreasSegLib.training.finetune_export import mean_pair

    if done.better is not False:
        return
    scores = done.scores
    if scores.held_out and mean_pair(scores.held_out)[1] <= mean_pair(scores.held_out)[0]:
        before, after = mean_pair(scores.held_out)
        what = f"is no better on the corrected cases held out (Dice {before:.3f} before, {after:.3f} after)"
    else:
        before, after = mean_pair(scores.base)
        what = f"has forgotten on the base cases held out (Dice {before:.3f} before, {after:.3f} after)"
    raise NoImprovementError(
        f"The fine-tuned model {what}, so it was not installed.",
        f"Correct more cases, or use it all the same: pancreasseg models add {done.package}",
    )


def _report(done: Finetuned, recipe: FinetuneRecipe, name: str) -> None:
    from PancreasSegLib.cli.terminal import say, warn

    if not done.scores.held_out:
        warn(
            "With too few patients to hold one out, nothing could be measured: whether the new model is better is "
            "not known. Two corrected patients are the least, five say more."
        )
    elif len(done.scores.held_out) < 5:
        count = len(done.scores.held_out)
        warn(f"Measured on {count} held-out case{'' if count == 1 else 's'} only: take the gain as a hint.")
    if recipe.base is None:
        warn("No base data was given with --base: what it lost on other cases is not known.")
    say(f"The model {name} is installed and in the panel's list. Use it by: pancreasseg segment CT --model {name}")
