"""Separate what one SeriesInstanceUID holds: other objects, copies, and several scans.

A SeriesInstanceUID is no promise: archives and anonymisers put several patients, phases or time points under one.
Images go together by patient, study and frame of reference; then by temporal position, acquisition number and
time, where the slices of one lie among those of another.
"""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.io.dicom_header import CT_CLASSES, DicomImage, DicomSeries
from PancreasSegLib.io.grid import warn
from PancreasSegLib.io.image_file import MIN_SLICES

_Groups = list[tuple[str, list[DicomImage]]]
_SAME_MM = 1e-3
_SAME_ORIENTATION = 1e-3
_PAUSE_S = 10.0  # between two acquisitions; the slices of one follow each other faster
_FEW = 0.25


def separate(series: DicomSeries) -> list[DicomSeries]:
    """Return the scans that a series holds, each with notes about what was left out.

    Parameters
    ----------
    series : DicomSeries
        As `read_headers` gave it.

    Returns
    -------
    list of DicomSeries
        The series itself where it is one scan, or no CT.
    """
    if series.modality != "CT" or not series.images:
        return [series]
    notes = []
    images, foreign = _without_foreign(series.images)
    if foreign:
        sentence = (
            f"{foreign} image{'s' if foreign > 1 else ''} of {series.name} {_were(foreign)} left out, being no"
            " slices of the scan (a scout view, a dose picture or the like)."
        )
        notes.append(warn("foreign-images", sentence))
    images, copies = _without_copies(images)
    if copies:
        sentence = (
            f"{copies} cop{'ies' if copies > 1 else 'y'} of slices of {series.name} {_were(copies)} left out."
        )
        notes.append(warn("copied-slices", sentence))
    if not series.uid:
        sentence = (
            f"The images of {series.name} have no SeriesInstanceUID; they were put together by their headers."
        )
        notes.append(warn("series-without-uid", sentence))
    parts = [(", ".join(filter(None, labels)), members) for labels, members in _scans(images)]
    return [
        replace(series, images=members, part=number if len(parts) > 1 else 0, what=what, notes=notes)
        for number, (what, members) in enumerate(parts, 1)
    ]


def _were(count: int) -> str:
    return "were" if count > 1 else "was"


def _without_foreign(images: Sequence[DicomImage]) -> tuple[list[DicomImage], int]:
    """Leave out what is no slice: other kinds of object, scouts, colour, a few images of another orientation."""
    kept = list(images)
    tests: tuple[Callable[[DicomImage], bool], ...] = (
        lambda image: not image.sop_class or image.sop_class in CT_CLASSES,
        lambda image: not image.is_localiser,
        lambda image: image.samples == 1,
    )
    for belongs in tests:
        kept = [image for image in kept if belongs(image)] or kept
    oriented = [image for image in kept if image.orientation is not None]
    if oriented:
        counts = Counter(tuple(np.round(image.orientation, 2)) for image in oriented if image.orientation)
        usual = np.array(counts.most_common(1)[0][0])
        other = [i for i in oriented if np.abs(np.array(i.orientation) - usual).max() > 0.1]
        if len(other) < min(MIN_SLICES, _FEW * len(kept)):
            kept = [image for image in kept if image not in other]
    return kept, len(images) - len(kept)


def _without_copies(images: Sequence[DicomImage]) -> tuple[list[DicomImage], int]:
    """Leave out images that are there before, by their SOPInstanceUID, place and pixels."""
    first: dict[tuple[object, ...], DicomImage] = {}
    kept = []
    for image in images:
        key = (image.sop_instance, image.frame, image.position)
        known = first.setdefault(key, image)
        if known is image or not image.sop_instance or not _same_pixels(known, image):
            kept.append(image)
    return kept, len(images) - len(kept)


def _same_pixels(first: DicomImage, second: DicomImage) -> bool:
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one, other = (pydicom.dcmread(image.file.path, force=True) for image in (first, second))
            return bool(one.PixelData == other.PixelData) and (first.slope, first.intercept) == (
                second.slope,
                second.intercept,
            )
    except (OSError, EOFError, ValueError, TypeError, AttributeError, KeyError):
        return False


def _scans(images: list[DicomImage]) -> list[tuple[tuple[str, ...], list[DicomImage]]]:
    """Return the images of each scan, with what tells it from the others."""
    owners: tuple[tuple[str, Callable[[DicomImage], str]], ...] = (
        ("patient", lambda image: image.patient),
        ("study", lambda image: image.study),
        ("frame of reference", lambda image: image.frame_of_reference),
    )
    found: list[tuple[tuple[str, ...], list[DicomImage]]] = [((), images)]
    for word, key in owners:
        found = [
            ((*labels, f"{word} {number}" if several else ""), members)
            for labels, whole in found
            for number, (_, members), several in _numbered(_owned(whole, key))
        ]
    moments: tuple[Callable[[list[DicomImage]], _Groups], ...] = (
        lambda members: _grouped(members, lambda i: f"temporal position {i.temporal}" if i.temporal else ""),
        lambda members: _grouped(members, lambda i: f"acquisition {i.acquisition}" if i.acquisition else ""),
        _by_time,
    )
    for divide in moments:
        found = [
            ((*labels, label), members) for labels, whole in found for label, members in _entangled(whole, divide)
        ]
    return found


def _numbered(groups: _Groups) -> Iterable[tuple[int, tuple[str, list[DicomImage]], bool]]:
    return ((number, group, len(groups) > 1) for number, group in enumerate(groups, 1))


def _owned(images: list[DicomImage], key: Callable[[DicomImage], str]) -> _Groups:
    """Divide by what must be one in a scan, unless that is new for every slice, as some anonymisers make it."""
    groups = _grouped(images, key)
    return groups if max(len(members) for _, members in groups) > 1 else [("", images)]


def _entangled(images: list[DicomImage], divide: Callable[[list[DicomImage]], _Groups]) -> _Groups:
    """Divide where the groups' slices lie among each other; side by side they are one scan taken in steps."""
    groups = divide(images)
    spans = sorted(_span(members) for _, members in groups if len(members) > 1)
    apart = all(first[1] < second[0] - _SAME_MM for first, second in itertools.pairwise(spans))
    return [("", images)] if apart else groups


def _span(images: list[DicomImage]) -> tuple[float, float]:
    """Return from where to where the slices lie along their normal."""
    heights = [height for image in images if (height := _height(image)) is not None]
    return (min(heights), max(heights)) if heights else (np.inf, np.inf)


def _height(image: DicomImage) -> float | None:
    if image.position is None or image.orientation is None:
        return None
    plane: NDArray[np.float64] = np.array(image.orientation).reshape(2, 3)
    return float(np.cross(plane[0], plane[1]) @ np.array(image.position))


def _grouped(images: list[DicomImage], key: Callable[[DicomImage], str]) -> _Groups:
    groups: dict[str, list[DicomImage]] = {}
    for image in images:
        groups.setdefault(key(image), []).append(image)
    return list(groups.items())


def _by_time(images: list[DicomImage]) -> _Groups:
    """Divide where no slice was acquired for ten seconds."""
    timed = sorted((image for image in images if image.time_s is not None), key=lambda image: image.time_s or 0.0)
    if not timed:
        return [("", images)]
    starts = [
        0,
        *(n for n in range(1, len(timed)) if (timed[n].time_s or 0) - (timed[n - 1].time_s or 0) > _PAUSE_S),
    ]
    groups = [timed[a:b] for a, b in zip(starts, [*starts[1:], len(timed)], strict=True)]
    known = {id(image) for image in timed}
    groups[0] += [image for image in images if id(image) not in known]
    return [(f"acquired at {_clock(group[0].time_s or 0.0)}", group) for group in groups]


def _clock(time_s: float) -> str:
    seconds = int(time_s % 86400)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
