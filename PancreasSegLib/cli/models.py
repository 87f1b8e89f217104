"""``pancreasseg models``: list, show, verify, add, remove and export model packages."""

from __future__ import annotations

import json
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from PancreasSegLib.cli import model_card, model_import, public_models
from PancreasSegLib.cli.shared_options import share_options
from PancreasSegLib.cli.terminal import console, note, say, show

if TYPE_CHECKING:
    from PancreasSegLib.models import ModelPackage

app = typer.Typer(help="List, find, get, import, show, verify, remove and export models.", no_args_is_help=True)
app.command("card")(model_card.command)
app.command("import")(model_import.command)
app.command("find")(public_models.find_command)
app.command("get")(public_models.get_command)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A package's name, or its folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_command(as_json: Json = False) -> None:
    """List the packages: the built-in default and those that you added."""
    from PancreasSegLib.models import packages_folder, scan_packages

    entries = scan_packages()
    if as_json:
        rows = [_summary(e.package) if e.package else {"name": e.name, "error": str(e.error)} for e in entries]
        print(json.dumps([row | {"path": str(e.path)} for row, e in zip(rows, entries, strict=True)], indent=2))
        return
    if entries:
        show(_table(entries))
    note(f"Your packages lie in {packages_folder()}")


def _table(entries: list) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table("Name", "Version", "What it is", "Stages", "Size")
    for entry in entries:
        if entry.package is None:
            table.add_row(entry.name, "", Text(f"BROKEN: {entry.error}", style="red"), "", "")
            continue
        package = entry.package
        stages = ", ".join(f"{s.role} {s.network} x{len(s.weights)}" for s in package.all_stages)
        table.add_row(
            entry.name, package.version, Text(package.description), stages, f"{_megabytes(package):.1f} MB"
        )
    return table


def _megabytes(package: ModelPackage) -> float:
    names = [name for stage in package.all_stages for name in stage.weights]
    return sum((package.path / name).stat().st_size for name in names) / 1e6


def _summary(package: ModelPackage) -> dict[str, Any]:
    """Return what a person or a program asks first of a package."""
    return {
        "name": package.name,
        "version": package.version,
        "description": package.description,
        "labels": package.labels,
        "licence": package.licence,
        "scores": package.scores,
        "sources": list(package.sources),
        "megabytes": round(_megabytes(package), 1),
        "stages": [
            {
                "role": stage.role,
                "network": stage.network,
                "members": len(stage.weights),
                "spacing_mm": list(stage.spacing_mm),
                "window_hu": list(stage.window_hu),
                "patch_ijk": list(stage.patch_ijk),
                "labels": stage.labels,
                "hu_mask": stage.hu_mask,
                "arguments": stage.arguments,
            }
            for stage in package.all_stages
        ],
    }


@app.command("show")
def show_command(name: Name = "default", as_json: Json = False) -> None:
    """Show what a package is, what it was trained on and how well it does."""
    from rich.table import Table
    from rich.text import Text

    from PancreasSegLib.models import find_package

    package = find_package(name)
    summary = _summary(package)
    if as_json:
        print(json.dumps(summary | {"path": str(package.path)}, indent=2))
        return
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for key in ("name", "version", "description", "licence"):
        table.add_row(key, Text(summary[key] or "-"))
    table.add_row("labels", _pairs(package.labels))
    for stage in package.all_stages:
        spacing = " x ".join(f"{v:g}" for v in stage.spacing_mm)
        low, high = stage.window_hu
        text = f"{stage.network}, {len(stage.weights)} network(s), {spacing} mm, {low:g} to {high:g} HU"
        table.add_row(stage.role, f"{text}, patch {' x '.join(map(str, stage.patch_ijk))}")
        table.add_row("", f"classes: {', '.join(n for n, v in stage.labels.items() if v)}")
    for source in package.sources:
        table.add_row(
            "trained on", Text(f"{source.get('name', '?')} ({source.get('licence', 'licence unknown')})")
        )
    table.add_row("scores", Text(_pairs(package.scores) or "-"))
    table.add_row("size", f"{summary['megabytes']} MB of weights")
    table.add_row("folder", Text(str(package.path)))
    if (package.path / "MODEL_CARD.md").is_file():
        table.add_row("model card", Text(str(package.path / "MODEL_CARD.md")))
    show(table)


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{k} {json.dumps(v) if isinstance(v, (dict, list)) else v}" for k, v in values.items())


@app.command("verify")
def verify_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Packages; all if left out.")
    ] = None,
) -> None:
    """Check the files of packages against their checksums, and that their networks can be built."""
    from PancreasSegLib.errors import ModelPackageError, PancreasSegError
    from PancreasSegLib.models import find_package, scan_packages, verify_package

    targets = names or [str(entry.path) for entry in scan_packages()]
    broken = []
    for target in targets:
        try:
            package = find_package(target)
            verify_package(package.path)
            _build_networks(package)
            say(f"{package.name} {package.version}: in order, {package.path}")
        except PancreasSegError as error:
            if len(targets) == 1:
                raise
            console(stderr=True).print(str(error), style="red")
            broken.append(target)
    if broken:
        raise ModelPackageError(f"{len(broken)} of {len(targets)} model packages are broken: {', '.join(broken)}.")


def _build_networks(package: ModelPackage) -> None:
    """Build every network of a package: by PyTorch, where that is not installed from its graph."""
    from PancreasSegLib.inference.device import Device, choose_precision
    from PancreasSegLib.inference.engine import engine_of
    from PancreasSegLib.inference.loading import able_to_run
    from PancreasSegLib.models import build_stage_network
    from PancreasSegLib.packages import EXTRAS

    cpu = Device("openvino", "cpu")
    for stage in package.all_stages:
        for member in range(len(stage.weights)):
            if EXTRAS["torch"].missing():
                able_to_run(package, (stage,), cpu)
                _ = engine_of(cpu.engine).load(package, stage, member, cpu, choose_precision(cpu), 1).cost
            else:
                build_stage_network(package, stage, member)


@app.command("add")
def add_command(
    source: Annotated[Path, typer.Argument(metavar="ZIP_OR_FOLDER", help="A package, as a zip or a folder.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a package of the same name.")] = False,
) -> None:
    """Check a package and copy it into your models folder."""
    from PancreasSegLib.models import add_package

    package = add_package(source, force=force)
    say(f"Added {package.name} {package.version}. Use it with --model {package.name}")


@app.command("remove")
def remove_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The package's name.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a package from your models folder."""
    from PancreasSegLib.errors import CancelledError
    from PancreasSegLib.models import remove_package

    if not yes and sys.stdin.isatty() and not typer.confirm(f"Remove the model package {name} for good?"):
        raise CancelledError("Nothing was removed.")
    say(f"Removed {remove_package(name)}")


class ExportFormat(str, Enum):
    """What a package can be exported as."""

    PACKAGE = "package"
    MONAI = "monai"
    TORCHSCRIPT = "torchscript"
    TORCH_EXPORT = "torch-export"
    ONNX = "onnx"


@app.command("export")
def export_command(
    name: Name,
    destination: Annotated[Path, typer.Argument(help="A new folder; for package and monai also a new .zip.")],
    form: Annotated[
        ExportFormat, typer.Option("--format", help="For PancreasSeg, MONAI, or other programs.")
    ] = ExportFormat.PACKAGE,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Copy a package out, or turn its networks into files for other programs."""
    from PancreasSegLib.models import export_package, find_package
    from PancreasSegLib.packages import require

    package = find_package(name)
    if form in (ExportFormat.PACKAGE, ExportFormat.MONAI):
        path = export_package(package, destination, for_monai=form == ExportFormat.MONAI, overwrite=force)
        say(f"Wrote {path}")
        return
    require("torch", "The export of a network")
    from PancreasSegLib.models.exports import export_graphs

    for graph in export_graphs(package, destination, form.value, overwrite=force, progress=note):
        for check in graph.parity:
            shape = " x ".join(map(str, check.shape))
            say(f"{graph.path.name}: on {shape} voxels at most {check.difference:.1e} from the original")
    say(f"Wrote {destination}")


share_options(app)
