"""``pancreasseg data split``: which patients are learnt from, which are held out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from PancreasSegLib.data import Split


def command(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="A folder with dataset.json.")],
    folds: Annotated[
        int | None, typer.Option("--folds", min=2, help="Folds for cross-validation; default 5.")
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option("--validation", min=0, help="Instead of folds: share (below 1) or number of patients."),
    ] = None,
    test: Annotated[
        float, typer.Option("--test", min=0, help="Share or number that nothing is learnt from.")
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same split.")] = 0,
    stratify: Annotated[
        str | None,
        typer.Option(
            "--stratify", metavar="LABEL", help="Spread this label's volumes evenly; default the first; none."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default DATASET/splits.json.")] = None,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="Only check that a split fits the dataset.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace another split.")] = False,
) -> None:
    """Divide the patients of a dataset and write splits.json, which a recipe names in data.split.file.

    All scans of a patient stay together, and a dataset in which one scan goes under two patients is refused.
    """
    from PancreasSegLib.cli.problem import usage_problem
    from PancreasSegLib.cli.terminal import say, show, warn
    from PancreasSegLib.data import read_split, write_split
    from PancreasSegLib.data.split_drawing import (
        draw_folds,
        draw_holdout,
        look_alikes,
        patient_volumes,
        read_for_split,
    )
    from PancreasSegLib.data.splits import SPLITS_FILE
    from PancreasSegLib.errors import DatasetError

    if folds is not None and validation is not None:
        raise usage_problem("--folds and --validation exclude each other.", "pancreasseg data split")
    content = read_for_split(dataset)
    for pair in look_alikes(content):
        warn(f"{pair.case}: {pair.sentence} If it is one patient, say so in provenance.json and split again.")
    label = stratify or next((name for name, value in content.labels.items() if value != 0), None)
    volumes = patient_volumes(content, None if label == "none" else label)
    if check is not None:
        split = read_split(check)
        split.check_patients(volumes)
        show(_table(split, volumes))
        say(f"{check} fits {dataset}.")
        return
    if validation is not None:
        split = draw_holdout(volumes, validation=validation, test=test, seed=seed)
    else:
        split = draw_folds(volumes, folds or 5, test=test, seed=seed)
    file = output or dataset / SPLITS_FILE
    if file.exists() and not force and read_split(file) != split:
        raise DatasetError(
            f"There is another split at {file}.", "Add --force to replace it, or name another --output."
        )
    write_split(file, split)
    show(_table(split, volumes))
    known = sum(volume is not None for volume in volumes.values())
    spread = "" if label == "none" else f" Volumes of {label} were known of {known}, and spread evenly."
    if label != "none" and not known:
        spread = (
            f" Volumes of {label} are not known, so they were not spread evenly (data inspect -o DATASET/quality)."
        )
    say(f"{len(volumes)} patients in {file}.{spread}")


def _table(split: Split, volumes_ml: dict[str, float | None]) -> Table:
    import numpy as np
    from rich.table import Table

    parts = {f"fold {n}": fold for n, fold in enumerate(split.folds)}
    if split.kind == "holdout":
        parts = {"training": split.training, "validation": split.folds[0]}
    parts |= {"test": split.test} if split.test else {}
    table = Table("Part", "Patients", "mL, mean", "mL, from to")
    for name, patients in parts.items():
        found = [volume for patient in patients if (volume := volumes_ml.get(patient)) is not None]
        mean = f"{np.mean(found):.1f}" if found else "-"
        span = f"{min(found):.1f} to {max(found):.1f}" if found else "-"
        table.add_row(name, str(len(patients)), mean, span)
    return table
