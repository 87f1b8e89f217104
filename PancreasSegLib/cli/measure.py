"""``pancreasseg measure``: volume, density, fat, thickness and parts of a segmented pancreas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from PancreasSegLib.cli.terminal import note, show

if TYPE_CHECKING:
    from PancreasSegLib.measure import Measurements
    from PancreasSegLib.volume import Volume


def command(
    mask: Annotated[
        Path, typer.Argument(metavar="MASK", show_default=False, help="The pancreas, as a mask file.")
    ],
    ct: Annotated[Path, typer.Argument(metavar="CT", show_default=False, help="The CT that it was made on.")],
    value: Annotated[int, typer.Option(help="Label value of the pancreas in MASK.")] = 1,
    organs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="A mask of other organs: spleen and liver for the ratios, aorta for the contrast phase and the "
            "border of the head.",
        ),
    ] = None,
    organ_values: Annotated[
        str,
        typer.Option(metavar="NAME=VALUE,...", help="Label values in --organs, e.g. spleen=1,liver=5,aorta=7."),
    ] = "",
    series: Annotated[
        str | None,
        typer.Option(metavar="UID", show_default=False, help="DICOM series to take, as for segment."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", show_default=False, help="Write head, body and tail as a mask."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")] = False,
) -> None:
    """Measure a pancreas: volume and thickness of head, body and tail, HU, fat, surface.

    Each measure with its definition: pancreasseg measure MASK CT --json.
    """
    from PancreasSegLib.io import check_writable, read_volume, write_mask
    from PancreasSegLib.io.formats import WRITABLE_MASKS
    from PancreasSegLib.io.input_files import files_of
    from PancreasSegLib.measure import measure_organ
    from PancreasSegLib.measure.parts import PARTS

    if output is not None:
        check_writable(
            output,
            WRITABLE_MASKS,
            inputs=[file for path in (ct, mask, organs) if path is not None for file in files_of(path)],
        )
    values = _values(organ_values)
    volume = read_volume(ct, series=series)
    others = {} if organs is None else _masks(organs, volume, values)
    found = measure_organ(_masks(mask, volume, {"pancreas": value})["pancreas"].voxels, volume, others)
    if output is not None:
        write_mask(output, found.parts, volume.geometry, labels=PARTS, source=volume)
    if as_json:
        print(json.dumps(_as_json(found), indent=2))
        return
    _show(found)
    if output is not None:
        note(f"Head, body and tail written to {output}")


def _values(text: str) -> dict[str, int]:
    """Return the label values of ``spleen=1,liver=5``."""
    pairs = [pair.split("=") for pair in text.split(",") if pair.strip()]
    if not all(len(pair) == 2 and pair[1].strip().isdigit() for pair in pairs):
        raise typer.BadParameter("give names and values like spleen=1,liver=5", param_hint="--organ-values")
    return {name.strip().lower(): int(number) for name, number in pairs}


def _masks(path: Path, ct: Volume, values: dict[str, int]) -> dict[str, Volume]:
    """Read labels on the CT's grid; each by its value."""
    from PancreasSegLib.errors import MaskError
    from PancreasSegLib.io import read_labels
    from PancreasSegLib.volume import Volume

    labels = read_labels(path)
    if not labels.geometry.matches(ct.geometry):
        raise MaskError(
            f"{path.name} lies on another grid than the CT.", "Measure a mask that was made on this CT."
        )
    return {name: Volume(labels.voxels == number, labels.geometry) for name, number in values.items()}


def _as_json(found: Measurements) -> dict[str, object]:
    from PancreasSegLib.measure import MEASURES

    return {
        "values": found.values,
        "thickness_profile_mm": [round(float(mm), 2) for mm in found.thickness_mm],
        "definitions": {
            name: {"heading": m.heading, "unit": m.unit, "definition": m.definition}
            for name, m in MEASURES.items()
            if name in found.values
        },
    }


def _show(found: Measurements) -> None:
    from rich.table import Table

    from PancreasSegLib.measure import MEASURES

    table = Table("Measure", "Value", "Unit")
    for name, measure in MEASURES.items():
        if name in found.values:
            value = found.values[name]
            table.add_row(measure.heading, value if isinstance(value, str) else f"{value:.4g}", measure.unit)
    show(table)
