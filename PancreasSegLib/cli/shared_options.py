"""``--quiet`` and ``--debug``, which every command takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from PancreasSegLib.cli.terminal import verbosity
from PancreasSegLib.errors import CancelledError
from PancreasSegLib.packages import require

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing but errors.", rich_help_panel="Every command")
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel="Every command")
]


def with_shared_options(command: Callable[..., Any], extra: str = "", title: str = "") -> Callable[..., None]:
    """Give a command the options that all have, and turn Ctrl-C inside it into a cancelled run.

    Parameters
    ----------
    command : callable
        What the command does.
    extra : str
        The extra without which it does nothing but say so.
    title : str
        What it is called then.
    """
    signature = inspect.signature(command, eval_str=True)
    shared = {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in (("quiet", Quiet), ("debug", Debug))
        if name not in signature.parameters
    }

    @functools.wraps(command)
    def run(**arguments: Any) -> None:
        for name in shared:
            if arguments.pop(name):
                setattr(verbosity, name, True)
        if extra:
            require(extra, title)
        try:
            command(**arguments)
        except KeyboardInterrupt:
            raise CancelledError from None

    parameters = [*signature.parameters.values(), *shared.values()]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def share_options(group: typer.Typer, extra: str = "", title: str = "") -> None:
    """Do the same for every command of a group such as ``pancreasseg models``."""
    for info in group.registered_commands:
        if info.callback is not None:
            info.callback = with_shared_options(info.callback, extra, title)
