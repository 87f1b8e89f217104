"""Measure a case: grid, HU, labels, and what is wrong with them at first sight."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.data.adapters.label_grid import orientation_code
from PancreasSegLib.data.adapters.source_case import Remark
from PancreasSegLib.data.case_quality import HISTOGRAM_EDGES_HU, CaseQuality, LabelQuality
from PancreasSegLib.data.composed_case import ComposedCase
from PancreasSegLib.data.structure_name import plain_name
from PancreasSegLib.data.thumbnail import thumbnail_of, to_text
from PancreasSegLib.data.training_case import content_sha256
from PancreasSegLib.volume import Volume

_THICK_MM = 6.0
_WINDOWED_HU = 1000.0
_WHOLE_ORGANS = {
    "pancreas": (10.0, 300.0), "liver": (400.0, 5000.0), "spleen": (20.0, 3000.0),
    "leftkidney": (30.0, 800.0), "rightkidney": (30.0, 800.0),
}  # fmt: skip
"""Organs of soft tissue in one piece, with the mL between which they lie; kidneys may be missing, not tiny."""
_SOFT_HU = (-30.0, 260.0)
_ONE_PIECE = 0.9


def measure_case(name: str, patient: str, case: ComposedCase) -> CaseQuality:
    """Measure a case and say what is wrong with it by itself.

    Parameters
    ----------
    name, patient : str
    case : ComposedCase

    Returns
    -------
    CaseQuality
    """
    scan, axes = case.ct.canonical()
    mask = axes.apply(case.mask)
    low, high = float(scan.voxels.min()), float(scan.voxels.max())
    labels = _labels(scan, mask, case.values)
    remarks = [*case.remarks, *_of_the_ct(scan, low, high), *_of_the_labels(labels)]
    return CaseQuality(
        name=name,
        patient=patient,
        size_ijk=case.ct.geometry.size_ijk,
        spacing_mm=tuple(round(v, 5) for v in case.ct.geometry.spacing_mm),
        orientation=orientation_code(case.ct.geometry),
        hu_range=(low, high),
        histogram=tuple(int(n) for n in _histogram(scan.voxels)),
        content_sha256=content_sha256(case.ct),
        thumbnail=to_text(thumbnail_of(scan)),
        labels=labels,
        remarks=tuple(remarks),
        facts=case.facts,
    )


def _histogram(voxels: NDArray) -> NDArray[np.int64]:
    """Count the voxels between the borders, slice by slice."""
    edges = np.asarray(HISTOGRAM_EDGES_HU)
    width = edges[1] - edges[0]
    counts = np.zeros(len(edges) - 1, np.int64)
    for plane in voxels:
        bins = ((np.clip(plane, edges[0], edges[-1] - 1) - edges[0]) // width).astype(np.intp)
        counts += np.bincount(bins.ravel(), minlength=len(counts))
    return counts


def _labels(scan: Volume, mask: NDArray[np.uint8], values: dict[str, int]) -> dict[str, LabelQuality]:
    from scipy import ndimage

    boxes = ndimage.find_objects(mask, max_label=max(values.values(), default=0))
    return {
        name: LabelQuality(0.0) if boxes[value - 1] is None else _label(scan, mask, value, boxes[value - 1])
        for name, value in values.items()
    }


def _label(scan: Volume, mask: NDArray[np.uint8], value: int, box: tuple[slice, ...]) -> LabelQuality:
    """Measure one label inside its box (z, y, x)."""
    from scipy import ndimage

    inside = mask[box] == value
    hu = scan.voxels[box][inside].astype(np.float64)
    pieces, count = ndimage.label(inside, np.ones((3, 3, 3)))
    largest = int(np.bincount(pieces.ravel())[1:].max())
    sides = (("inferior", "superior"), ("anterior", "posterior"), ("right", "left"))  # of axes z, y, x
    touches = [
        side
        for (low, high), part, n in zip(sides, box, mask.shape, strict=True)
        for side, reached in ((low, part.start == 0), (high, part.stop == n))
        if reached
    ]
    extent = [(part.stop - part.start) * s for part, s in zip(box[::-1], scan.geometry.spacing_mm, strict=True)]
    return LabelQuality(
        volume_ml=round(hu.size * scan.geometry.voxel_volume_ml, 3),
        mean_hu=round(float(hu.mean()), 2),
        sd_hu=round(float(hu.std()), 2),
        pieces=int(count),
        largest_share=round(largest / hu.size, 4),
        extent_mm=tuple(round(v, 1) for v in extent),
        touches=tuple(touches),
    )


def _of_the_ct(scan: Volume, low: float, high: float) -> Iterable[Remark]:
    if high - low < _WINDOWED_HU:
        sentence = f"The CT was windowed: its values lie between {low:.0f} and {high:.0f} only."
        yield Remark("windowed", sentence)
    elif low > -500:
        yield Remark("no-air", f"The CT holds no air: its lowest value is {low:.0f}; was it rescaled?")
    thickest = max(scan.geometry.spacing_mm)
    if thickest > _THICK_MM:
        yield Remark("thick-slices", f"The slices are {thickest:.1f} mm apart.")


def _of_the_labels(labels: dict[str, LabelQuality]) -> Iterable[Remark]:
    for name, label in labels.items():
        if label.mean_hu is None:
            yield Remark("label-empty", f"{name} was read, but there is none of it.")
            continue
        if label.touches:
            yield Remark("label-at-border", f"{name} reaches the scan's {' and '.join(label.touches)} border.")
        organ = _WHOLE_ORGANS.get(plain_name(name))
        if organ is None:
            continue
        if not organ[0] <= label.volume_ml <= organ[1]:
            usual = f"{organ[0]:.0f} to {organ[1]:.0f} mL are to be expected"
            yield Remark("label-volume", f"{name} has {label.volume_ml:.1f} mL; {usual}.")
        if not _SOFT_HU[0] <= label.mean_hu <= _SOFT_HU[1]:
            yield Remark("label-hu", f"{name} has {label.mean_hu:.0f} HU on average, which is no soft tissue.")
        if label.largest_share < _ONE_PIECE:
            share = f"the largest holds {label.largest_share:.0%}"
            yield Remark("label-pieces", f"{name} is in {label.pieces} pieces; {share}.")
