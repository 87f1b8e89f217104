"""All figures of an evaluation, for programs and for the report."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

from PancreasSegLib._version import __version__
from PancreasSegLib.evaluation.agreement import Agreement, bland_altman
from PancreasSegLib.evaluation.cohort import Cohort, write_rows
from PancreasSegLib.evaluation.confidence import FAILURE_DICE, ConfidenceQuality, confidence_quality
from PancreasSegLib.evaluation.intervals import LEVEL, RESAMPLES, Interval, mean_interval
from PancreasSegLib.evaluation.paired import PairedComparison, compare_models
from PancreasSegLib.evaluation.strata import Stratum, stratify
from PancreasSegLib.io.atomic import atomic_path

FORMAT = "pancreasseg-evaluation/1"


@dataclass(frozen=True)
class LabelSummary:
    """The figures of one model and label.

    Attributes
    ----------
    measures : dict
        Mean, spread and counts by measure, as `Cohort.summary`.
    intervals : dict of str to Interval or None
        Of the means, by measure.
    outcomes : dict of str to int
        How many cases were ``compared``, ``missed`` (empty prediction), ``invented`` (empty reference) or
        ``both empty``; and how many the model ``refused``.
    patients : int
        How many.
    agreement : Agreement or None
        Of the volumes in mL.
    confidence : ConfidenceQuality or None
        Where the runs reported one.
    strata : list of Stratum
        By spacing, volume and contrast.
    """

    measures: dict[str, dict[str, float | None]]
    intervals: dict[str, Interval | None]
    outcomes: dict[str, int]
    patients: int
    agreement: Agreement | None
    confidence: ConfidenceQuality | None
    strata: list[Stratum]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        measures: dict[str, dict[str, Any]] = {
            name: {**values, "interval": found.to_json() if (found := self.intervals[name]) else None}
            for name, values in self.measures.items()
        }
        return {
            "measures": measures,
            "outcomes": self.outcomes,
            "patients": self.patients,
            "volume_agreement_ml": self.agreement.to_json() if self.agreement else None,
            "confidence": self.confidence.to_json() if self.confidence else None,
            "strata": [stratum.to_json() for stratum in self.strata],
        }


@dataclass(frozen=True)
class Evaluation:
    """The scores of all models, and what follows from them.

    Attributes
    ----------
    cohorts : dict of str to Cohort
        By model.
    about : dict
        Dataset, labels, command: what a reader needs to repeat the measurement.
    notes : tuple of str
        What was noticed on the way.
    resamples, seed : int
        Of the bootstrap.
    failure_dice : float
        What counts as a failure where confidence is judged.
    """

    cohorts: dict[str, Cohort]
    about: dict[str, Any]
    notes: tuple[str, ...] = ()
    resamples: int = RESAMPLES
    seed: int = 0
    failure_dice: float = FAILURE_DICE
    made: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that were compared."""
        return tuple(dict.fromkeys(label for cohort in self.cohorts.values() for label in cohort.labels))

    @cached_property
    def summaries(self) -> dict[str, dict[str, LabelSummary]]:
        """The figures by label and model."""
        return {
            label: {
                name: self._summary(cohort.of_label(label))
                for name, cohort in self.cohorts.items()
                if label in cohort.labels
            }
            for label in self.labels
        }

    @cached_property
    def comparisons(self) -> list[PairedComparison]:
        """Every pair of models, by label and measure."""
        if len(self.cohorts) < 2:
            return []
        return [
            comparison
            for label in self.labels
            for comparison in compare_models(self.cohorts, label, resamples=self.resamples, seed=self.seed)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON; None for what is no finite number."""
        return {
            "format": FORMAT,
            "made": self.made,
            "software": {"name": "PancreasSeg", "version": __version__},
            "about": self.about,
            "bootstrap": {"resamples": self.resamples, "seed": self.seed, "level": LEVEL, "unit": "patient"},
            "notes": list(self.notes),
            "models": {name: cohort.about for name, cohort in self.cohorts.items()},
            "summary": {
                label: {name: summary.to_json() for name, summary in by_model.items()}
                for label, by_model in self.summaries.items()
            },
            "comparisons": [comparison.to_json() for comparison in self.comparisons],
            "cases": [
                {"model": name} | score.to_json()
                for name, cohort in self.cohorts.items()
                for score in cohort.scores
            ],
        }

    def _summary(self, cohort: Cohort) -> LabelSummary:
        patients = [score.patient or score.case for score in cohort.scores]
        measures = cohort.summary()
        outcomes = Counter(score.outcome for score in cohort.scores)
        names = ("compared", "missed", "invented", "both empty")
        return LabelSummary(
            measures,
            {name: self._interval(cohort, name, patients) for name in measures},
            {name: outcomes[name] for name in names}
            | {"refused": sum(bool(score.error) for score in cohort.scores)},
            len(set(patients)),
            bland_altman(
                [score.volume_ml for score in cohort.scores], [score.reference_ml for score in cohort.scores]
            ),
            confidence_quality(cohort.scores, self.failure_dice),
            stratify(cohort.scores, resamples=self.resamples, seed=self.seed),
        )

    def _interval(self, cohort: Cohort, measure: str, patients: list[str]) -> Interval | None:
        known = [
            (value, patient)
            for value, patient in zip(cohort.values(measure), patients, strict=True)
            if math.isfinite(value)
        ]
        if measure == "seconds" or not known:
            return None
        values, units = zip(*known, strict=True)
        return mean_interval(values, units, resamples=self.resamples, seed=self.seed)


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write ``cases.csv`` (a row a model, case and label) and ``summary.json``; each whole or not at all.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    rows = (
        {"model": name, "label": score.label} | score.row()
        for name, cohort in evaluation.cohorts.items()
        for score in cohort.scores
    )
    write_rows(folder / "cases.csv", rows)
    with atomic_path(folder / "summary.json") as temporary:
        temporary.write_text(
            json.dumps(_strict(evaluation.to_json()), indent=2, allow_nan=False), encoding="utf-8"
        )


def _strict(value: Any) -> Any:
    """Return the value with None for every number that is not finite."""
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
