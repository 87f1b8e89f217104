"""``pancreasseg train-refiner``: train the network that carries a reader's marks further."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="A YAML recipe, or the name of one that comes with PancreasSeg.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. fold=0 refiner.steps=200 data.root=FOLDER")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")] = None,
) -> None:
    """Train the refiner of a recipe after its cross-validation, and put it into the model package.

    Simulated readers correct the masks of patients that their networks never saw. With fold=N the patients of that
    fold are left out, so that benchmark-correction --folds can measure it on them.
    """
    from PancreasSegLib.cli.progress_bar import ProgressBar
    from PancreasSegLib.cli.terminal import say
    from PancreasSegLib.training.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])

    import torch

    from PancreasSegLib.training.export import export_run
    from PancreasSegLib.training.refiner.run import train_refiner
    from PancreasSegLib.training.run import missing_networks

    if threads:
        torch.set_num_threads(threads)
    with ProgressBar() as bar:
        weights = train_refiner(loaded, resume=resume, progress=bar)
    if missing_networks(loaded):
        say(f"The refiner is {weights}; it goes into the model package when the networks of the run are trained.")
        return
    say(f"The refiner is {weights}, and is part of the model package {export_run(loaded)}.")
