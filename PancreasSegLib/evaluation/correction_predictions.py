"""Predict the masks that are to be corrected, and keep them, so that a benchmark can be repeated without."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from PancreasSegLib._version import __version__
from PancreasSegLib.data import Case
from PancreasSegLib.errors import ModelPackageError, PancreasSegError
from PancreasSegLib.evaluation.correction_start import image_file
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.io import atomic_path, read_volume, write_mask, write_volume
from PancreasSegLib.models import load_package, read_checksums
from PancreasSegLib.models.checksums import sha256
from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent

_log = logging.getLogger(__name__)


def predict_starts(
    cases: Sequence[Case],
    packages: Mapping[str, Path],
    folder: Path,
    *,
    organ: str = "pancreas",
    device: str = "auto",
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> dict[str, str]:
    """Segment the cases, each by its own model package, and keep masks and probabilities in a folder.

    What is there already from the same weights, CT and version of the library stays. ``NAME.json`` says where a
    mask came from; it is written last.

    Parameters
    ----------
    cases : sequence of Case
        The CTs.
    packages : mapping of str to Path
        The model package by case.
    folder : Path
        Where ``NAME.nii.gz``, ``NAME_probability.nii.gz`` and ``NAME.json`` go.
    organ : str
        The organ in the models' labels.
    device : str
        As for `Segmenter.load`.
    progress : callable, optional
        Told of every case.
    cancel : CancelToken, optional
        Obeyed inside each case; finished cases stay.

    Returns
    -------
    dict of str to str
        Cases that were refused, with the sentence that says why; their mask is empty.

    Raises
    ------
    ModelPackageError
        If a package cannot be used or does not know the organ.
    """
    keys = {case.name: _key(case, packages[case.name], organ) for case in cases}
    todo = [case for case in cases if _kept(folder, case.name).get("key") != keys[case.name]]
    todo.sort(key=lambda case: str(packages[case.name]))  # every model is loaded once
    started = time.monotonic()
    segmenter: Segmenter | None = None
    loaded: Path | None = None
    for number, case in enumerate(todo):
        if cancel:
            cancel.check()
        if progress:
            left = (time.monotonic() - started) / number * (len(todo) - number) if number else None
            progress(ProgressEvent("predict", number / len(todo), left, f"predicting {case.name}"))
        package = packages[case.name]
        if segmenter is None or loaded != package:
            segmenter, loaded = Segmenter.load(str(package), device=device), package
        if organ not in segmenter.package.labels:
            raise ModelPackageError(
                f"The model {segmenter.package.name} does not segment the {organ}.",
                f"It knows: {', '.join(segmenter.package.labels)}.",
            )
        _predict(segmenter, case, folder, organ, keys[case.name], cancel)
    return {case.name: reason for case in cases if (reason := _kept(folder, case.name).get("refused"))}


def provenance_of(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return, by case, which model made a kept mask, with SHA-256; nothing for masks from elsewhere."""
    kept = {name: _kept(folder, name) for name in names}
    return {
        name: {"model": record.get("model"), "version": record.get("version"), **record["key"]}
        for name, record in kept.items()
        if isinstance(record.get("key"), dict)
    }


def _predict(
    segmenter: Segmenter, case: Case, folder: Path, organ: str, key: dict[str, Any], cancel: CancelToken | None
) -> None:
    """Segment one case and keep what comes out; an empty mask where the model refuses."""
    ct = read_volume(case.image, assume_ct=True)
    for stem in (case.name, f"{case.name}_probability"):  # of another model, or of another format
        while (old := image_file(folder, stem)) is not None:
            old.unlink()
    record: dict[str, Any] = {"key": key, "refused": ""}
    mask = np.zeros(ct.geometry.shape_zyx, dtype=np.uint8)
    try:
        result = segmenter.segment(ct, cancel=cancel)
    except PancreasSegError as problem:
        if problem.code == "cancelled":
            raise
        record["refused"] = str(problem)
        _log.warning("%s: %s", case.name, problem)
    else:
        mask = (result.mask == result.labels[organ]).astype(np.uint8)
        write_volume(folder / f"{case.name}_probability.nii.gz", result.probability[organ])
        model = result.provenance["model"]
        record |= {"model": model["name"], "version": model["version"], "device": result.provenance["device"]}
    write_mask(folder / f"{case.name}.nii.gz", mask, ct.geometry, labels={organ: 1})
    with atomic_path(folder / f"{case.name}.json") as temporary:
        temporary.write_text(json.dumps(record, indent=2), encoding="utf-8")


def _key(case: Case, package: Path, organ: str) -> dict[str, Any]:
    """Return what a prediction depends on; a refiner of the package plays no part in it."""
    used = {name for stage in load_package(package).stages for name in stage.weights}
    weights = {name: digest for name, digest in read_checksums(package).items() if name in used}
    return {"weights": weights, "ct": sha256(case.image), "organ": organ, "library": __version__}


def _kept(folder: Path, name: str) -> dict[str, Any]:
    """Return what is known of the kept mask of a case; nothing if it is not there or not whole."""
    try:
        content = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and image_file(folder, name) is not None else {}
