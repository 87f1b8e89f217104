"""``pancreasseg networks``: the architectures by name, what they take and what they cost."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from PancreasSegLib.cli.terminal import note, say, show

if TYPE_CHECKING:
    from PancreasSegLib.networks.footprint import Footprint

_USUAL_SIZE = {3: (96, 96, 96), 2: (256, 256, 1)}


def command(
    name: Annotated[str | None, typer.Argument(help="An architecture; leave it out to list them all.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Arguments of the network, key=value: filters=[16,32,64]")
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", help="Input in voxels x,y,z (or x,y); default 96,96,96 or 256,256.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images at a time.")] = 1,
    classes: Annotated[int, typer.Option("--classes", min=1, help="Labels, the background not counted.")] = 1,
    brief: Annotated[bool, typer.Option("--brief", help="Names only, without the costs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the network architectures with parameters, GFLOPs and memory, or describe one with all its arguments.

    The costs are counted without computing anything, so that large networks and images take no memory. They need
    PyTorch; without it the networks are only described.
    """
    from PancreasSegLib.packages import EXTRAS

    if not brief and EXTRAS["torch"].missing():
        note(f"Parameters, GFLOPs and memory are counted by PyTorch. {EXTRAS['torch'].command}")
        brief = True
    if name:
        _one(name, overrides or [], size, batch, classes, brief, as_json)
    else:
        _all(size, batch, classes, brief, as_json)


def _one(
    name: str, overrides: list[str], size: str | None, batch: int, classes: int, brief: bool, as_json: bool
) -> None:
    from PancreasSegLib.networks import describe

    description = describe(name)
    if not brief:
        cost = _cost(name, overrides, size, batch, classes)
        description |= {"multiple_ijk": _multiple(name, overrides, cost), "cost": cost}
    if as_json:
        print(json.dumps({**description, "cost": _plain(description.get("cost"))}, indent=2))
    else:
        _show_one(description)


def _all(size: str | None, batch: int, classes: int, brief: bool, as_json: bool) -> None:
    from PancreasSegLib.errors import MissingPackageError
    from PancreasSegLib.networks import NETWORKS, PRESETS

    rows: list[tuple[str, str, Footprint | None]] = []
    for key, architecture in (NETWORKS | PRESETS).items():
        cost = None
        if not brief:
            try:
                cost = _cost(key, [], size, batch, classes)
            except MissingPackageError as error:
                note(str(error))
        rows.append((key, architecture.summary, cost))
    if as_json:
        print(json.dumps({k: {"summary": s, "cost": _plain(c)} for k, s, c in rows}, indent=2))
    else:
        _show_all(rows, brief)


def _cost(name: str, overrides: list[str], size: str | None, batch: int, classes: int) -> Footprint:
    from PancreasSegLib.networks import find_network
    from PancreasSegLib.networks.footprint import network_footprint

    arguments = _arguments(overrides)
    wanted = _size(size)
    if wanted and "spatial_dims" not in arguments:
        arguments["spatial_dims"] = 2 if wanted[2] == 1 else 3
    dims = arguments.get("spatial_dims", find_network(name).arguments["spatial_dims"].default)
    arguments = {"out_channels": classes + 1, **arguments}
    return network_footprint(name, arguments, wanted or _USUAL_SIZE.get(dims, (96, 96, 96)), batch=batch)


def _multiple(name: str, overrides: list[str], cost: Footprint) -> tuple[int, int, int]:
    from PancreasSegLib.networks import find_network, input_multiple

    arguments = {"spatial_dims": 2 if cost.size_ijk[2] == 1 else 3, **_arguments(overrides)}
    if "image_size" in find_network(name).arguments:
        arguments.setdefault("image_size", cost.size_ijk[::-1][-arguments["spatial_dims"] :])
    return input_multiple(name, **arguments)


def _arguments(overrides: list[str]) -> dict[str, Any]:
    from PancreasSegLib.cli.problem import usage_problem

    found = {}
    for override in overrides:
        key, separator, value = override.partition("=")
        if not separator:
            raise usage_problem(f"The argument {override!r} is not of the form key=value.", "pancreasseg networks")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def _size(text: str | None) -> tuple[int, int, int] | None:
    from PancreasSegLib.cli.problem import usage_problem

    if text is None:
        return None
    numbers = [int(part) for part in text.replace("x", ",").split(",") if part.strip().isdigit()]
    if len(numbers) not in (2, 3) or min(numbers) < 1:
        raise usage_problem(f"The size {text!r} is not of the form 96,96,96.", "pancreasseg networks")
    return (numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else 1)


def _plain(cost: Footprint | None) -> dict[str, Any] | None:
    return None if cost is None else asdict(cost)


def _show_all(rows: list[tuple[str, str, Footprint | None]], brief: bool) -> None:
    from rich.table import Table

    if brief:
        table = Table("Name", "What it is")
        for name, summary, _ in rows:
            table.add_row(name, summary)
    else:
        table = Table("Name")
        for title in ("Parameters", "Input", "GFLOPs", "To run", "To train"):
            table.add_column(title, justify="right", no_wrap=True)
        for name, _, cost in rows:
            table.add_row(name, *_figures(cost))
    show(table)
    if not brief:
        say("Memory in 32-bit numbers, default arguments, one pass forward, or forward and backward with Adam.")
        say("`pancreasseg networks NAME` describes one; --size counts another input; --brief says what they are.")


def _figures(cost: Footprint | None) -> list[str]:
    if cost is None:
        return [""] * 5
    x, y, z = cost.size_ijk
    return [
        f"{cost.parameters / 1e6:.1f} M",
        f"{x} x {y}" + (f" x {z}" if z > 1 else ""),
        f"{cost.gflops:.0f}" if cost.gflops >= 10 else f"{cost.gflops:.1f}",
        f"{cost.inference_mb / 1024:.1f} GB",
        f"{cost.training_mb / 1024:.1f} GB",
    ]


def _show_one(description: dict[str, Any]) -> None:
    from rich.table import Table

    say(f"{description['name']}: {description['summary']}\n{description['source']}")
    table = Table("Argument", "Default", "Meaning")
    for name, entry in description["arguments"].items():
        default = json.dumps(entry["default"]) if "default" in entry else "required"
        table.add_row(name, default, entry["meaning"])
    show(table)
    say("Triples are in z, y, x order, as the axes of the network's input.")
    cost: Footprint | None = description.get("cost")
    if cost is not None:
        parameters, size, gflops, run, train = _figures(cost)
        say(
            f"{parameters} parameters; for {cost.batch} image(s) of {size} voxels: {gflops} GFLOPs, {run} to run, "
            f"{train} to train in 32-bit numbers."
        )
        say(f"Sizes along x, y, z are multiples of {', '.join(map(str, description['multiple_ijk']))}.")
