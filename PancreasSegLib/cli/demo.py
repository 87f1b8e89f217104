"""``pancreasseg demo``: the whole run on a public CT, or on a phantom where there is no network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from PancreasSegLib.cli.output_files import OutputFiles, beside, scan_name
from PancreasSegLib.cli.scan import RunSettings
from PancreasSegLib.cli.terminal import note, say
from PancreasSegLib.errors import PancreasSegError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The checksum is the one that 3D Slicer's Sample Data module publishes for its data set "CTLiver".
_SHA256 = "e16eae0ae6fefa858c5c11e58f0f1bb81834d81b7102e021571056324ef6f37e"
_URL = f"https://github.com/Slicer/SlicerTestingData/releases/download/SHA256/{_SHA256}"
_CREDIT = (
    "Medical Segmentation Decathlon, Task03_Liver, liver_100, as 3D Slicer's sample CTLiver, CC BY-SA 4.0 "
    "(medicaldecathlon.com)"
)


def command(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the results.")] = Path(
        "pancreasseg-demo"
    ),
    picture: Annotated[
        Path | None, typer.Option(metavar="PNG", show_default=False, help="The picture; in DIR without it.")
    ] = None,
    phantom: Annotated[bool, typer.Option("--phantom", help="Use the phantom, and no network.")] = False,
    url: Annotated[
        str | None, typer.Option(metavar="URL", show_default=False, help="Another CT to fetch.")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", show_default=False, help="The SHA-256 of what --url gives.")
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help="A model's name, or the folder of one.")] = "default",
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:N, mps, intel or torch:cpu.")
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Which phantom.")] = 0,
) -> None:
    """Show what PancreasSeg does: fetch a public CT (35 MB, once), segment it, draw it.

    Where there is no network an anatomical phantom is made and segmented instead.
    """
    if (url is None) != (sha256 is None):
        raise PancreasSegError("--url and --sha256 belong together.", "Give both or none.")
    scan = None if phantom else _public_ct(url, sha256)
    truth = None
    if scan is None:
        scan, truth = _phantom(output, seed)
    mask = output / f"{scan_name(scan)}_pancreas.nii.gz"
    files = OutputFiles(mask, beside(mask, ".json"), picture or beside(mask, ".png"))
    from PancreasSegLib.cli.segment import segment_one

    say(f"CT: {scan}")
    result = segment_one(scan, files, RunSettings(model=model, device=device))
    if truth is not None:
        say(f"Dice against the pancreas that was built into the phantom: {_dice(result.mask, truth):.2f}")


def _public_ct(url: str | None, sha256: str | None) -> Path | None:
    """Return the fetched CT, None where it cannot be had (with the reason told)."""
    from PancreasSegLib.cli.progress_bar import ProgressBar
    from PancreasSegLib.models.catalogue.download import PublicFile, fetch
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegLib.user_folders import cache_folder

    file = PublicFile("CTLiver.nrrd", _URL, _SHA256, _CREDIT)
    if url is not None and sha256 is not None:
        file = PublicFile(Path(url).name, url, sha256.lower(), url)
    folder = cache_folder() / "demo"
    start = time.monotonic()
    try:
        with ProgressBar() as bar:
            bar.stage("fetching a public CT")

            def show(fraction: float) -> None:
                left = (time.monotonic() - start) * (1 / fraction - 1) if fraction else None
                bar(ProgressEvent("fetch", fraction, left, "fetching a public CT"))

            path = fetch(file, folder, show)
    except PancreasSegError as error:
        if url is not None:
            raise
        note(f"No public CT: {error.message} A phantom is made instead.", style="")
        return None
    note(f"The CT is from: {file.credit}", style="")
    return path


def _phantom(output: Path, seed: int) -> tuple[Path, NDArray]:
    """Write a phantom; return its path and its true pancreas, (z, y, x)."""
    from PancreasSegLib.cli.progress_bar import ProgressBar
    from PancreasSegLib.io import check_writable, write_mask, write_volume
    from PancreasSegLib.phantom import PHANTOM_LABELS, make_phantom

    ct = output / "phantom.nii.gz"
    check_writable(ct)
    with ProgressBar() as bar:
        bar.stage("making the phantom")
        phantom = make_phantom(seed=seed)
        truth = phantom.labels.voxels == PHANTOM_LABELS["pancreas"]
        write_volume(ct, phantom.ct)
        write_mask(output / "phantom_true_pancreas.nii.gz", truth, phantom.ct.geometry)
    return ct, truth


def _dice(mask: NDArray, truth: NDArray) -> float:
    """Return the Dice overlap of two masks of one shape."""
    a, b = mask > 0, truth > 0
    total = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / total if total else 1.0
