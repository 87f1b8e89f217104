"""What one segmentation found, how, and with what: the JSON report."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PancreasSegLib._version import __version__

if TYPE_CHECKING:
    from PancreasSegLib.inference.result import Segmentation

REPORT_FORMAT = "pancreasseg-report/1"
DISCLAIMER = "Research use, not a medical device."


def report_json(
    segmentation: Segmentation, *, input_path: str | Path | None = None, output_path: str | Path | None = None
) -> dict[str, Any]:
    """Return the report of a run; strict JSON (no NaN, no numpy types), every quantity's unit in its name.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    input_path, output_path : str or Path, optional
        The CT that was read and the mask that was written.

    Returns
    -------
    dict
        ``format``
            Name and version of this layout, `REPORT_FORMAT`.
        ``created_utc``
            ISO 8601 time of the report.
        ``input``, ``output``
            Paths as given (absolute), null where not given.
        ``organs``
            A label a key: ``value`` in the mask, ``found``, ``voxels``, ``volume_ml``, ``mean_hu``, ``sd_hu``,
            ``extent_mm`` {``left_right``, ``anterior_posterior``, ``superior_inferior``}, ``centre_lps_mm``,
            ``confidence_expected_dice`` (0 to 1), and further statistics under their own names. What is not known
            is null: the HU of an organ that was not found, the confidence without a probability.
        ``geometry``
            Grid of the CT and the mask: ``size_ijk``, ``spacing_mm``, ``origin_lps``, ``direction_lps``.
        ``roi``
            The proposed region (as ``pancreasseg roi --json`` prints it), null when switched off.
        ``probability_grids``
            Geometry of the probability crop, a label a key.
        ``warnings``
            ``code`` and ``sentence`` of each.
        ``timings_s``
            Seconds a stage; ``total_s`` their sum.
        ``provenance``
            Version, model, checksums, device, precision and settings, as the run recorded them.
        ``disclaimer``
            What the result is not.
    """
    timings = {name: float(seconds) for name, seconds in segmentation.timings.items()}
    total = timings.pop("total", None)
    report = {
        "format": REPORT_FORMAT,
        "created_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "software": {"name": "PancreasSeg", "version": __version__},
        "input": _absolute(input_path),
        "output": _absolute(output_path),
        "organs": {name: _organ(segmentation, name, value) for name, value in segmentation.labels.items()},
        "geometry": segmentation.geometry.to_json(),
        "roi": segmentation.roi.to_json() if segmentation.roi is not None else None,
        "probability_grids": {name: crop.geometry.to_json() for name, crop in segmentation.probability.items()},
        "warnings": [{"code": w.code, "sentence": w.sentence} for w in segmentation.warnings],
        "timings_s": timings,
        "total_s": total if total is not None else sum(timings.values()),
        "provenance": segmentation.provenance,
        "disclaimer": DISCLAIMER,
    }
    return _strict(report)


def write_report(
    path: str | Path,
    segmentation: Segmentation,
    *,
    input_path: str | Path | None = None,
    output_path: str | Path | None = None,
    files: Mapping[str, Path] | None = None,
) -> dict[str, Any]:
    """Write `report_json` to a file, UTF-8, whole or not at all, and return it.

    Parameters
    ----------
    path, segmentation, input_path, output_path
        As for `report_json`.
    files : mapping of str to Path, optional
        Where what was written beside it lies now, by option name; the report's ``files_sha256`` says what was in
        them, so that files of two runs are not taken for those of one (`is_of_one_run`).

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    from PancreasSegLib.io import atomic_path

    report = report_json(segmentation, input_path=input_path, output_path=output_path)
    report["files_sha256"] = {name: file_sha256(file) for name, file in (files or {}).items()}
    text = json.dumps(report, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # as JSON escapes it too
    return report


def is_of_one_run(report_path: Path, files: Mapping[str, Path]) -> bool:
    """Whether a report and the files beside it were written by one run.

    They take their names one after the other, the mask last; a process that is killed in between leaves a new
    report beside an old mask, which this tells.

    Parameters
    ----------
    report_path : Path
    files : mapping of str to Path
        By option name, as for `write_report`.
    """
    try:
        said = json.loads(report_path.read_text(encoding="utf-8"))["files_sha256"]
        return all(said.get(name) == file_sha256(file) for name, file in files.items())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while part := stream.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _organ(segmentation: Segmentation, name: str, value: int) -> dict[str, Any]:
    """Return the figures of one label."""
    found = dict(segmentation.statistics.get(name, {}))
    voxels = int(np.count_nonzero(segmentation.mask == value))
    volume = found.pop("volume_ml", None)
    extent = found.pop("extent_mm", None)
    result: dict[str, Any] = {
        "value": int(value),
        "found": voxels > 0,
        "voxels": voxels,
        "volume_ml": voxels * segmentation.geometry.voxel_volume_ml if volume is None else volume,
        "mean_hu": found.pop("mean_hu", None),
        "sd_hu": found.pop("sd_hu", None),
        "extent_mm": None,
        "centre_lps_mm": found.pop("centre_lps", None),
        "confidence_expected_dice": found.pop("confidence", None),
    }
    if extent is not None and voxels:
        axes = ("left_right", "anterior_posterior", "superior_inferior")
        result["extent_mm"] = dict(zip(axes, extent, strict=True))
    return {**result, **found}


def _absolute(path: str | Path | None) -> str | None:
    return None if path is None else str(Path(path).absolute())


def _strict(value: Any) -> Any:
    """Return the value in JSON's own types; what is not finite becomes null."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _strict(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_strict(item) for item in value]
    return str(value)
