"""``pancreasseg data prepare``: bring a downloaded dataset into the form that training reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from PancreasSegLib.cli.data_inspect import tell_quality
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


def command(
    name: Format,
    source: Source,
    target: Annotated[Path, typer.Argument(metavar="DST", help="New or empty, or prepared with the same labels.")],
    labels: Labels = None,
    against: Against = None,
    workers: Workers = 1,
    keep_empty: Annotated[
        bool, typer.Option("--keep-empty", help="Keep cases that hold no voxel of any label.")
    ] = False,
    cases: Cases = None,
    label_folder: LabelFolder = None,
    flip: Flip = None,
    values: Values = None,
    assume_ct: AssumeCt = False,
) -> None:
    """Write a dataset as dataset.json, imagesTr, labelsTr and provenance.json, with a quality report.

    Ctrl-C ends it with whole cases only, and the same command goes on where it ended. Cases that cannot be read
    are named and left out; the exit status is 2 then.
    """
    from PancreasSegLib.cli.terminal import say
    from PancreasSegLib.data.dataset import QUALITY_FOLDER
    from PancreasSegLib.data.inspection import report_prepared
    from PancreasSegLib.data.preparation import prepare_dataset
    from PancreasSegLib.errors import DatasetError

    found = survey_of(name, source, cases, label_folder, flip, values)
    selection = selection_of(labels, found)
    with interruptible("the cases so far are whole") as (cancel, bar):
        done = prepare_dataset(
            found,
            target,
            selection,
            keep_empty=keep_empty,
            assume_ct=assume_ct,
            workers=workers,
            progress=bar,
            cancel=cancel,
        )
        if not done.written and not done.kept:
            tell_missing(done.left_out, done.failed)
            raise DatasetError(f"No case of {found.title} could be prepared.", "The reasons are above.")
        report = report_prepared(
            target,
            kin=found.kin,
            against=against or (),
            left_out=done.left_out,
            failed=done.failed,
            progress=bar,
            cancel=cancel,
        )
    tell_missing(done.left_out, done.failed)
    tell_quality(report, target / QUALITY_FOLDER)
    kept = f", {len(done.kept)} were there" if done.kept else ""
    say(f"{counted(len(done.written), 'case')} written{kept}: {target}")
    if done.failed:
        raise DatasetError(f"{counted(len(done.failed), 'case')} could not be prepared.", "The reasons are above.")
