"""``pancreasseg networks``: the architectures by name, and what they take."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from PancreasSegLib.cli.terminal import say, show


def command(
    name: Annotated[str | None, typer.Argument(help="An architecture; leave it out to list them all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the network architectures, or describe one with all its arguments."""
    from PancreasSegLib.networks import NETWORKS, describe

    summaries = {key: architecture.summary for key, architecture in NETWORKS.items()}
    if as_json:
        print(json.dumps(describe(name) if name else summaries, indent=2))
    elif name:
        _show_one(describe(name))
    else:
        _show_all(summaries)


def _show_all(summaries: dict[str, str]) -> None:
    from rich.table import Table

    table = Table("Name", "What it is")
    for name, summary in summaries.items():
        table.add_row(name, summary)
    show(table)


def _show_one(description: dict[str, Any]) -> None:
    from rich.table import Table

    say(f"{description['name']}: {description['summary']}\n{description['source']}")
    table = Table("Argument", "Default", "Meaning")
    for name, entry in description["arguments"].items():
        default = json.dumps(entry["default"]) if "default" in entry else "required"
        table.add_row(name, default, entry["meaning"])
    show(table)
    say("Triples are in z, y, x order, as the axes of the network's input.")
