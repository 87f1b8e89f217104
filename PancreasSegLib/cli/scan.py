"""One scan from its file to the files that were asked for; what `segment` and `demo` have in common."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PancreasSegLib.cli.background import Background
from PancreasSegLib.cli.output_files import OutputFiles
from PancreasSegLib.cli.progress_bar import ProgressBar

if TYPE_CHECKING:
    from PancreasSegLib.inference import Segmentation, Segmenter
    from PancreasSegLib.volume import Box, Volume


@dataclass(frozen=True)
class RunSettings:
    """What a run is told, the same for every scan of a folder.

    Attributes
    ----------
    model, device : str
        As ``--model`` and ``--device`` take them.
    threads : int or None
        CPU threads, None for all.
    roi : Box or {"auto", "none"}
        Where to look; a box is on the scan's own grid.
    series : str or None
        DICOM series to read, None for the CT with most slices.
    allow_empty : bool
        Whether an empty mask may be written.
    assume_ct : bool
        Whether a scan that does not look like a CT is read all the same.
    hu_offset : float
        Added to all values of the scan first.
    """

    model: str = "default"
    device: str = "auto"
    threads: int | None = None
    roi: Box | Literal["auto", "none"] = "auto"
    series: str | None = None
    allow_empty: bool = False
    assume_ct: bool = False
    hu_offset: float = 0.0


def load_early(settings: RunSettings) -> Background[Segmenter]:
    """Begin to import torch and to load the model, while the caller reads the scan."""
    # What both threads need is imported before the second one starts: two threads that import the same package
    # from different ends can see it half made.
    import PancreasSegLib.io.read
    import PancreasSegLib.volume  # noqa: F401

    def load() -> Segmenter:
        from PancreasSegLib.inference import Segmenter

        segmenter = Segmenter.load(settings.model, device=settings.device, threads=settings.threads)
        import PancreasSegLib.inference.cascade
        import PancreasSegLib.roi  # noqa: F401  (scipy.ndimage takes a third of a second)

        return segmenter

    return Background(load)


def segment_scan(
    source: Path,
    files: OutputFiles,
    settings: RunSettings,
    segmenter: Callable[[], Segmenter],
    bar: ProgressBar,
    on_forecast: Callable[[str], None] = lambda sentence: None,
) -> Segmentation:
    """Read a scan, segment it and write what was asked for: all of the files or none.

    Parameters
    ----------
    source : Path
        The scan.
    files : OutputFiles
        Where the results go; already checked.
    settings : RunSettings
        Model, device, region.
    segmenter : callable
        Gives the loaded model, waiting for it where needed.
    bar : ProgressBar
        Shows the stages.
    on_forecast : callable
        Takes the sentence that forecasts time and memory, before the run.

    Returns
    -------
    Segmentation
        With the seconds of reading, loading and segmenting in its timings, and with the reader's warnings.
    """
    from PancreasSegLib.inference.result import SegmentationWarning
    from PancreasSegLib.io import read_volume
    from PancreasSegLib.io.write import check_mask_output

    timings: dict[str, float] = {}
    bar.stage("reading the scan")
    with _timed(timings, "read"):
        volume = read_volume(
            source, series=settings.series, assume_ct=settings.assume_ct, hu_offset=settings.hu_offset
        )
        check_mask_output(files.mask, volume)
    files.refuse_inputs(volume)
    bar.stage("loading the model")
    with _timed(timings, "load"):
        model = segmenter()
    on_forecast(model.forecast(volume, roi=settings.roi).sentence)
    result = model.segment(volume, roi=settings.roi, progress=bar, allow_empty=settings.allow_empty)
    repaired = [SegmentationWarning(**found) for found in volume.source.get("warnings", [])]
    result = replace(result, timings={**timings, **result.timings}, warnings=[*repaired, *result.warnings])
    bar.stage("writing the results")
    write_files(files, volume, result, source)
    return result


def result_name(model: str) -> str:
    """Return what results of a model are named by: ``pancreas``, or ``segmentation`` for other organs.

    ``find_scans`` knows both endings. A model that cannot be read is complained of when it is loaded.
    """
    from PancreasSegLib.errors import PancreasSegError
    from PancreasSegLib.models import find_package

    try:
        return "pancreas" if find_package(model).seeks_pancreas else "segmentation"
    except PancreasSegError:
        return "pancreas"


def write_files(files: OutputFiles, volume: Volume, result: Segmentation, source: Path) -> None:
    """Write the mask and what goes with it, the mask's own name appearing last."""
    from PancreasSegLib.io import write_mask, write_volume

    organ = "pancreas" if "pancreas" in result.labels else next(iter(result.labels))
    with files.staged() as staged:
        if staged.picture is not None:
            from PancreasSegLib.pictures import write_montage

            write_montage(
                staged.picture,
                volume,
                result.mask,
                labels=result.labels,
                statistics=result.statistics,
                title=source.name,
                probability=result.probability.get(organ),
            )
        if staged.probability is not None:
            write_volume(staged.probability, result.probability[organ])
        write_mask(staged.mask, result.mask, result.geometry, labels=result.labels, source=volume)
        if staged.report is not None:
            from PancreasSegLib.report import write_report

            written = {name: path for name, path in staged.paths.items() if name != "report"}
            write_report(staged.report, result, input_path=source, output_path=files.mask, files=written)


@contextlib.contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    """Note the seconds of a block under a name."""
    start = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - start
