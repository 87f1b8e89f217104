"""``pancreasseg benchmark-correction``: what marks of a simulated reader make of a model's masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from PancreasSegLib.data import Case, Dataset


def command(
    dataset: Annotated[Path, typer.Argument(help="MSD-style folder: dataset.json, imagesTr, labelsTr.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Predict all cases by this model, which must not have been trained on them."
        ),
    ] = None,
    folds: Annotated[
        Path | None,
        typer.Option(
            "--folds",
            help="Folder (or recipe) of a finished cross-validation: each case by the fold that never saw it.",
        ),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option("--masks", help="Folder with NAME.nii.gz and, optionally, NAME_probability.nii.gz."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the figures; predictions are kept in it.")
    ] = Path("correction-benchmark"),
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method", help="What to compare, once for each; default all but learn, which takes seconds a mark."
        ),
    ] = None,
    tool: Annotated[
        str, typer.Option("--tool", help="What the reader marks with: stroke, point or slice.")
    ] = "stroke",
    views: Annotated[
        str,
        typer.Option(
            "--views",
            help="Where the reader looks: axial, or all (the view where the error is largest).",
        ),
    ] = "axial",
    corrections: Annotated[int, typer.Option("--corrections", min=1, help="How many a case.")] = 10,
    cases: Annotated[str | None, typer.Option("--cases", help="Names, separated by commas; default all.")] = None,
    organ: Annotated[
        str, typer.Option("--organ", help="The organ, by its name in dataset and model.")
    ] = "pancreas",
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu, cuda[:n], mps, intel or torch:cpu.")
    ] = "auto",
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")] = None,
) -> None:
    """Correct a model's masks as a reader would and measure Dice, surface Dice and time after each correction.

    A simulated reader marks the largest error first. Writes TOOL.csv, TOOL.json and TOOL.png into the folder.
    """
    from PancreasSegLib.cli.progress_bar import ProgressBar
    from PancreasSegLib.cli.terminal import note, say, show, warn
    from PancreasSegLib.data import read_dataset
    from PancreasSegLib.errors import CancelledError
    from PancreasSegLib.evaluation.correction_benchmark import benchmark_corrections
    from PancreasSegLib.evaluation.correction_curves import summarise
    from PancreasSegLib.evaluation.correction_method import methods_named
    from PancreasSegLib.evaluation.correction_plot import write_plot
    from PancreasSegLib.evaluation.correction_predictions import predict_starts, provenance_of
    from PancreasSegLib.evaluation.correction_report import machine, write_scores, write_summary
    from PancreasSegLib.evaluation.correction_start import read_start
    from PancreasSegLib.io import check_writable

    user = _user(tool, views)
    methods = methods_named(method or [])
    content = read_dataset(dataset)
    chosen = _cases(content, organ, cases)
    packages = _packages(model, folds, masks, chosen)
    check_writable(output / f"{tool}.csv", None)
    if threads:
        import torch

        torch.set_num_threads(threads)
    kept = masks or output / "predictions"
    try:
        with ProgressBar() as bar:
            if masks is None:
                refused = predict_starts(chosen, packages, kept, organ=organ, device=device, progress=bar)
                for name, reason in refused.items():
                    warn(f"{name} starts from an empty mask: {reason}")
            value = content.labels[organ]
            starts = (read_start(case, value, kept, package=packages.get(case.name)) for case in chosen)
            before = machine()
            scores = benchmark_corrections(
                starts,
                methods,
                user=user,
                corrections=corrections,
                count=len(chosen),
                progress=bar,
                scored=lambda made: note(_line(made)),
            )
    except KeyboardInterrupt:
        raise CancelledError("Cancelled; no figures were written, finished predictions are kept.") from None
    summary = summarise(scores)
    about = {
        "dataset": content.name,
        "source": _source(model, folds, masks),
        "predictions": provenance_of(kept, [case.name for case in chosen]),
        "organ": organ,
        "corrections": corrections,
        "user": vars(user),
        "methods": {item.name: item.description for item in methods},
        "machine": before,
    }
    write_scores(output / f"{tool}.csv", scores)
    write_summary(output / f"{tool}.json", about, summary)
    write_plot(output / f"{tool}.png", summary, f"Correction by {tool}s, {len(chosen)} cases of {content.name}")
    show(curve_table(summary))
    show(behaviour_table(summary))
    for name, method_summary in summary["methods"].items():
        if (learning := method_summary["learning_s"])["median"] is not None:
            say(f"{name}: learning took {learning['median']:.1f} s after a mark (95 %: {learning['p95']:.1f} s).")
    say(f"Figures are in {output / tool}.csv, .json and .png.")


def _user(tool: str, views: str) -> Any:
    from PancreasSegLib.errors import PancreasSegError
    from PancreasSegLib.evaluation.simulated_user import TOOLS, VIEWS, SimulatedUser

    if tool not in TOOLS:
        raise PancreasSegError(f"There is no tool {tool!r}.", "Give --tool stroke, --tool point or --tool slice.")
    if views not in VIEWS:
        raise PancreasSegError(f"There are no views {views!r}.", "Give --views axial or --views all.")
    return SimulatedUser(tool, views=views)


def _cases(content: Dataset, organ: str, wanted: str | None) -> list[Case]:
    """Return the cases that were read for the organ, or those that were named."""
    from PancreasSegLib.errors import DatasetError

    if organ not in content.labels:
        raise DatasetError(
            f"The dataset {content.name} has no label {organ}.", f"It has: {', '.join(content.labels)}."
        )
    known = [case for case in content.cases if case.labels_present is None or organ in case.labels_present]
    if wanted is None:
        if not known:
            raise DatasetError(f"No case of {content.name} was read for the {organ}.")
        return known
    names = {name.strip() for name in wanted.split(",") if name.strip()}
    absent = sorted(names - {case.name for case in known})
    if absent or not names:
        raise DatasetError(f"The dataset {content.name} has no case {', '.join(absent)} with the {organ}.")
    return [case for case in known if case.name in names]


def _packages(model: str | None, folds: Path | None, masks: Path | None, chosen: list[Case]) -> dict[str, Path]:
    """Return the model package of each case; none is needed where masks are given."""
    from PancreasSegLib.cli.terminal import warn
    from PancreasSegLib.errors import DatasetError, PancreasSegError

    if model is not None and folds is not None:
        raise PancreasSegError("--model and --folds exclude each other.", "Give one of them.")
    if model is None and folds is None and masks is None:
        raise PancreasSegError(
            "Nothing says where the masks come from.",
            "Give --folds (a cross-validation), --model (on patients that it never saw) or --masks.",
        )
    if masks is not None and not masks.is_dir():
        raise DatasetError(f"There is no folder {masks}.", "Check the path given with --masks.")
    if folds is not None:
        from PancreasSegLib.training.fold_packages import fold_packages

        return fold_packages(folds, chosen)
    if model is not None:
        from PancreasSegLib.models import find_package

        path = find_package(model).path
        warn(f"The figures mean something only if the model {model} was not trained on these patients.")
        return {case.name: path for case in chosen}
    return {}


def _source(model: str | None, folds: Path | None, masks: Path | None) -> dict[str, str]:
    given = {"model": model, "folds": folds and folds.name, "masks": masks and masks.name}
    return {name: str(value) for name, value in given.items() if value}


def _line(made: Any) -> str:
    dices = " ".join(f"{score.dice:.3f}" for score in made)
    return f"{made[0].case} {made[0].method}: {dices}"


def curve_table(summary: dict[str, Any]) -> Table:
    """Return median Dice after some corrections and how many are needed, by group and method.

    The last line of a group says what Dice the first method would have if all that is wrong further than 3 mm from
    the reference's surface were right as well: what coarse errors alone cost.
    """
    from PancreasSegLib.evaluation.correction_curves import GOALS, REPORTED

    methods = summary["methods"]
    last = max(
        (len(group["curves"]["dice"]) - 1 for method in methods.values() for group in method["groups"].values()),
        default=0,
    )
    shown = [number for number in REPORTED if number <= last]
    table = _table(
        "Median Dice after so many corrections; how many are needed (cases so far)",
        ("Method", *(str(number) for number in shown), *(f"to {goal:.2f}" for goal in GOALS)),
    )
    for group, cases in summary["groups"].items():
        table.add_row(f"{group}, {len(cases)} case{'s' if len(cases) > 1 else ''}")
        for name, method in methods.items():
            if group not in method["groups"]:
                continue
            found = method["groups"][group]
            medians = [f"{found['curves']['dice'][number]['median']:.3f}" for number in shown]
            needed = [found["to_reach"][f"{goal:.2f}"] for goal in GOALS]
            reach = [f"{_number(goal['median'])} ({goal['reached']}/{found['cases']})" for goal in needed]
            table.add_row(f"  {name}", *medians, *reach)
        limits = next(
            method["groups"][group]["curves"] for method in methods.values() if group in method["groups"]
        )
        rim = [f"{limits['rim_dice'][number]['median']:.3f}" for number in shown]
        table.add_row("  rim alone", *rim)
        table.add_section()
    return table


def behaviour_table(summary: dict[str, Any]) -> Table:
    """Return gain, harm and time of a correction by method."""
    table = _table(
        "One correction: worse than before, and than the mark painted alone",
        ("Method", "Gain", "Worse", "at most", "< painted", "at most", "Median s", "95 % s"),
    )
    for name, method in summary["methods"].items():
        harm, painting, time = method["harm"], method["against_painting"]["this_mark"], method["latency_s"]
        gain = method["groups"]["all"]["gain"]["mean_a_correction"]
        table.add_row(
            name,
            "-" if gain is None else f"{gain:+.4f}",
            f"{harm['worse']}/{harm['corrections']}",
            f"{harm['largest_loss']:.3f}",
            f"{painting['worse']}/{painting['corrections']}",
            f"{painting['largest_difference']:.3f}",
            *("-" if time[key] is None else f"{time[key]:.3f}" for key in ("median", "p95")),
        )
    return table


def _table(title: str, columns: tuple[str, ...]) -> Table:
    """Return a table that fits a terminal of 80 columns."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    for number, name in enumerate(columns):
        table.add_column(name, no_wrap=True, justify="left" if number == 0 else "right")
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
