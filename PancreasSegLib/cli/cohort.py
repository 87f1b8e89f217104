"""``pancreasseg cohort``: from an archive of scans to a table of measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from PancreasSegLib.cli.shared_options import share_options
from PancreasSegLib.cli.terminal import note, say, show
from PancreasSegLib.errors import CohortError

if TYPE_CHECKING:
    from PancreasSegLib.cohort.cluster import ClusterSettings
    from PancreasSegLib.cohort.folder import Cohort
    from PancreasSegLib.cohort.index import Index
    from PancreasSegLib.cohort.run import Progress
    from PancreasSegLib.cohort.task import TaskSettings

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


_WORKERS = "Workers"
Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        min=0,
        show_default=False,
        rich_help_panel=_WORKERS,
        help="Processes of this machine, or SLURM jobs; as many as cores and memory allow without it.",
    ),
]
Threads = Annotated[
    int, typer.Option("--threads", min=1, rich_help_panel=_WORKERS, help="CPU threads of a worker.")
]
Memory = Annotated[
    float,
    typer.Option(
        "--memory",
        metavar="GB",
        show_default=False,
        rich_help_panel=_WORKERS,
        help="What a worker may take; what the largest chosen scan needs without it.",
    ),
]
Scheduler = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        show_default=False,
        rich_help_panel=_WORKERS,
        help="A running Dask scheduler, tcp://host:8786; its workers need this package and the same paths.",
    ),
]
Slurm = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm",
        metavar="KEY=VALUE",
        show_default=False,
        rich_help_panel=_WORKERS,
        help="Run in SLURM jobs; settings of dask_jobqueue's SLURMCluster, e.g. queue=normal, walltime=08:00:00.",
    ),
]
Model = Annotated[str, typer.Option(metavar="NAME", help="A model's name, or the folder of one.")]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="As for pancreasseg segment.")]


@app.command("plan")
def plan_command(
    folder: Folder,
    model: Model = "default",
    device: Device = "auto",
    workers: Workers = 0,
    threads: Threads = 1,
    memory: Memory = 0.0,
    scheduler: Scheduler = "",
    slurm: Slurm = None,
    key: Key = None,
) -> None:
    """Say what a run will take: run ten of its scans, whose results are kept, and reckon from them."""
    from PancreasSegLib.cohort.cluster import open_client
    from PancreasSegLib.cohort.folder import Cohort
    from PancreasSegLib.cohort.plan import make_plan

    cohort = Cohort.open(folder, key)
    places = _cluster_settings(cohort, workers, threads, memory, scheduler, slurm)
    settings = _task_settings(cohort, model, device, threads, places.memory_mb)
    with open_client(places) as client, _RunBar(client) as bar:
        plan = make_plan(cohort, client, settings, bar)
        at_once = len(client.scheduler_info(n_workers=-1)["workers"])
    say(f"{plan.scans} scans; {plan.seconds:.1f} +- {plan.spread_s:.1f} s each (mean of {plan.sampled})")
    say(f"{plan.core_hours:.1f} core-hours with {threads} threads a worker")
    for count in sorted({at_once, 16, 128}):
        say(f"  on {count} workers {_hours(plan.hours(count))}")
    say(f"{plan.disk_mb * plan.scans / 1024:.2f} GB of results; {plan.memory_mb / 1024:.1f} GB of memory a worker")


@app.command("run")
def run_command(
    folder: Folder,
    model: Model = "default",
    device: Device = "auto",
    workers: Workers = 0,
    threads: Threads = 1,
    memory: Memory = 0.0,
    scheduler: Scheduler = "",
    slurm: Slurm = None,
    print_job: Annotated[
        bool,
        typer.Option("--print-job", rich_help_panel=_WORKERS, help="Show the script of a SLURM job, and end."),
    ] = False,
    dicom: Annotated[
        bool, typer.Option("--dicom", help="Write DICOM SEG and SR too, for scans that are DICOM.")
    ] = False,
    limit: Annotated[
        float, typer.Option(metavar="MINUTES", help="A scan that takes longer is stopped; 0 for no limit.")
    ] = 30.0,
    retry: Annotated[bool, typer.Option("--retry", help="Do again what failed or was set aside.")] = False,
    key: Key = None,
) -> None:
    """Segment and measure every chosen scan.

    Results are kept under the model's name, so that another model is a second column of work, not the end of the
    first. Whatever is killed when, the same command goes on; a scan that ends its worker twice is set aside.
    """
    from PancreasSegLib.cohort.cluster import open_client, slurm_cluster
    from PancreasSegLib.cohort.folder import Cohort
    from PancreasSegLib.cohort.run import count_outcomes, run_cohort

    cohort = Cohort.open(folder, key)
    places = _cluster_settings(cohort, workers, threads, memory, scheduler, slurm)
    if print_job:
        print(slurm_cluster(places).job_script())
        return
    settings = _task_settings(cohort, model, device, threads, places.memory_mb, dicom=dicom, limit_s=60 * limit)
    with open_client(places) as client, _RunBar(client) as bar:
        rows = run_cohort(cohort, client, settings, retry=retry, progress=bar)
    counted = ", ".join(f"{count} {outcome}" for outcome, count in count_outcomes(rows).items())
    say(f"{len(rows)} scans: {counted}")
    say(f"{Path(settings.results) / 'table.parquet'} and table.csv written")


@app.command("report")
def report_command(
    folder: Folder,
    model: Annotated[
        str,
        typer.Option(
            metavar="KEY", show_default=False, help="Whose results; those that were made last without it."
        ),
    ] = "",
    covariates: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            show_default=False,
            help="Columns scan, study or patient (ids of the index), and others.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="HTML", show_default=False, help="COHORT/report.html without it."),
    ] = None,
    key: Key = None,
) -> None:
    """Write one page about the results: flow, distributions, groups, outliers, the least sure, methods."""
    from PancreasSegLib.cohort.folder import Cohort
    from PancreasSegLib.cohort.summary import summarise_results
    from PancreasSegLib.io import atomic_path
    from PancreasSegLib.report.cohort_page import cohort_page

    cohort = Cohort.open(folder, key)
    summary = summarise_results(cohort, model, covariates)
    place = output or cohort.path / "report.html"
    with atomic_path(place) as temporary:
        temporary.write_text(cohort_page(summary), encoding="utf-8")
    say(f"{len(summary.rows)} scans measured, {len(summary.outliers)} outlying values; {place} written")


def _cluster_settings(
    cohort: Cohort, workers: int, threads: int, memory_gb: float, scheduler: str, slurm: list[str] | None
) -> ClusterSettings:
    """Return which workers: by default as many as the cores, and the memory for the largest scan, allow."""
    from PancreasSegLib.cohort.cluster import ClusterSettings
    from PancreasSegLib.cohort.index import read_index
    from PancreasSegLib.cohort.run import memory_for
    from PancreasSegLib.inference.memory import available_memory_mb
    from PancreasSegLib.inference.threads import default_threads

    pairs = [text.partition("=") for text in slurm or []]
    if any(not found or not value for _, found, value in pairs):
        raise typer.BadParameter("give settings like queue=normal", param_hint="--slurm")
    options = {name: value for name, _, value in pairs}
    needed = memory_gb * 1024 or memory_for([row for row in read_index(cohort) if row["chosen"]])
    if slurm:
        options.setdefault("threads", str(threads))
    elif not scheduler:
        room = max(1, int(0.9 * available_memory_mb() / needed))
        workers = workers or max(1, min(default_threads() // threads, room))
    return ClusterSettings(workers or 1, needed, scheduler, options)


def _task_settings(
    cohort: Cohort, model: str, device: str, threads: int, memory_mb: float, **more: Any
) -> TaskSettings:
    from PancreasSegLib.cohort.run import model_key
    from PancreasSegLib.cohort.task import TaskSettings

    results = cohort.path.resolve() / "results" / model_key(model, threads)
    model = str(Path(model).resolve()) if Path(model).is_dir() else model
    return TaskSettings(str(results), model, device, threads, memory_mb=memory_mb, **more)


def _hours(hours: float) -> str:
    return (
        f"{60 * hours:.0f} minutes"
        if hours < 1.5
        else f"{hours:.1f} hours"
        if hours < 48
        else f"{hours / 24:.1f} days"
    )


class _RunBar:
    """Shows how far a run is: done, rate, time left, workers; and where Dask's own dashboard is."""

    def __init__(self, client: Any) -> None:
        from PancreasSegLib.cli.progress_bar import ProgressBar

        self._bar = ProgressBar()
        self._link = client.dashboard_link

    def __enter__(self) -> _RunBar:
        if self._link:
            note(f"Dask's dashboard: {self._link}")
        self._bar.__enter__()
        self._bar.stage("the first scans are under way")
        return self

    def __exit__(self, *problem: Any) -> None:
        self._bar.__exit__(*problem)

    def __call__(self, progress: Progress) -> None:
        """Show it."""
        from PancreasSegLib.progress import ProgressEvent

        text = (
            f"{progress.done} of {progress.total} scans, {progress.rate:.0f} an hour, {progress.workers} workers"
        )
        share = progress.done / max(1, progress.total)
        self._bar(ProgressEvent("run", share, progress.seconds_left, text))


@app.command("review")
def review_command(
    folder: Folder,
    model: Annotated[
        str,
        typer.Option(metavar="KEY", show_default=False, help="Whose masks; those that were made last without it."),
    ] = "",
    answers: Annotated[
        Path | None,
        typer.Option("--answers", metavar="CSV", show_default=False, help="Write every reader's answers here."),
    ] = None,
    key: Key = None,
) -> None:
    """List the scans that a reader should look at, with the answers so far; the panel in 3D Slicer takes them.

    First come those with more reasons (expected Dice below 0.8, outlying measurements), then the less sure, last
    those without a mask. Answers and corrected masks lie in COHORT/reviews, each by itself; corrections become
    training cases in COHORT/training.
    """
    from rich.table import Table

    from PancreasSegLib.cohort.folder import Cohort
    from PancreasSegLib.cohort.review import doubts_of, read_answers, write_answers

    cohort = Cohort.open(folder, key)
    if not model and not cohort.models():
        raise CohortError("The cohort has no results yet.", f"Make them: pancreasseg cohort run {folder}.")
    doubts = doubts_of(cohort, cohort.results(model or cohort.models()[-1]).name)
    table = Table("scan", "answer", "reader", "why", box=None, header_style="bold")
    for doubt in doubts:
        last = doubt.answers[-1] if doubt.answers else None
        said = (last.answer, last.reader) if last else ("", "")
        table.add_row(doubt.scan, *said, "; ".join(doubt.reasons))
    show(table)
    say(f"{sum(not doubt.answers for doubt in doubts)} of {len(doubts)} scans to look at")
    if answers:
        found = read_answers(cohort)
        write_answers(answers, found)
        say(f"{answers} written: {len(found)} answers")
    if cohort.training_folder.is_dir():
        say(f"Next: pancreasseg train --finetune default {cohort.training_folder}")


share_options(app, "cohort", "`pancreasseg cohort`")
