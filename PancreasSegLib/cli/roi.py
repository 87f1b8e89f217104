"""``pancreasseg roi``: where the pancreas lies, judged from HU thresholds alone."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from PancreasSegLib.cli.terminal import note, say, show, warn

if TYPE_CHECKING:
    from PancreasSegLib.roi import RoiProposal
    from PancreasSegLib.volume import Volume


class MapKind(str, Enum):
    """What ``--output`` holds."""

    BOX = "box"
    TISSUE = "tissue"


def command(
    input: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            show_default=False,
            help="A CT: NIfTI, NRRD or MetaImage file, DICOM folder, file or zip.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", show_default=False, help="Write the box or the tissues as a mask."
        ),
    ] = None,
    map: Annotated[MapKind, typer.Option("--map", help="What --output holds.")] = MapKind.BOX,
    series: Annotated[
        str | None,
        typer.Option(
            metavar="UID",
            show_default=False,
            help="DICOM series to take: its UID, number or start of description.",
        ),
    ] = None,
) -> None:
    """Propose the region of the pancreas from HU thresholds, without a network, and say why."""
    from PancreasSegLib.io import check_writable, read_volume
    from PancreasSegLib.io.formats import WRITABLE_MASKS
    from PancreasSegLib.io.input_files import files_of
    from PancreasSegLib.roi import propose_roi

    if output is not None:
        check_writable(output, WRITABLE_MASKS, inputs=files_of(input))
    volume = read_volume(input, series=series)
    proposal = propose_roi(volume)
    if output is not None:
        _write(output, map, volume, proposal)
    if as_json:
        print(json.dumps(proposal.to_json(), indent=2))
        return
    _show(proposal)
    if not proposal.landmarks["abdomen_in_view"]:
        warn("No upper abdomen is in view; the box is the whole body.")
    if output is not None:
        note(f"{map.value} written to {output}")


def _write(output: Path, kind: MapKind, volume: Volume, proposal: RoiProposal) -> None:
    """Write what was asked for on the CT's own grid."""
    import numpy as np

    from PancreasSegLib.io import write_mask
    from PancreasSegLib.roi import TISSUE_LABELS, tissue_map

    if kind is MapKind.TISSUE:
        write_mask(output, tissue_map(volume), volume.geometry, labels=TISSUE_LABELS, source=volume)
        return
    mask = np.zeros(volume.geometry.shape_zyx, dtype=np.uint8)
    mask[proposal.box.slices_zyx] = 1
    write_mask(output, mask, volume.geometry, labels={"region": 1}, source=volume)


def _show(proposal: RoiProposal) -> None:
    from rich.table import Table

    box, spacing = proposal.box, proposal.geometry.spacing_mm
    region = Table("Axis", "Voxels", "of", "mm", title="Region of the pancreas")
    for name, low, up, size, mm in zip(
        "ijk", box.lower_ijk, box.upper_ijk, proposal.geometry.size_ijk, spacing, strict=True
    ):
        region.add_row(name, f"{low}:{up}", str(size), f"{(up - low) * mm:.0f}")
    show(region)
    say(f"{proposal.volume_fraction:.1%} of the scan; --roi {_as_option(proposal)}")
    landmarks = Table("Landmark", "Value", title="Landmarks (LPS, mm)")
    for name, value in proposal.landmarks.items():
        landmarks.add_row(name.replace("_", " "), _readable(value))
    show(landmarks)
    for reason in proposal.reasons:
        say(f"- {reason}")


def _as_option(proposal: RoiProposal) -> str:
    """Return the box as ``segment --roi`` takes it."""
    return ",".join(f"{low}:{up}" for low, up in proposal.box.to_json())


def _readable(value: Any) -> str:
    if value is None:
        return "not in view"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(f"{v:g}" for v in value) if isinstance(value, list) else f"{value:g}"
