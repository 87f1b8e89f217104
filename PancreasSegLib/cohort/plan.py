"""What a run over a cohort will take, from a sample of its scans that is run."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from PancreasSegLib.cohort.folder import Cohort
from PancreasSegLib.cohort.index import read_index
from PancreasSegLib.cohort.run import Progress, run_cohort
from PancreasSegLib.cohort.table import Parts
from PancreasSegLib.cohort.task import TaskSettings

SAMPLE = 10


@dataclass(frozen=True)
class Plan:
    """A forecast.

    Attributes
    ----------
    scans, sampled : int
        Chosen scans; those of them that were run, whose results are kept.
    seconds : float
        Of one worker a scan, on average.
    spread_s : float
        Half the width of a 95 % interval of that mean.
    threads : int
        CPU threads of a worker.
    disk_mb, memory_mb : float
        Of the results of one scan; the most that a worker held.
    """

    scans: int
    sampled: int
    seconds: float
    spread_s: float
    threads: int
    disk_mb: float
    memory_mb: float

    @property
    def core_hours(self) -> float:
        """Of all scans."""
        return self.scans * self.seconds * self.threads / 3600

    def hours(self, workers: int) -> float:
        """Return how long so many workers take."""
        return self.scans * self.seconds / workers / 3600


def make_plan(
    cohort: Cohort,
    client: Any,
    settings: TaskSettings,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> Plan:
    """Run ten scans, drawn by chance but always the same, and say what all will take.

    Parameters
    ----------
    cohort, client, settings, progress
        As for `run_cohort`.
    """
    from pathlib import Path

    scans = sorted(row["scan"] for row in read_index(cohort) if row["chosen"])
    sample = random.Random(0).sample(scans, min(SAMPLE, len(scans)))
    run_cohort(cohort, client, settings, scans=sample, progress=progress)
    kept = {row["scan"]: row for row in Parts(Path(settings.results) / "parts", 1).rows()}
    rows = [kept[scan] for scan in sample if "seconds" in kept[scan]]
    seconds = np.array([row["seconds"] for row in rows] or [0.0])
    spread = 1.96 * seconds.std(ddof=1) / np.sqrt(len(seconds)) if len(seconds) > 1 else float("nan")
    return Plan(
        len(scans),
        len(rows),
        float(seconds.mean()),
        float(spread),
        settings.threads,
        float(np.mean([row["bytes"] for row in rows] or [0.0])) / 2**20,
        max((row["memory_mb"] for row in rows), default=0.0),
    )
