"""Run a loaded model on cases with references, one organ at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from PancreasSegLib.data import Case
from PancreasSegLib.evaluation.case_score import CaseScore
from PancreasSegLib.evaluation.model_source import predict_by_model
from PancreasSegLib.evaluation.traits import traits_of
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
            ct, organ = in_plane(ct, organ, in_plane_mm)
        found = predict_by_model(segmenter, ct, [label], cancel)
        inside = organ.voxels > 0
        yield found.score(case, label, inside, ct.geometry, traits_of(ct.geometry, inside, ct))


def in_plane(ct: Volume, mask: Volume, spacing_mm: float) -> tuple[Volume, Volume]:
    """Return a CT and a label map at another in-plane spacing; labels by their soft edges.

    Parameters
    ----------
    ct : Volume
        HU.
    mask : Volume
        Label values on the same grid.
    spacing_mm : float
        Of the i and j axes.
    """
    target = geometry_with_spacing(ct.geometry, (spacing_mm, spacing_mm, ct.geometry.spacing_mm[2]))
    voxels = np.round(resample(ct.voxels, ct.geometry, target)).astype(np.int16)
    labels = np.zeros(target.shape_zyx, dtype=mask.voxels.dtype)
    for value in np.unique(mask.voxels):
        if value:
            part = (mask.voxels == value).astype(np.uint8)
            labels[resample(part, mask.geometry, target) > 0.5] = value
    return Volume(voxels, target, ct.source), Volume(labels, target)
