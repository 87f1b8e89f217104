"""Run a model on cases with references."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np

from PancreasSegLib.data import Case
from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.evaluation.case_score import CaseScore, score_mask
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.io import read_labels, read_volume
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.volume import Volume, geometry_with_spacing, resample


def evaluate_model(
    segmenter: Segmenter,
    cases: Iterable[Case],
    value: int,
    *,
    label: str = "pancreas",
    in_plane_mm: float | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[CaseScore]:
    """Segment each case and compare the mask with its reference on the CT's own grid.

    A case that is refused (no pancreas found, say) scores as an empty mask and carries the reason.

    Parameters
    ----------
    segmenter : Segmenter
        A loaded model.
    cases : iterable of Case
        CTs with reference masks.
    value : int
        Value of the organ in the reference.
    label : str
        The organ in the model's labels.
    in_plane_mm : float, optional
        Resample CT and reference to this in-plane spacing first, to see what the grid of the CT changes.
    cancel : CancelToken, optional
        Obeyed inside each case.

    Yields
    ------
    CaseScore
        In the order of the cases.
    """
    for case in cases:
        ct, reference = read_volume(case.image, assume_ct=True), read_labels(case.label)
        organ = Volume((reference.voxels == value).astype(np.uint8), reference.geometry)
        if in_plane_mm is not None:
            ct, organ = _in_plane(ct, organ, in_plane_mm)
        started = time.perf_counter()
        mask, confidence, error = np.zeros(organ.voxels.shape, dtype=bool), float("nan"), ""
        try:
            result = segmenter.segment(ct, cancel=cancel)
            mask = result.mask == result.labels[label]
            confidence = float(result.statistics[label]["confidence"])
        except PancreasSegError as problem:
            if problem.code == "cancelled":
                raise
            error = str(problem)
        seconds = time.perf_counter() - started
        yield score_mask(
            case.name, mask, organ.voxels > 0, ct.geometry, confidence=confidence, seconds=seconds, error=error
        )


def _in_plane(ct: Volume, organ: Volume, spacing: float) -> tuple[Volume, Volume]:
    """Return both at another in-plane spacing; the mask by its soft edge, so that it stays smooth."""
    target = geometry_with_spacing(ct.geometry, (spacing, spacing, ct.geometry.spacing_mm[2]))
    voxels = np.round(resample(ct.voxels, ct.geometry, target)).astype(np.int16)
    mask = (resample(organ.voxels, organ.geometry, target) > 0.5).astype(np.uint8)
    return Volume(voxels, target, ct.source), Volume(mask, target)
