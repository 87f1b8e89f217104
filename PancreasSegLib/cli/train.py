"""``pancreasseg train``: train the networks of a recipe and make a model package of them."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="A YAML recipe, or the name of one that comes with PancreasSeg.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. fold=0 stages.segmenter.steps=200 data.root=FOLDER")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")] = None,
) -> None:
    """Train the networks of a recipe on an MSD-style folder and export a model package.

    The run folder (output/name/fold-N) holds the recipe, checkpoints, losses.csv and validation.csv of each
    network, and at the end the package. A run that was cut off goes on with --resume.
    """
    from PancreasSegLib.cli.progress_bar import ProgressBar
    from PancreasSegLib.cli.terminal import say
    from PancreasSegLib.training.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])

    import torch

    from PancreasSegLib.training.export import export_run
    from PancreasSegLib.training.run import missing_networks, train_networks

    if threads:
        torch.set_num_threads(threads)
    with ProgressBar() as bar:
        train_networks(loaded, resume=resume, progress=bar)
    missing = missing_networks(loaded)
    if missing:
        say(f"Trained in {loaded.run_folder}; still to train for a model package: {', '.join(missing)}.")
        return
    package = export_run(loaded)
    say(f"The model package is {package}. Use it by: pancreasseg segment CT --model {package} --output MASK")
