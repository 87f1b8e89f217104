"""``pancreasseg networks``: the architectures by name, and what they take."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def command(
    name: Annotated[str | None, typer.Argument(help="An architecture; leave it out to list them all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the network architectures, or describe one with all its arguments."""
    from PancreasSegLib.networks import NETWORKS, describe

    if as_json:
        print(json.dumps(describe(name) if name else {n: a.summary for n, a in NETWORKS.items()}, indent=2))
    elif name:
        _print_one(describe(name))
    else:
        _print_all({n: a.summary for n, a in NETWORKS.items()})


def _print_all(summaries: dict[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("Name", "What it is")
    for name, summary in summaries.items():
        table.add_row(f"[bold]{name}[/bold]", summary)
    Console().print(table)


def _print_one(description: dict) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    console.print(f"[bold]{description['name']}[/bold]: {description['summary']}")
    console.print(escape(description["source"]))
    table = Table("Argument", "Default", "Meaning")
    for name, entry in description["arguments"].items():
        default = json.dumps(entry["default"]) if "default" in entry else "required"
        table.add_row(name, escape(default), escape(entry["meaning"]))
    console.print(table)
    console.print("Triples are in z, y, x order, as the axes of the network's input.")
