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
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Annotated, NoReturn

import typer

from PancreasSegLib.cli.background import any_running
from PancreasSegLib.cli.problem import problem_of
from PancreasSegLib.cli.shared_options import Debug, Quiet, with_shared_options
from PancreasSegLib.cli.terminal import complain, verbosity

COMMANDS = {
    "segment": "",
    "demo": "",
    "doctor": "",
    "roi": "",
    "measure": "",
    "report": "",
    "cohort": "",
    "models": "",
    "networks": "",
    "train": "train",
    "data": "",
    "evaluate": "",
    "cross-validate": "train",
    "runs": "train",
    "compare": "train",
    "train-refiner": "train",
    "benchmark-correction": "train",
}
"""The commands, and the extra that each needs; one file a command."""


def program(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the program with some of its commands; only their files are imported."""
    app = typer.Typer(
        name="pancreasseg",
        help="Segment the pancreas on abdominal CT. Research software, not a medical device.",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_every_command)
    for name in names:
        module = import_module(f"PancreasSegLib.cli.{name.replace('-', '_')}")
        if hasattr(module, "app"):  # a group of commands
            app.add_typer(module.app, name=name)
        else:
            extra, title = COMMANDS[name], f"`pancreasseg {name}`"
            app.command(name)(with_shared_options(module.command, extra=extra, title=title))
    return app


def _version(wanted: bool) -> None:
    if wanted:
        from PancreasSegLib._version import __version__

        print(f"pancreasseg {__version__}")
        raise typer.Exit


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
        named = next((word for word in arguments if not word.startswith("-")), "")
        app = program([named] if named in COMMANDS else COMMANDS)
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
