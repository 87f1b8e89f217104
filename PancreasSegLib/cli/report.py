"""``pancreasseg report``: the page of one patient's pancreas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from PancreasSegLib.cli.terminal import say

if TYPE_CHECKING:
    from PancreasSegLib.report.patient_page import PatientReport


def command(
    ct: Annotated[Path, typer.Argument(metavar="CT", show_default=False, help="A CT, as for segment.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="HTML",
            show_default=False,
            help="The page; CT_pancreas.html in the current folder without it.",
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False, help="A mask to report on; the model's without it."),
    ] = None,
    value: Annotated[int, typer.Option(help="Label value of the pancreas in --mask.")] = 1,
    model: Annotated[str, typer.Option(metavar="NAME", help="A model's name, or the folder of one.")] = "default",
    device: Annotated[str, typer.Option(metavar="DEVICE", help="As for pancreasseg segment.")] = "auto",
    series: Annotated[
        str | None,
        typer.Option(metavar="UID", show_default=False, help="DICOM series to take, as for segment."),
    ] = None,
    title: Annotated[
        str, typer.Option(help="Headline of the page; the name of the CT without it.", show_default=False)
    ] = "",
) -> None:
    """Segment and measure a pancreas, and write one page about it.

    Pictures of slices and of the organ laid straight, its thickness along the centreline, every measurement with
    its definition, and how far they can be trusted. The page is one file and loads nothing.
    """
    from PancreasSegLib.cli.output_files import scan_name
    from PancreasSegLib.io import atomic_path, check_writable
    from PancreasSegLib.io.input_files import files_of
    from PancreasSegLib.report.patient_page import patient_page

    page = output or Path(f"{scan_name(ct)}_pancreas.html")
    check_writable(page, (".html",), inputs=files_of(ct))
    report = _report(ct, mask, value, model, device, series, title or scan_name(ct))
    html = patient_page(report)
    with atomic_path(page) as temporary:
        temporary.write_text(html, encoding="utf-8")
    say(f"{page} written")


def _report(
    ct: Path, mask: Path | None, value: int, model: str, device: str, series: str | None, title: str
) -> PatientReport:
    from PancreasSegLib.errors import MaskError
    from PancreasSegLib.io import read_labels, read_volume
    from PancreasSegLib.measure import measure_organ
    from PancreasSegLib.report.patient_page import PatientReport

    volume = read_volume(ct, series=series)
    if mask is not None:
        labels = read_labels(mask)
        if not labels.geometry.matches(volume.geometry):
            raise MaskError(f"{mask.name} lies on another grid than the CT.", "Give a mask made on this CT.")
        measured = measure_organ(labels.voxels == value, volume)
        return PatientReport(title, volume, measured, origin=f"Mask: {mask.name}.")
    from PancreasSegLib.cli.progress_bar import ProgressBar
    from PancreasSegLib.inference import Segmenter

    segmenter = Segmenter.load(model, device=device)
    with ProgressBar() as bar:
        result = segmenter.segment(volume, progress=bar)
    organ = segmenter.package.organ
    around = result.organs.masks() if result.organs else {}
    around.pop(organ, None)
    measured = measure_organ(result.mask == result.labels[organ], volume, around)
    used = {name: result.organs.certainty[name] for name in around} if result.organs else {}
    return PatientReport(
        title,
        volume,
        measured,
        confidence=result.statistics[organ]["confidence"],
        certainty=used,
        warnings=[warning.sentence for warning in result.warnings],
        origin=f"Model: {segmenter.package.name} {segmenter.package.version}.",
    )
