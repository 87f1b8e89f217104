"""The program ``pancreasseg``: its commands, and what becomes of errors.

Exit status: 0 done; 2 refused or failed, with one sentence; 3 no pancreas found or in view; 130 cancelled.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from PancreasSegLib.cli import (
    benchmark_correction,
    compare,
    cross_validate,
    data,
    demo,
    doctor,
    evaluate,
    model_card,
    models,
    networks,
    roi,
    runs,
    segment,
    train,
    train_refiner,
)
from PancreasSegLib.cli.background import any_running
from PancreasSegLib.cli.problem import problem_of
from PancreasSegLib.cli.shared_options import Debug, Quiet, share_options, with_shared_options
from PancreasSegLib.cli.terminal import complain, verbosity

app = typer.Typer(
    name="pancreasseg",
    help="Segment the pancreas on abdominal CT. Research software, not a medical device.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("segment")(with_shared_options(segment.command))
app.command("demo")(with_shared_options(demo.command))
app.command("doctor")(with_shared_options(doctor.command))
app.command("roi")(with_shared_options(roi.command))
models.app.command("card")(model_card.command)
share_options(models.app)
app.add_typer(models.app, name="models")
app.command("networks")(with_shared_options(networks.command))
app.command("train")(with_shared_options(train.command))
share_options(data.app)
app.add_typer(data.app, name="data")
app.command("evaluate")(with_shared_options(evaluate.command))
app.command("cross-validate")(with_shared_options(cross_validate.command))
app.command("runs")(with_shared_options(runs.command))
app.command("compare")(with_shared_options(compare.command))
app.command("train-refiner")(with_shared_options(train_refiner.command))
app.command("benchmark-correction")(with_shared_options(benchmark_correction.command))


def _version(wanted: bool) -> None:
    if wanted:
        from PancreasSegLib import __version__

        print(f"pancreasseg {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _every_command(
    context: typer.Context,
    quiet: Quiet = False,
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    verbosity.quiet |= quiet
    verbosity.debug |= debug
    if context.invoked_subcommand is None:
        print(context.get_help())


def main() -> NoReturn:
    """Run the command line on the process's own arguments and leave with its exit status."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' deprecations are no news for the user
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
    status = run(sys.argv[1:])
    with contextlib.suppress(OSError):  # the reader of a pipe may be gone
        sys.stdout.flush()
        sys.stderr.flush()
    # Taking torch and MONAI down again costs a second and does nothing for the user; and a daemon thread halfway
    # through an import can crash the interpreter's own shutdown.
    if not any_running():
        atexit._run_exitfuncs()
    os._exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run the command line; whatever goes wrong becomes one sentence on stderr.

    Parameters
    ----------
    arguments : sequence of str
        What stands after the program's name.

    Returns
    -------
    int
        The exit status.
    """
    try:
        status = app(list(arguments), prog_name="pancreasseg", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # typer has printed the help of a group of commands
            return 0
        if verbosity.debug:
            traceback.print_exception(error)
        problem = problem_of(error)
        complain(problem)
        return problem.exit_code
    return status if isinstance(status, int) else 0  # typer hands the status of an Exit back as a number
