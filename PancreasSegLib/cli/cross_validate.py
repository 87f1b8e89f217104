"""``pancreasseg cross-validate``: train every fold of a recipe and score its held-out patients."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="A YAML recipe, or the name of one that comes with PancreasSeg.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. data.folds=5 data.root=FOLDER")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is there.")] = False,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")] = None,
    in_plane_mm: Annotated[
        float | None, typer.Option("--in-plane", help="Score on CTs resampled to this in-plane spacing in mm.")
    ] = None,
) -> None:
    """Predict every patient by a model that never saw the patient, and measure on the CT's own grid.

    Writes cases.csv and summary.json into output/name/cross-validation.
    """
    from PancreasSegLib.cli.evaluation_tables import cohort_table
    from PancreasSegLib.cli.interruption import cancelled_by_ctrl_c
    from PancreasSegLib.cli.terminal import note, show
    from PancreasSegLib.training.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])

    import torch

    from PancreasSegLib.cli.training_display import TrainingDisplay
    from PancreasSegLib.training.cross_validation import cross_validate
    from PancreasSegLib.training.distributed import is_first_process
    from PancreasSegLib.training.monitor.forgiving import Forgiving

    if threads:
        torch.set_num_threads(threads)
    with (
        cancelled_by_ctrl_c() as cancel,
        TrainingDisplay(live=loaded.monitor.table and is_first_process()) as display,
    ):
        cohort = cross_validate(
            loaded,
            resume=resume,
            in_plane_mm=in_plane_mm,
            progress=display,
            observers=[Forgiving(display, "the table")],
            cancel=cancel,
            scored=lambda score: note(f"{score.case}: Dice {score.dice:.3f} {score.error}"),
        )
    if is_first_process():
        show(cohort_table(cohort))
