"""``pancreasseg data``: datasets brought into one form and looked at; training cases added and listed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from PancreasSegLib.cli import data_inspect, data_prepare, data_split
from PancreasSegLib.cli.shared_options import share_options
from PancreasSegLib.cli.terminal import note, say, show

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from PancreasSegLib.volume import Volume

app = typer.Typer(
    help="Inspect, prepare and split datasets; add corrected cases to a folder, and list them.",
    no_args_is_help=True,
)
app.command("inspect")(data_inspect.command)
app.command("prepare")(data_prepare.command)
app.command("split")(data_split.command)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The dataset folder; new or empty at first.")]


@app.command("add")
def add_command(
    folder: Folder,
    ct: Annotated[Path, typer.Argument(metavar="CT", help="NIfTI, NRRD, MetaImage, or a DICOM folder.")],
    mask: Annotated[Path, typer.Argument(metavar="MASK", help="Its corrected mask, on the CT's grid.")],
    label: Annotated[str, typer.Option("--label", help="What the mask outlines.")] = "pancreas",
    value: Annotated[
        int | None, typer.Option("--value", min=1, max=255, help="The organ's value in the mask; default: not 0.")
    ] = None,
    marks: Annotated[
        Path | None, typer.Option("--marks", help="A mask of what was marked: 1 organ, 2 not organ.")
    ] = None,
    reader: Annotated[str, typer.Option("--reader", help="Who read the case.")] = "",
    rejected: Annotated[
        bool, typer.Option("--rejected", help="Keep the case, but out of what is learnt from.")
    ] = False,
    model: Annotated[
        str, typer.Option("--model", help="The model that the mask began from, as NAME:VERSION.")
    ] = "",
    patient: Annotated[
        str, typer.Option("--patient", help="A code of yours for scans of one patient; no name, no number.")
    ] = "",
    licence: Annotated[str, typer.Option("--licence", help="Terms of the CT.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace an earlier save without asking.")] = False,
) -> None:
    """Add a corrected case; identifiers are left out, the case is named by the hash of its CT.

    A CT that is in the folder already is asked about where there is a terminal, and refused where there is none.
    """
    from PancreasSegLib.data import ACCEPTED, REJECTED, TrainingCase, check_folder, save_training_case
    from PancreasSegLib.errors import CancelledError, CaseExistsError
    from PancreasSegLib.io import read_labels, read_volume

    check_folder(folder, {label: 1})
    volume = read_volume(ct)
    name, _, version = model.partition(":")
    case = TrainingCase(
        volume,
        _organ(read_labels(mask), volume, mask, label, value),
        {label: 1},
        _on_grid(read_labels(marks), volume, marks) if marks else None,
        state=REJECTED if rejected else ACCEPTED,
        reader=reader,
        model=name,
        model_version=version,
        kind="dicom" if volume.source.get("series_uid") else "file",
        series_uid=str(volume.source.get("series_uid", "")),
        patient=patient,
        licence=licence,
    )
    try:
        saved = save_training_case(folder, case, overwrite=replace)
    except CaseExistsError as error:
        if not sys.stdin.isatty():
            raise CaseExistsError(error.message, "Add --replace to replace it.") from error
        if not typer.confirm(f"{error.message} Replace it?"):
            raise CancelledError("Nothing was changed.") from error
        saved = save_training_case(folder, case, overwrite=True)
    done = "Replaced" if saved.replaced else "Added"
    say(f"{done} {saved.name} ({saved.record.state}). {_counted(saved.accepted, saved.rejected)} in {folder}.")


@app.command("list")
def list_command(folder: Folder) -> None:
    """List the cases that were saved into a folder: state, reader, date, volumes, what the mask began from."""
    from rich.table import Table
    from rich.text import Text

    from PancreasSegLib.data import count_cases, read_provenance

    records = read_provenance(folder) or {}
    table = Table()
    table.add_column("Case", no_wrap=True, min_width=17)
    for heading in ("State", "Reader", "Saved", "mL", "Read for", "Began from"):
        table.add_column(heading)
    for name, record in records.items():
        ml = ", ".join(f"{volume:.1f}" for volume in record.volume_ml.values())
        began = " ".join(record.model.values())
        cells = (record.state, record.reader, record.saved[:10], ml, ", ".join(record.labels_present), began)
        table.add_row(name, *(Text(cell) for cell in cells))
    if records:
        show(table)
    note(f"{_counted(*count_cases(folder))} in {folder}.")


def _counted(accepted: int, rejected: int) -> str:
    cases = f"{accepted} case{'' if accepted == 1 else 's'} to learn from"
    return f"{cases}, {rejected} rejected" if rejected else cases


def _on_grid(part: Volume, ct: Volume, path: Path) -> NDArray[np.uint8]:
    """Return the labels, which must lie on the CT."""
    import numpy as np

    from PancreasSegLib.errors import DatasetError

    if not part.geometry.matches(ct.geometry, tolerance_mm=0.1):
        raise DatasetError(f"{path} does not lie on the grid of the CT.", "Resample it to the CT.")
    return np.clip(part.voxels, 0, 255).astype(np.uint8)


def _organ(part: Volume, ct: Volume, path: Path, label: str, value: int | None) -> NDArray[np.uint8]:
    """Return 1 where the mask holds the organ."""
    import numpy as np

    from PancreasSegLib.data.adapters.label_grid import on_grid
    from PancreasSegLib.data.reference import segment_values
    from PancreasSegLib.errors import DatasetError
    from PancreasSegLib.io.segmentation_file import SEGMENTS

    if SEGMENTS in part.source:
        value = segment_values(part, (label,), path.name)[label]
        return (on_grid(part, ct, path.name) == value).astype(np.uint8)
    labels = _on_grid(part, ct, path)
    found = sorted(set(np.unique(labels).tolist()) - {0})
    if value is None and len(found) > 1:
        raise DatasetError(
            f"{path} holds several labels ({', '.join(map(str, found))}).", "Say which with --value."
        )
    return (labels == value if value is not None else labels > 0).astype(np.uint8)


share_options(app)
