"""Compare the masks of one or several sources with references, case by case, so that a broken run can go on."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.data import Case
from PancreasSegLib.data.reference import read_case
from PancreasSegLib.evaluation.case_score import CaseScore
from PancreasSegLib.evaluation.cohort import Cohort
from PancreasSegLib.evaluation.label_choice import LabelChoice
from PancreasSegLib.evaluation.model import in_plane
from PancreasSegLib.evaluation.prediction import Prediction, PredictionSource
from PancreasSegLib.evaluation.traits import Traits, phase_of, traits_of
from PancreasSegLib.io import atomic_path, read_labels, write_mask
from PancreasSegLib.models.checksums import sha256
from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent
from PancreasSegLib.volume import Volume

_log = logging.getLogger(__name__)


@dataclass
class EvaluationRun:
    """What is compared with what, and the folder in which finished cases are kept.

    Attributes
    ----------
    sources : sequence of PredictionSource
        Each is scored on its own; two or more are compared by the caller.
    cases : mapping of str to sequence of Case
        The cases of each source, by its name.
    choice : LabelChoice
        The labels that are compared.
    folder : Path
        Finished cases go into ``cases/SOURCE``: ``NAME.json``, and the mask for what took long to predict.
    resume : bool
        Whether finished cases of the same weights (or files), CT, reference and labels are taken as they are.
    in_plane_mm : float or None
        Resample CT and reference to this in-plane spacing first.
    notes : list of str
        What was noticed on the way.
    """

    sources: Sequence[PredictionSource]
    cases: Mapping[str, Sequence[Case]]
    choice: LabelChoice
    folder: Path
    resume: bool = False
    in_plane_mm: float | None = None
    notes: list[str] = field(default_factory=list)
    _traits: dict[str, dict[str, Traits]] = field(default_factory=dict, init=False)
    _digests: dict[Path, str] = field(default_factory=dict, init=False)

    @property
    def labels(self) -> dict[str, int]:
        """The labels that are compared, with their values in the references as `read` gives them."""
        return self.choice.values

    def score(
        self,
        *,
        progress: ProgressCallback | None = None,
        scored: Callable[[str, CaseScore], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> dict[str, Cohort]:
        """Score every source.

        Parameters
        ----------
        progress : callable, optional
            Told of every case.
        scored : callable, optional
            Given the source's name and each score.
        cancel : CancelToken, optional
            Obeyed inside every case; finished cases are kept.

        Returns
        -------
        dict of str to Cohort
            By the source's name; a score a case and label, in the order of the cases.

        Raises
        ------
        DatasetError
            If a reference does not lie on the grid of its CT, or a prediction does not fit.
        """
        total = sum(len(self.cases[source.name]) for source in self.sources)
        done, started, fresh = 0, time.monotonic(), 0
        found: dict[str, Cohort] = {}
        for source in self.sources:
            scores: dict[str, list[CaseScore]] = {}
            for case in source.order(self.cases[source.name]):
                if cancel:
                    cancel.check()
                if progress:
                    left = (time.monotonic() - started) / fresh * (total - done) if fresh else None
                    progress(ProgressEvent("evaluate", done / total, left, f"{source.name}: {case.name}"))
                key = self._key(source, case)
                kept = self._kept(source, case, key)
                scores[case.name] = kept or self._score_case(source, case, key, cancel)
                fresh += kept is None
                done += 1
                if scored:
                    for score in scores[case.name]:
                        scored(source.name, score)
            ordered = [score for case in self.cases[source.name] for score in scores[case.name]]
            found[source.name] = Cohort(tuple(ordered), source.about)
        return found

    def compared(
        self, source: PredictionSource, case: Case
    ) -> tuple[Volume, Volume, dict[str, NDArray[np.bool_]]]:
        """Return CT, reference and the masks of a case once more, as for its picture."""
        ct, reference = self.read(case)
        path = self._mask_file(source, case)
        if source.costly and path.is_file():
            kept = read_labels(path)
            if kept.geometry.matches(ct.geometry, 0.1):
                numbers = enumerate(self.labels, 1)
                return ct, reference, {name: kept.voxels == number for number, name in numbers}
        return ct, reference, source.predict(case, ct, self.labels).masks

    def read(self, case: Case) -> tuple[Volume, Volume]:
        """Return CT and reference of a case on one grid.

        Raises
        ------
        DatasetError
            If they do not lie on one.
        """
        ct, reference = read_case(case, self.choice.known)
        reference = Volume(self.choice.merged(reference.voxels), reference.geometry)
        return (ct, reference) if self.in_plane_mm is None else in_plane(ct, reference, self.in_plane_mm)

    def _score_case(
        self, source: PredictionSource, case: Case, key: dict[str, Any], cancel: CancelToken | None
    ) -> list[CaseScore]:
        ct, reference = self.read(case)
        labels = self.choice.read_in(case.labels_present)
        found = source.predict(case, ct, labels, cancel)
        self.notes += [note for note in found.notes if note not in self.notes]
        scores = list(self._scores(case, ct, reference, found, labels))
        if source.costly:
            self._keep_mask(source, case, found, ct)
        with atomic_path(self._record(source, case)) as temporary:
            content = {"key": key, "notes": list(found.notes), "scores": [score.to_json() for score in scores]}
            temporary.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
        return scores

    def _scores(
        self, case: Case, ct: Volume, reference: Volume, found: Prediction, labels: Mapping[str, int]
    ) -> Iterator[CaseScore]:
        traits = self._traits.setdefault(case.name, {})
        phase = "" if traits else phase_of(ct, reference.voxels, self.choice.known)
        for name, value in labels.items():
            inside = reference.voxels == value
            if name not in traits:
                traits[name] = traits_of(ct.geometry, inside, ct, phase)
            yield found.score(case, name, inside, ct.geometry, traits[name])

    def _keep_mask(self, source: PredictionSource, case: Case, found: Prediction, ct: Volume) -> None:
        numbers = {name: number for number, name in enumerate(self.labels, 1)}
        whole = np.zeros(ct.geometry.shape_zyx, dtype=np.uint8)
        for name, mask in found.masks.items():
            whole[mask] = numbers[name]
        write_mask(self._mask_file(source, case), whole, ct.geometry, labels=numbers)

    def _key(self, source: PredictionSource, case: Case) -> dict[str, Any]:
        """Return all that the scores of a case depend on."""
        labels = self.choice.read_in(case.labels_present)
        files = {"ct": self._digest(case.image), "reference": self._digest(case.label)}
        key = (
            files
            | source.key(case, tuple(labels))
            | {
                "labels": labels,
                "parts": self.choice.parts,
                "in_plane_mm": self.in_plane_mm,
            }
        )
        return json.loads(json.dumps(key))

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = sha256(path)
        return self._digests[path]

    def _kept(self, source: PredictionSource, case: Case, key: dict[str, Any]) -> list[CaseScore] | None:
        """Return the scores of a finished case, None if there are none of the same making."""
        if not self.resume:
            return None
        try:
            content = json.loads(self._record(source, case).read_text(encoding="utf-8"))
            if content["key"] != key:
                return None
            scores = [CaseScore.from_json(score) for score in content["scores"]]
            self.notes += [str(note) for note in content["notes"] if note not in self.notes]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return scores

    def _record(self, source: PredictionSource, case: Case) -> Path:
        return self.folder / "cases" / source.name / f"{case.name}.json"

    def _mask_file(self, source: PredictionSource, case: Case) -> Path:
        return self.folder / "cases" / source.name / f"{case.name}.nii.gz"
