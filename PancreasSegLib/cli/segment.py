"""``pancreasseg segment``: the pancreas of one CT, or of a folder of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from PancreasSegLib.cli.output_files import MASK_EXTENSION, OutputFiles, beside, scan_name
from PancreasSegLib.cli.region import region_of
from PancreasSegLib.cli.scan import RunSettings, load_early, result_name, segment_scan
from PancreasSegLib.cli.terminal import note, say, show, warn
from PancreasSegLib.errors import NoPancreasError, OutputError

if TYPE_CHECKING:
    from PancreasSegLib.inference import Segmentation

AUTO_NAME = Path("auto")
"""``--picture auto``: beside the mask, under its name."""


def command(
    input: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            show_default=False,
            help="A CT: NIfTI, NRRD or MetaImage file, DICOM folder, file or zip; or a folder of scans.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="MASK",
            show_default=False,
            help="The mask, as .nii.gz, .nii, .seg.nrrd, .nrrd, .mha or .dcm; for a folder of scans a folder. "
            "Without it INPUT_pancreas.nii.gz in the current folder (_segmentation for other organs).",
        ),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help="A model's name, or the folder of one.")] = "default",
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:N, mps, intel or torch:cpu.")
    ] = "auto",
    roi: Annotated[
        str,
        typer.Option(
            metavar="REGION",
            help="Where to look: auto, none (everywhere), or voxel ranges i0:i1,j0:j1,k0:k1, half-open, x,y,z.",
        ),
    ] = "auto",
    series: Annotated[
        str | None,
        typer.Option(
            metavar="UID",
            show_default=False,
            help="DICOM series to take: its UID, number or start of description, or as --list-series shows it.",
        ),
    ] = None,
    list_series: Annotated[bool, typer.Option("--list-series", help="List the DICOM series and exit.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="JSON", show_default=False, help="Volume, HU, extent, confidence, timings as JSON."),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG",
            show_default=False,
            help="Slices with the outline, and the surface; auto: beside the mask.",
        ),
    ] = None,
    save_probability: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False, help="The probability (0 to 1) around the pancreas."),
    ] = None,
    allow_empty: Annotated[
        bool,
        typer.Option(
            "--allow-empty", help="Where no pancreas is found, write an empty mask (exit status stays 3)."
        ),
    ] = False,
    assume_ct: Annotated[
        bool,
        typer.Option("--assume-ct", help="Read the scan as a CT in HU even where its intensities look like none."),
    ] = False,
    hu_offset: Annotated[
        float,
        typer.Option(
            "--hu-offset", metavar="HU", help="Add this to all values first: -1024 for a CT stored as HU + 1024."
        ),
    ] = 0.0,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", show_default=False, help="CPU threads; all without it.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="In a folder of scans, do again those that are done.")
    ] = False,
) -> None:
    """Segment the pancreas on a CT, or on every CT of a folder.

    Prints its volume, mean HU, extent and confidence. Exit status: 0 mask written; 2 refused or failed;
    3 no pancreas found or in view; 130 cancelled. For a folder: 0 if all went well, 2 if a scan failed, else 3;
    and --report, --picture and --save-probability name folders too.
    """
    _check_input(input)
    if list_series:
        _list_series(input)
        return
    settings = RunSettings(model, device, threads, region_of(roi), series, allow_empty, assume_ct, hu_offset)
    wanted = {"report": report, "picture": picture, "probability": save_probability}
    if _is_folder_of_scans(input, output):
        from PancreasSegLib.cli.batch import segment_folder

        if picture == AUTO_NAME:
            wanted["picture"] = output
        segment_folder(input, output, wanted, settings, overwrite=overwrite)
    else:
        mask = _mask_path(input, output, model)
        if picture == AUTO_NAME:
            wanted["picture"] = beside(mask, ".png")
        segment_one(input, OutputFiles(mask, **wanted), settings)


def segment_one(source: Path, files: OutputFiles, settings: RunSettings) -> Segmentation:
    """Segment one scan and say what was found.

    Raises
    ------
    NoPancreasError
        After an empty mask was written, for the exit status.
    """
    from PancreasSegLib.cli.progress_bar import ProgressBar

    start = time.perf_counter()
    files.check(source)
    loading = load_early(settings)
    with ProgressBar() as bar:
        result = segment_scan(source, files, settings, loading.result, bar, on_forecast=note)
    tell(result, files, time.perf_counter() - start)
    if not result.mask.any():
        sought = " and no ".join(result.labels)
        raise NoPancreasError(f"No {sought} was found; the mask that was written is empty.")
    return result


def tell(result: Segmentation, files: OutputFiles, seconds: float) -> None:
    """Print what was found, what to know about it, and where it is."""
    for label in result.labels:
        say(f"{label}: {measured(result, label)}")
    for warning in result.warnings:
        warn(warning.sentence)
    say(f"{', '.join(str(path) for path in files.paths.values())} written in {seconds:.1f} s")


def measured(result: Segmentation, label: str) -> str:
    """Return a label's statistics as one line."""
    statistics = result.statistics.get(label, {})
    if not statistics.get("volume_ml"):
        return "not found"
    extent = " x ".join(f"{value:.0f}" for value in statistics["extent_mm"])
    return (
        f"{statistics['volume_ml']:.1f} mL, {statistics['mean_hu']:.0f} +- {statistics['sd_hu']:.0f} HU, "
        f"{extent} mm (left-right, front-back, up-down), confidence {statistics['confidence']:.2f}"
    )


def _check_input(source: Path) -> None:
    """Refuse a path that is not there before torch is imported for it."""
    from PancreasSegLib.errors import UnreadableFileError

    try:
        source.stat()
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise UnreadableFileError(f"{str(source)!r} {reason}.", "Check the path.") from error


def _is_folder_of_scans(source: Path, output: Path | None) -> bool:
    """Whether `source` is to be taken scan by scan: a folder, with a folder or nothing named for the output."""
    from PancreasSegLib.io.formats import WRITABLE_MASKS, extension_of
    from PancreasSegLib.io.scans import case_image

    if not source.is_dir() or (case_image(source) is not None and not (output and output.is_dir())):
        return False
    if output is not None:
        return output.is_dir() or extension_of(output) not in WRITABLE_MASKS
    from PancreasSegLib.io import find_scans

    if [path.resolve() for path in find_scans(source)] == [source.resolve()]:
        return False
    raise OutputError(
        f"{str(source)!r} is a folder of scans, and no folder was named for the masks.", "Add --output FOLDER."
    )


def _mask_path(source: Path, output: Path | None, model: str) -> Path:
    """Return the name of the mask: as given, in the folder given, or in the current folder."""
    if output is not None and not output.is_dir():
        return output
    return (output or Path()) / f"{scan_name(source)}_{result_name(model)}{MASK_EXTENSION}"


def _list_series(source: Path) -> None:
    """Print the DICOM series of a folder, file or zip; a mark shows the one that is read when none is named."""
    from rich.table import Table

    from PancreasSegLib.io import list_series

    table = Table("", "number", "modality", "slices", "description", box=None, header_style="bold")
    table.add_column("--series", overflow="fold")
    for series in list_series(source):
        number = "" if series.number is None else str(series.number)
        mark = ">" if series.chosen else ""
        table.add_row(mark, number, series.modality, str(series.slices), series.description, series.key)
    show(table)
