"""Predictions by a model, or by the model of the fold that never saw the patient."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from PancreasSegLib._version import __version__
from PancreasSegLib.data import Case
from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.evaluation.prediction import Prediction, empty_prediction
from PancreasSegLib.evaluation.temperature import expected_dice_curve
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.models import ModelPackage, find_package, read_checksums
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.volume import Volume


class ModelSource:
    """Segments cases by one model package, or each by a package of its own.

    Parameters
    ----------
    name : str
        What it is called in tables.
    packages : str, or mapping of str to Path
        The model's name or folder; or the package by case, as `fold_packages` finds
        it.
    device : str
        As for `Segmenter.load`.

    Raises
    ------
    ModelPackageError
        If a package cannot be used.
    """

    costly = True

    def __init__(self, name: str, packages: str | Mapping[str, Path], *, device: str = "auto") -> None:
        self.name, self.device = name, device
        self._place_of = packages
        self._described: dict[str, ModelPackage] = {}
        self._loaded: tuple[str, Segmenter] | None = None
        places = [packages] if isinstance(packages, str) else sorted({str(path) for path in packages.values()})
        described = [self._package(place) for place in places]
        kind = "model" if isinstance(packages, str) else "models of folds that never saw the patient"
        self.about: dict[str, Any] = {
            "kind": kind,
            "packages": [{"name": p.name, "version": p.version, "weights": _weights(p)} for p in described],
        }

    def labels(self, known: Mapping[str, int]) -> tuple[str, ...]:
        """Return the labels that the model writes, as far as the dataset knows them."""
        return tuple(name for name in next(iter(self._described.values())).labels if name in known)

    def order(self, cases: Sequence[Case]) -> list[Case]:
        """Return the cases by package, so that each is loaded once."""
        return sorted(cases, key=self._place)

    def key(self, case: Case, labels: Sequence[str]) -> dict[str, Any]:
        """Return the weights' SHA-256 and the library's version."""
        return {"weights": _weights(self._package(self._place(case))), "library": __version__}

    def predict(
        self, case: Case, ct: Volume, labels: Mapping[str, int], cancel: CancelToken | None = None
    ) -> Prediction:
        """Segment a case; a refusal (no pancreas found, say) gives empty masks and the reason."""
        return predict_by_model(self._segmenter(case), ct, tuple(labels), cancel)

    def _segmenter(self, case: Case) -> Segmenter:
        place = self._place(case)
        if self._loaded is None or self._loaded[0] != place:
            self._loaded = None  # two models need not fit into memory at once
            self._loaded = (place, Segmenter.load(self._package(place), device=self.device))
        return self._loaded[1]

    def _place(self, case: Case) -> str:
        return self._place_of if isinstance(self._place_of, str) else str(self._place_of[case.name])

    def _package(self, place: str) -> ModelPackage:
        if place not in self._described:
            self._described[place] = find_package(place)
        return self._described[place]


def predict_by_model(
    segmenter: Segmenter, ct: Volume, labels: Sequence[str], cancel: CancelToken | None = None
) -> Prediction:
    """Segment a CT with a loaded model.

    Parameters
    ----------
    segmenter : Segmenter
        The model.
    ct : Volume
        HU.
    labels : sequence of str
        Which of the model's labels are wanted.
    cancel : CancelToken, optional
        Obeyed inside the run.

    Raises
    ------
    CancelledError
        When cancelled. Any other refusal becomes empty masks with the reason.
    """
    started = time.perf_counter()
    try:
        result = segmenter.segment(ct, cancel=cancel)
    except PancreasSegError as problem:
        if problem.code == "cancelled":
            raise
        return empty_prediction(labels, ct.geometry, seconds=time.perf_counter() - started, error=str(problem))
    seconds = time.perf_counter() - started
    masks = {name: np.asarray(result.mask == result.labels[name]) for name in labels}
    confidence, curves = {}, {}
    for name, mask in masks.items():
        reported = result.statistics.get(name, {}).get("confidence")
        if reported is not None:
            confidence[name] = float(reported)
        if name in result.probability:
            curves[name] = expected_dice_curve(mask, ct.geometry, result.probability[name])
    return Prediction(masks, confidence, curves, seconds)


def _weights(package: ModelPackage) -> dict[str, str]:
    """Return the SHA-256 of the files that a run uses."""
    used = {name for stage in package.stages for name in stage.weights}
    return {name: digest for name, digest in read_checksums(package.path).items() if name in used}
