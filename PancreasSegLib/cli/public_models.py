"""``pancreasseg models find`` and ``get``: models of other programs on this computer, and on the net."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from PancreasSegLib.cli.terminal import note, say, show

if TYPE_CHECKING:
    from PancreasSegLib.models.catalogue import PublicModel

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_MOST_LABELS = 6


def find_command(as_json: Json = False) -> None:
    """Look for models of other programs where these keep them on this computer."""
    from PancreasSegLib.models.catalogue import find_models

    found = find_models()
    if as_json:
        print(json.dumps([asdict(model) | {"path": str(model.path)} for model in found], indent=2))
        return
    if not found:
        say("No model of TotalSegmentator, nnU-Net, MONAI or Auto3DSeg was found in their usual folders.")
        note("`pancreasseg models get` lists models that can be fetched.")
        return
    for model in found:
        first = [*(["pancreas"] if model.finds_pancreas else []), *(n for n in model.labels if n != "pancreas")]
        more = f" and {len(first) - _MOST_LABELS} more" if len(first) > _MOST_LABELS else ""
        say(f"{model.name} ({model.place}): {', '.join(first[:_MOST_LABELS]) or 'labels not told'}{more}")
        say(f"    {model.path}")
    note(f"For example: pancreasseg models import {found[0].path}")


def get_command(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="A model; all are listed if left out.")] = "",
    file: Annotated[
        Path | None,
        typer.Option(metavar="ZIP", help="The model's zip, fetched by other means.", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to the licence shown, and do not ask.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Run the model's own code, where it has some.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a package of the same name.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch a public model after showing its size and licence, check it, and import it."""
    from PancreasSegLib.models.catalogue import public_model

    if not name:
        _list(as_json)
        return
    model = public_model(name)
    if as_json:
        print(json.dumps(asdict(model), indent=2))
        return
    _agree(model, yes, fetched=file is not None)
    from PancreasSegLib.packages import require

    require("torch", "The import of a model")
    from PancreasSegLib.cli.model_import import tell
    from PancreasSegLib.cli.progress_bar import ProgressBar
    from PancreasSegLib.models.catalogue import get_model
    from PancreasSegLib.progress import ProgressEvent

    start, message = time.monotonic(), f"fetching {name}"
    with ProgressBar() as bar:

        def on_fraction(fraction: float) -> None:
            left = (time.monotonic() - start) * (1 / fraction - 1) if fraction else None
            bar(ProgressEvent("fetch", fraction, left, message))

        imported = get_model(model, file=file, force=force, trust=trust, on_fraction=on_fraction)
    tell(imported)
    note(f"If you publish results, cite {model.citation}.")


def _list(as_json: bool) -> None:
    from PancreasSegLib.models.catalogue import public_models

    if as_json:
        print(json.dumps([asdict(model) for model in public_models()], indent=2))
        return
    from rich.table import Table

    table = Table("Name", "What it is", "Finds", "Size", "Licence")
    for model in public_models():
        table.add_row(model.name, model.title, model.finds, model.size, model.licence)
    show(table)
    note("Fetch one with: pancreasseg models get NAME")


def _agree(model: PublicModel, yes: bool, *, fetched: bool) -> None:
    """Show what will be fetched and under which terms, and ask.

    Raises
    ------
    CancelledError
        If the user does not agree, or cannot be asked.
    """
    from PancreasSegLib.errors import CancelledError

    say(f"{model.title}: finds {model.finds}.")
    say(f"Licence: {model.licence}. {model.terms}".rstrip())
    if model.figures:
        say(f"Published: {model.figures}.")
    if not fetched:
        say(f"From {model.url} ({model.size}).")
    if yes:
        return
    if not sys.stdin.isatty():
        raise CancelledError(
            "Nothing was fetched: nobody was there to agree.", "Say --yes to agree to the licence."
        )
    if not typer.confirm("Agree, and import it?" if fetched else "Agree, and fetch it?"):
        raise CancelledError("Nothing was fetched.")
