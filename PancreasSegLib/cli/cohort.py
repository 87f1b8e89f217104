"""``pancreasseg cohort``: from an archive of scans to a table of measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from PancreasSegLib.cli.shared_options import share_options
from PancreasSegLib.cli.terminal import note, say, show

if TYPE_CHECKING:
    from PancreasSegLib.cohort.index import Index

app = typer.Typer(
    help="Cohorts: index an archive, plan and run it on one machine or many, report, compare.",
    no_args_is_help=True,
)

Folder = Annotated[
    Path, typer.Argument(metavar="COHORT", show_default=False, help="The cohort's folder; new or empty at first.")
]
Key = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        show_default=False,
        help="Where the key of the ids is, or is to be made; COHORT/private/key without it.",
    ),
]


@app.command("index")
def index_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            show_default=False,
            help="A folder, a URL such as s3://bucket/archive, or a CSV or Parquet file with a column `path`.",
        ),
    ],
    folder: Folder,
    order: Annotated[
        str, typer.Option(metavar="NAME,...", help="What is preferred among the series of a study, in this order.")
    ] = "original,portal,soft,tall,thin",
    least_height: Annotated[
        float, typer.Option("--least-height", metavar="MM", help="Least part of the body that a series covers.")
    ] = 80.0,
    choices: Annotated[
        Path | None,
        typer.Option(
            "--choices",
            metavar="CSV",
            show_default=False,
            help="Choices by hand: the columns scan (as in index.parquet) and chosen (1 or 0).",
        ),
    ] = None,
    key: Key = None,
) -> None:
    """List every series of an archive, and choose one scan a study.

    Only headers are read, and once: called again it reads what is new. COHORT/index.parquet has one row a series
    with why it was chosen or left out, ids instead of names, and no date. The order may name original, portal,
    arterial, unenhanced, soft (kernel), tall, thin and thick.
    """
    from PancreasSegLib.cohort.choice import ChoiceRule, read_choices
    from PancreasSegLib.cohort.folder import Cohort
    from PancreasSegLib.cohort.index import make_index

    names = tuple(name.strip() for name in order.split(",") if name.strip())
    rule = ChoiceRule(order=names, least_height_mm=least_height)
    by_hand = read_choices(choices) if choices else None
    if "://" not in source:
        source = str(Path(source).expanduser().absolute())
    cohort = Cohort.make(folder, key)

    def tell(units: int, series: int) -> None:
        note(f"{units} folders and files read, {series} series found")

    _show_index(make_index(source, cohort, rule, by_hand, tell))
    say(f"{cohort.index_file} written. Next: pancreasseg cohort plan {folder}")


def _show_index(index: Index) -> None:
    from rich.table import Table

    say(f"{index.series} series, {index.studies} studies, {index.patients} patients; {index.chosen} scans chosen")
    table = Table("why", box=None, header_style="bold")
    table.add_column("series", justify="right")
    for code, count in index.by_code.items():
        table.add_row(code, str(count))
    show(table)


share_options(app, "cohort", "`pancreasseg cohort`")
