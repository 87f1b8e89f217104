"""``pancreasseg compare``: the variants of a recipe side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from PancreasSegLib.training.compare_report import VariantRow


def command(
    recipe: Annotated[
        str, typer.Argument(help="A YAML recipe with `variants`, or the name of one that comes along.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value for all variants, e.g. data.root=FOLDER fold=0")
    ] = None,
    folds: Annotated[
        bool, typer.Option("--folds", help="Every fold: a cross-validation of each variant.")
    ] = False,
    only: Annotated[str | None, typer.Option("--only", help="Names of variants, separated by commas.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is there.")] = False,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")] = None,
) -> None:
    """Train every variant of a recipe on the same patients and budget, and score each on those held out.

    The scores are those of the model packages on the CTs' own grids. Writes comparison.csv, .json, .md, .png and
    cases.csv into output/name/comparison. A variant that fails is reported, and the others go on; exit status 2
    if all failed.
    """
    from PancreasSegLib.cli.interruption import cancelled_by_ctrl_c
    from PancreasSegLib.cli.terminal import note, say, show
    from PancreasSegLib.errors import RecipeError
    from PancreasSegLib.training.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])

    import torch

    from PancreasSegLib.cli.training_display import TrainingDisplay
    from PancreasSegLib.training.compare import compare_variants
    from PancreasSegLib.training.compare_report import write_comparison
    from PancreasSegLib.training.monitor.forgiving import Forgiving

    if threads:
        torch.set_num_threads(threads)
    with cancelled_by_ctrl_c() as cancel, TrainingDisplay(live=loaded.monitor.table) as display:
        results = compare_variants(
            loaded,
            every_fold=folds,
            only=only.split(",") if only else (),
            resume=resume,
            progress=display,
            observers=[Forgiving(display, "the table")],
            told=note,
            cancel=cancel,
        )
    folder = loaded.output / loaded.name / "comparison"
    rows = write_comparison(folder, loaded, results)
    show(_table(rows))
    for row in rows:
        if row.error:
            say(f"{row.variant} failed: {row.error}")
    say(f"Table and plot: {folder}")
    if all(row.error for row in rows):
        raise RecipeError(
            "Every variant failed.", f"{loaded.output / loaded.name}/variants/*/error.txt say where."
        )


def _table(rows: Sequence[VariantRow]) -> Table:
    from rich.table import Table

    from PancreasSegLib.training.compare_report import table_cells

    table = Table("Variant")
    for title in ("Param.", "GFLOPs", "Min", "Memory", "Dice", "worst", "NSD 3 mm"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.variant, *table_cells(row))
    return table
