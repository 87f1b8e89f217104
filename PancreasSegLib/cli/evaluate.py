"""``pancreasseg evaluate``: how good a model is on cases with references."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from PancreasSegLib.evaluation import Cohort


def command(
    dataset: Annotated[Path, typer.Argument(help="MSD-style folder: dataset.json, imagesTr, labelsTr.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Model name or package folder.")] = "default",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for cases.csv, summary.json.")
    ] = None,
    cases: Annotated[str | None, typer.Option("--cases", help="Names, separated by commas; default all.")] = None,
    organ: Annotated[
        str, typer.Option("--organ", help="The organ, by its name in dataset and model.")
    ] = "pancreas",
    in_plane_mm: Annotated[
        float | None, typer.Option("--in-plane", help="Resample CT and reference to this in-plane spacing in mm.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda[:n] or mps.")] = "auto",
) -> None:
    """Segment every case of a dataset and compare with its references, on the CT's own grid."""
    from PancreasSegLib.cli.terminal import note, show
    from PancreasSegLib.data import read_dataset
    from PancreasSegLib.errors import DatasetError
    from PancreasSegLib.evaluation import Cohort, write_cohort
    from PancreasSegLib.evaluation.model import evaluate_model
    from PancreasSegLib.inference import Segmenter

    content = read_dataset(dataset)
    if organ not in content.labels:
        raise DatasetError(
            f"The dataset {content.name} has no label {organ}.", f"It has: {', '.join(content.labels)}."
        )
    read = [case for case in content.cases if case.labels_present is None or organ in case.labels_present]
    wanted = set(cases.split(",")) if cases else {case.name for case in read}
    chosen = [case for case in read if case.name in wanted]
    if len(chosen) < len(wanted):
        absent = ", ".join(sorted(wanted - {case.name for case in chosen}))
        raise DatasetError(f"The dataset {content.name} has no case {absent} that was read for the {organ}.")
    segmenter = Segmenter.load(model, device=device)
    scores = []
    for score in evaluate_model(segmenter, chosen, content.labels[organ], label=organ, in_plane_mm=in_plane_mm):
        scores.append(score)
        note(f"{len(scores)}/{len(chosen)} {score.case}: Dice {score.dice:.3f} {score.error}")
    cohort = Cohort(tuple(scores), {"model": model, "dataset": content.name, "in_plane_mm": in_plane_mm})
    if output:
        write_cohort(output, cohort)
    show(cohort_table(cohort))


def cohort_table(cohort: Cohort) -> Table:
    """Return the cases and their mean as a table for the terminal."""
    from rich.table import Table

    table = Table("Case", *(f"{name}" for name in ("Dice", "NSD 3 mm", "HD95 mm", "mL", "reference mL", "s")))
    for s in cohort.scores:
        values = (s.dice, s.nsd_3mm, s.hd95_mm, s.volume_ml, s.reference_ml, s.seconds)
        table.add_row(s.case, *(f"{value:.3f}" if value < 1.5 else f"{value:.1f}" for value in values))
    summary = cohort.summary()
    means = [summary[name].get("mean") for name in ("dice", "nsd_3mm", "hd95_mm")]
    table.add_section()
    table.add_row("mean", *("-" if mean is None else f"{mean:.3f}" for mean in means), "", "", "")
    return table
