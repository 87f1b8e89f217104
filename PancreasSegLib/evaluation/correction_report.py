"""The files of a correction benchmark."""

from __future__ import annotations

import csv
import datetime
import json
import math
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from PancreasSegLib._version import __version__
from PancreasSegLib.evaluation.correction_benchmark import CorrectionScore
from PancreasSegLib.io import atomic_path


def write_scores(path: Path, scores: Sequence[CorrectionScore]) -> None:
    """Write one line a case, method and correction as CSV; whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    names = [field.name for field in fields(CorrectionScore)]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for score in scores:
            writer.writerow([_cell(getattr(score, name)) for name in names])


def write_summary(path: Path, about: dict[str, Any], summary: dict[str, Any]) -> None:
    """Write what was done and what came out as JSON; whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"about": about, **summary}, indent=2, allow_nan=False), encoding="utf-8")


def machine() -> dict[str, Any]:
    """Return what the seconds were measured on."""
    from PancreasSegLib.inference.device import cpu_name

    found: dict[str, Any] = {
        "processor": cpu_name(),
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "library": __version__,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    if hasattr(os, "getloadavg"):
        found["load_average"] = [round(value, 2) for value in os.getloadavg()]
    if "torch" in sys.modules:
        import torch

        found |= {"torch": torch.__version__, "torch_threads": torch.get_num_threads()}
    return found


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
