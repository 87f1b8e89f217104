"""``pancreasseg data inspect``: look at a dataset before anything is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from PancreasSegLib.cli.data_source import (
    Against,
    AssumeCt,
    Cases,
    Flip,
    Format,
    LabelFolder,
    Labels,
    Source,
    Values,
    Workers,
    counted,
    interruptible,
    selection_of,
    survey_of,
    tell_missing,
)

if TYPE_CHECKING:
    from PancreasSegLib.data.quality_report import QualityReport


def command(
    name: Format,
    source: Source,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the report; default SRC-quality here.")
    ] = None,
    labels: Labels = None,
    against: Against = None,
    workers: Workers = 1,
    listed: Annotated[
        bool, typer.Option("--list", help="Only list the cases and structures; no image is read.")
    ] = False,
    cases: Cases = None,
    label_folder: LabelFolder = None,
    flip: Flip = None,
    values: Values = None,
    assume_ct: AssumeCt = False,
) -> None:
    """Read every case of a dataset and report on its quality: report.html, quality.json, cases.csv.

    Nothing is changed. Spacing, HU, label volumes, orientation, scans that are there twice (here or --against
    another dataset), outliers, and a picture of each case. A second run reads only what is new.
    """
    from PancreasSegLib.cli.terminal import say
    from PancreasSegLib.data.inspection import inspect_dataset
    from PancreasSegLib.errors import DatasetError

    found = survey_of(name, source, cases, label_folder, flip, values)
    if listed:
        say(f"Structures: {', '.join(found.structures)}")
        for case in found.cases:
            say(case.name)
        tell_missing(found.left_out, ())
        return
    selection = selection_of(labels, found)
    folder = output or Path(f"{source.resolve().name}-quality")
    with interruptible("what was measured is kept") as (cancel, bar):
        report = inspect_dataset(
            found,
            folder,
            selection=selection,
            against=against or (),
            assume_ct=assume_ct,
            workers=workers,
            progress=bar,
            cancel=cancel,
        )
    tell_missing(report.left_out, report.failed)
    tell_quality(report, folder)
    if report.failed:
        raise DatasetError(f"{len(report.failed)} of {len(found.cases)} cases could not be read.", "See above.")


def tell_quality(report: QualityReport, folder: Path) -> None:
    """Show what to look at, and where the report is."""
    from rich.table import Table
    from rich.text import Text

    from PancreasSegLib.cli.terminal import note, say, show
    from PancreasSegLib.data.quality_files import HTML_FILE

    for remark, count in report.common.items():
        note(f"{count} of {len(report.cases)} cases: {remark.sentence}")
    table = Table("Case", "Remark")
    for name, found in sorted(report.remarks.items()):
        for remark in found:
            table.add_row(Text(name), Text(remark.sentence))
    if report.remarks:
        show(table)
    odd = f"{len(report.remarks)} with remarks"
    say(f"{counted(len(report.cases), 'case')}, {odd}. The report is {folder / HTML_FILE}.")
