"""``pancreasseg evaluate``: how good masks are, and which model is better, on cases with references."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from PancreasSegLib.data import Case, Dataset
    from PancreasSegLib.evaluation.label_choice import LabelChoice
    from PancreasSegLib.evaluation.run import EvaluationRun
    from PancreasSegLib.evaluation.summary import Evaluation

_WHAT = "Masks to measure"
_HOW = "How"


def command(
    dataset: Annotated[Path, typer.Argument(help="MSD-style folder: dataset.json, imagesTr, labelsTr.")],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="A model: [NAME=]name or package folder.", rich_help_panel=_WHAT),
    ] = None,
    folds: Annotated[
        list[str] | None,
        typer.Option(
            "--folds",
            help="A finished cross-validation: [NAME=]folder or recipe; each case by the fold that never saw it.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    predictions: Annotated[
        list[str] | None,
        typer.Option("--predictions", "-p", help="Masks of any program: [NAME=]folder.", rich_help_panel=_WHAT),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the figures and the report.")] = Path(
        "evaluation"
    ),
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "--organ",
            help="A label, several merged as pancreas=pancreas+tumour, or all; default: what is predicted.",
        ),
    ] = None,
    case: Annotated[
        list[str] | None, typer.Option("--case", "--cases", help="Cases, also separated by commas; default all.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the cases that an earlier run finished.")] = False,
    value: Annotated[
        list[str] | None,
        typer.Option("--value", help="LABEL=VALUE in the prediction files, where the dataset's is another."),
    ] = None,
    missing: Annotated[
        str, typer.Option("--missing", help="Cases without a prediction file: refuse, empty or skip.")
    ] = "refuse",
    strict_grid: Annotated[
        bool, typer.Option("--strict-grid", help="Refuse prediction files on another grid, do not resample.")
    ] = False,
    in_plane_mm: Annotated[
        float | None,
        typer.Option("--in-plane", help="Resample CT and reference to this in-plane spacing in mm.", min=0.1),
    ] = None,
    pictures: Annotated[
        int, typer.Option("--pictures", min=0, help="Worst and best cases in pictures, so many of each.")
    ] = 3,
    failure_dice: Annotated[
        float, typer.Option("--failure-dice", min=0, max=1, help="A Dice below it is a failure to be announced.")
    ] = 0.7,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", min=100, help="Resamples for confidence intervals.")
    ] = 5000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the bootstrap.")] = 0,
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu, cuda[:n], mps, intel or torch:cpu.")
    ] = "auto",
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")] = None,
) -> None:
    """Compare masks with references on the references' own grid; with several models, compare these too.

    Writes cases.csv, summary.json and report.html (one file, opens without network) into the output folder.
    """
    from PancreasSegLib.cli.evaluation_tables import evaluation_tables
    from PancreasSegLib.cli.progress_bar import ProgressBar
    from PancreasSegLib.cli.terminal import note, say, show, warn
    from PancreasSegLib.data import read_dataset
    from PancreasSegLib.errors import CancelledError
    from PancreasSegLib.evaluation.summary import Evaluation, write_evaluation
    from PancreasSegLib.io import check_writable

    content = read_dataset(dataset)
    cases = _cases(content, case)
    check_writable(output / "cases.csv", None)
    if threads:
        import torch

        torch.set_num_threads(threads)
    asked = _asked(content, label)
    sources = _sources(content, cases, asked, model, folds, predictions, device, value, missing, strict_grid)
    run = _run(content, cases, sources, asked, output, resume, in_plane_mm)
    for sentence in run.notes:
        warn(sentence)
    if any(source.about["kind"] == "model" for source in sources):
        note("The figures of a model mean something only if it was not trained on these patients.")
    said = len(run.notes)
    try:
        with ProgressBar() as bar:
            cohorts = run.score(
                progress=bar,
                scored=lambda name, score: note(
                    f"{name}, {score.case}, {score.label}: Dice {score.dice:.3f} {score.error}".rstrip()
                ),
            )
    except KeyboardInterrupt:
        raise CancelledError("Cancelled; finished cases are kept, go on with --resume.") from None
    about = {
        "dataset": content.name,
        "licence": content.licence,
        "labels": list(run.labels),
        "in_plane_mm": in_plane_mm,
        "command": _command_line(sources, label, in_plane_mm),
        "grid": "their own grid" if in_plane_mm is None else f"a grid of {in_plane_mm:g} mm in-plane",
    }
    evaluation = Evaluation(cohorts, about, tuple(run.notes), bootstrap, seed, failure_dice)
    write_evaluation(output, evaluation)
    for sentence in run.notes[said:]:
        warn(sentence)
    _write_report(output / "report.html", evaluation, run, pictures)
    for table in evaluation_tables(evaluation):
        show(table)
    say(f"The report is {output / 'report.html'}; figures are in cases.csv and summary.json beside it.")


def _cases(content: Dataset, wanted: Sequence[str] | None) -> list[Case]:
    from PancreasSegLib.errors import DatasetError

    names = [name.strip() for text in wanted or [] for name in text.split(",") if name.strip()]
    if not names:
        return list(content.cases)
    absent = sorted(set(names) - {case.name for case in content.cases})
    if absent:
        raise DatasetError(
            f"The dataset {content.name} has no case {', '.join(absent)}.",
            f"Its first one is {content.cases[0].name}.",
        )
    return [case for case in content.cases if case.name in names]


def _asked(content: Dataset, labels: Sequence[str] | None) -> LabelChoice | None:
    """Return the labels that were asked for, None where that is left to what is predicted."""
    from PancreasSegLib.evaluation.label_choice import LabelChoice

    names = [name.strip() for text in labels or [] for name in text.split(",") if name.strip()]
    return LabelChoice.parse(names, content.labels) if names and names != ["all"] else None


def _sources(
    content: Dataset,
    cases: Sequence[Case],
    asked: LabelChoice | None,
    models: Sequence[str] | None,
    folds: Sequence[str] | None,
    predictions: Sequence[str] | None,
    device: str,
    values: Sequence[str] | None,
    missing: str,
    strict_grid: bool,
) -> list[Any]:
    """Return what is measured, each under a name of its own."""
    from PancreasSegLib.evaluation.folder_source import FolderSource
    from PancreasSegLib.evaluation.model_source import ModelSource
    from PancreasSegLib.evaluation.prediction_files import value_pairs

    found: list[Any] = []
    taken: set[str] = set()
    if not (models or folds or predictions):
        models = ["default"]
    for text in models or ():
        name, place = _named(text, taken)
        found.append(ModelSource(name, place, device=device))
    for text in folds or ():
        from PancreasSegLib.training.fold_packages import fold_packages

        name, place = _named(text, taken)
        found.append(ModelSource(name, fold_packages(Path(place), cases), device=device))
    for text in predictions or ():
        name, place = _named(text, taken)
        found.append(
            FolderSource(
                name,
                Path(place).expanduser(),
                content.labels,
                parts=asked.parts if asked else None,
                values=value_pairs(values or ()),
                strict_grid=strict_grid,
                missing=missing,
            )
        )
    return found


def _named(text: str, taken: set[str]) -> tuple[str, str]:
    """Return name and place of ``[NAME=]PLACE``; the name can be that of a folder, and nobody else has it."""
    given, separator, place = text.partition("=")
    if not separator or Path(text).exists():
        path = Path(text)
        given, place = path.resolve().name if path.exists() else text, text
        if given == "package":  # as a training run calls it
            given = "-".join(path.resolve().parts[-3:-1])
    plain = "".join(c if c.isalnum() or c in " ._+-" else "-" for c in given).strip(" .-")[:60] or "masks"
    name, number = plain, 2
    while name.lower() in taken:
        name, number = f"{plain}-{number}", number + 1
    taken.add(name.lower())
    return name, place


def _run(
    content: Dataset,
    cases: Sequence[Case],
    sources: Sequence[Any],
    asked: LabelChoice | None,
    output: Path,
    resume: bool,
    in_plane_mm: float | None,
) -> EvaluationRun:
    """Return the run, with the labels and cases that are compared."""
    from PancreasSegLib.errors import DatasetError
    from PancreasSegLib.evaluation.folder_source import FolderSource
    from PancreasSegLib.evaluation.run import EvaluationRun

    choice = _choice(content, sources, asked)
    read = [c for c in cases if choice.read_in(c.labels_present)]
    if not read:
        raise DatasetError(f"No case of {content.name} was read for the {', '.join(choice.values)}.")
    chosen: dict[str, list[Case]] = {}
    notes: list[str] = []
    for source in sources:
        chosen[source.name] = read
        if isinstance(source, FolderSource):
            chosen[source.name], sentences = source.chosen(read, tuple(choice.values), content.cases)
            notes += sentences
    return EvaluationRun(sources, chosen, choice, output, resume, in_plane_mm, notes)


def _choice(content: Dataset, sources: Sequence[Any], asked: LabelChoice | None) -> LabelChoice:
    """Return the labels that were asked for, if every source predicts them; else those that all predict."""
    from PancreasSegLib.errors import DatasetError
    from PancreasSegLib.evaluation.label_choice import LabelChoice

    organs = {name: value for name, value in content.labels.items() if value}
    if asked is not None:
        _check_predicted(sources, organs, asked)
        return asked
    offered = [set(source.labels(organs)) for source in sources]
    common = [name for name in organs if all(name in has for has in offered)]
    if not common:
        raise DatasetError(
            f"No label of {content.name} is predicted by {' and '.join(source.name for source in sources)}.",
            f"The dataset has: {', '.join(organs)}.",
        )
    return LabelChoice.parse(common, content.labels)


def _check_predicted(sources: Sequence[Any], organs: dict[str, int], asked: LabelChoice) -> None:
    from PancreasSegLib.errors import DatasetError

    for source in sources:
        has = source.labels(organs | asked.values)
        lacking = [name for name in asked.values if name not in has]
        if lacking:
            raise DatasetError(
                f"{source.name} does not predict the {lacking[0]}.", f"It predicts: {', '.join(sorted(has))}."
            )


def _command_line(sources: Sequence[Any], label: Sequence[str] | None, in_plane_mm: float | None) -> str:
    """Return the command without the paths of this machine."""
    options = {"files": "--predictions", "model": "--model"}
    parts = [f"{options.get(source.about['kind'], '--folds')} {source.name}" for source in sources]
    parts += [f"--label {name}" for name in label or ()]
    parts += [f"--in-plane {in_plane_mm:g}"] if in_plane_mm is not None else []
    return " ".join(["pancreasseg evaluate FOLDER", *parts])


def _write_report(path: Path, evaluation: Evaluation, run: EvaluationRun, pictures: int) -> None:
    from PancreasSegLib.cli.progress_bar import ProgressBar
    from PancreasSegLib.report.evaluation_report import write_evaluation_report

    with ProgressBar() as bar:
        bar.stage("writing the report")
        write_evaluation_report(path, evaluation, run, pictures=pictures)
