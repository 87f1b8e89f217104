"""The options that ``data inspect`` and ``data prepare`` share: what is read, and which labels are wanted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from PancreasSegLib.cli.progress_bar import ProgressBar
    from PancreasSegLib.data.adapters import LeftOut, Survey
    from PancreasSegLib.data.label_selection import LabelSelection
    from PancreasSegLib.progress import CancelToken

_SOURCE = "Source"

Format = Annotated[
    str,
    typer.Argument(
        metavar="FORMAT",
        help="nih, msd (prepared folders, too), flare22, ircadb, btcv, amos22, totalsegmentator, nnunet, folder.",
    ),
]
Source = Annotated[Path, typer.Argument(metavar="SRC", help="The unpacked dataset; for folder a CSV file, too.")]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--labels",
        metavar="NAME[=A+B]",
        help='Which labels, and what is merged: "pancreas=pancreas+tumour", "liver=liver*"; default all.',
    ),
]
Cases = Annotated[
    str | None,
    typer.Option("--cases", help="Names of cases, separated by commas; default all.", rich_help_panel=_SOURCE),
]
LabelFolder = Annotated[
    Path | None,
    typer.Option(
        "--label-folder", help="nih, folder: where the labels are, if elsewhere.", rich_help_panel=_SOURCE
    ),
]
Flip = Annotated[
    str | None,
    typer.Option(
        "--flip",
        help="nih: how labels run (none, y, ...), where it is not to be found out.",
        rich_help_panel=_SOURCE,
    ),
]
Values = Annotated[
    str | None,
    typer.Option(
        "--values", help='folder: names of the label values, "pancreas=1,tumour=2".', rich_help_panel=_SOURCE
    ),
]
AssumeCt = Annotated[
    bool,
    typer.Option("--assume-ct", help="Take values as HU even if they look like none.", rich_help_panel=_SOURCE),
]
Against = Annotated[
    list[Path] | None,
    typer.Option(
        "--against", metavar="OTHER", help="Another dataset (or its quality.json): which scans are in both?"
    ),
]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Processes; each holds one case in memory.")]


@contextlib.contextmanager
def interruptible(kept: str) -> Iterator[tuple[CancelToken, ProgressBar]]:
    """Give a token that Ctrl-C sets and a progress bar; a cancelled run says what is kept."""
    from PancreasSegLib.cli.interruption import cancelled_by_ctrl_c
    from PancreasSegLib.cli.progress_bar import ProgressBar
    from PancreasSegLib.errors import CancelledError

    try:
        with (
            cancelled_by_ctrl_c("Ending after this case; Ctrl-C again ends it at once.") as cancel,
            ProgressBar() as bar,
        ):
            yield cancel, bar
    except (CancelledError, KeyboardInterrupt):
        raise CancelledError(f"Cancelled; {kept}.", "The same command goes on where it ended.") from None


def survey_of(
    name: str, source: Path, cases: str | None, label_folder: Path | None, flip: str | None, values: str | None
) -> Survey:
    """List the cases that are asked for, and say which are not there."""
    from PancreasSegLib.cli.terminal import note
    from PancreasSegLib.data.adapters import SourceOptions, survey
    from PancreasSegLib.errors import DatasetError

    found = survey(name, source, SourceOptions(label_folder, flip, _values(values)))
    if cases is not None:
        wanted = {case.strip() for case in cases.split(",") if case.strip()}
        if absent := wanted - {case.name for case in found.cases}:
            near = ", ".join(case.name for case in found.cases[:5])
            raise DatasetError(
                f"{found.title} has no case {', '.join(sorted(absent))}.", f"Its cases are {near} and so on."
            )
        found = replace(found, cases=tuple(case for case in found.cases if case.name in wanted), left_out=())
    out = f", {_reasons(found.left_out)}" if found.left_out else ""
    structures = counted(len(found.structures), "structure")
    note(f"{found.title}: {counted(len(found.cases), 'case')} with {structures}{out}.")
    return found


def selection_of(labels: Sequence[str] | None, found: Survey) -> LabelSelection:
    """Return the labels that are wanted."""
    from PancreasSegLib.data.label_selection import LabelSelection

    return LabelSelection.parse(labels) if labels else LabelSelection.all_of(found.structures)


def tell_missing(left_out: Sequence[LeftOut], failed: Sequence[LeftOut]) -> None:
    """Say what was left out, by reason, and every case that failed."""
    from PancreasSegLib.cli.terminal import note, warn

    for code in dict.fromkeys(case.code for case in left_out):
        named = [case for case in left_out if case.code == code]
        listed = ", ".join(case.name for case in named[:8]) + (" ..." if len(named) > 8 else "")
        note(f"Left out ({code}): {listed}. {named[0].sentence}")
    for case in failed[:20]:
        warn(f"{case.name}: {case.sentence}")
    if len(failed) > 20:
        warn(f"{len(failed) - 20} more failed; the report lists them.")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "case"), counted(2, "case")
    ('1 case', '2 cases')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _reasons(left_out: Sequence[LeftOut]) -> str:
    codes = dict.fromkeys(case.code for case in left_out)
    return ", ".join(f"{sum(case.code == code for case in left_out)} left out ({code})" for code in codes)


def _values(text: str | None) -> dict[str, int] | None:
    """Read ``pancreas=1,tumour=2``."""
    from PancreasSegLib.cli.problem import usage_problem

    if text is None:
        return None
    values: dict[str, int] = {}
    for part in text.split(","):
        name, equals, number = (word.strip() for word in part.partition("="))
        if not name or not equals or not number.isdigit() or not 0 < int(number) < 256 or name in values:
            raise usage_problem(
                f'--values {text!r} is not understood; write "pancreas=1,tumour=2".', "pancreasseg data"
            )
        values[name] = int(number)
    return values
