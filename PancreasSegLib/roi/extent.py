"""From landmarks to the range along each axis in which the pancreas lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from PancreasSegLib.roi.landmarks import Interval, Landmarks
from PancreasSegLib.roi.statistics import LocationStatistics

DOME_MARGIN_MM = 25.0
CREST_MARGIN_MM = 24.0
SIDE_MARGIN_MM = 22.0
SHARE_MARGIN_MM = 8.0  # more for shares of the body: fewer patients were measured
"""Added to the most extreme patient seen."""

_DISAGREE_MM = 110.0  # less room than this between two landmarks' answers: one of them is wrong
_LEAST_OVERLAP_MM = 20.0
_WALL_MM = 8.0  # skin and fat that no pancreas enters
_DOUBT_MM = 25.0
_HALF_PANCREAS_MM = (90.0, 50.0, 60.0)
_TOLD_TILT_MM = 5.0


@dataclass(frozen=True)
class Extent:
    """Ranges in mm along the canonical axes.

    Attributes
    ----------
    x, y, z : tuple of float
        Least and greatest position to the Left, to Posterior and to Superior.
    abdomen_in_view : bool
        Whether the pancreas can be in the scan at all.
    reasons : list of str
        One sentence for each decision.
    """

    x: Interval
    y: Interval
    z: Interval
    abdomen_in_view: bool
    reasons: list[str]


def predicted_extent(marks: Landmarks, statistics: LocationStatistics) -> Extent:
    """Return where the pancreas lies, wider the less is known.

    Parameters
    ----------
    marks : Landmarks
        What is seen; the body must not be empty.
    statistics : LocationStatistics
        How far the pancreas of known patients lies from each landmark.
    """
    reasons: list[str] = []
    refusal = _no_abdomen(marks)
    tilt = _tilt_mm(marks)
    if max(tilt) > _TOLD_TILT_MM:
        reasons.append("The grid lies oblique to the patient: the box is widened.")
    low, high = predicted_levels(marks, statistics, reasons)
    levels = low - tilt[2], high + tilt[2]
    bottom, top = marks.scan_mm
    overlap = min(levels[1], top) - max(levels[0], bottom)
    if not refusal and overlap < min(_LEAST_OVERLAP_MM, 0.5 * (top - bottom)):
        refusal = "The levels at which the pancreas lies are outside the scan."
    if refusal:
        reasons = [refusal + " The box is the whole body."]
        return Extent(marks.body_mm(0), marks.body_mm(1), marks.body_mm(2), False, reasons)
    if levels[0] < bottom or levels[1] > top:
        reasons.append("The scan's edge cuts the levels at which the pancreas may lie; the box ends there.")
    z = max(levels[0], bottom), min(levels[1], top)
    x, y = _sides(marks, statistics, z, tilt, reasons)
    return Extent(x, y, z, True, reasons)


def _tilt_mm(marks: Landmarks) -> tuple[float, float, float]:
    """Return how far the ends of a pancreas move along each axis of a grid oblique to the patient, mm."""
    aside = np.abs(marks.scan.axes.target.matrix)
    np.fill_diagonal(aside, 0.0)
    x, y, z = np.asarray(_HALF_PANCREAS_MM) @ aside
    return float(x), float(y), float(z)


def _no_abdomen(marks: Landmarks) -> str:
    if marks.head_only:
        return "A narrow, bony body without lungs looks like a head: no abdomen in view."
    if marks.thorax_only:
        return "The lungs run out through the scan's bottom: the thorax alone, no abdomen in view."
    if marks.pelvis_only:
        return "The iliac bones run out through the scan's top: the pelvis alone, no upper abdomen in view."
    return ""


def predicted_levels(
    marks: Landmarks, statistics: LocationStatistics, reasons: list[str] | None = None
) -> Interval:
    """Return the range of levels, from the dome, from the crests, from both, or all of them.

    It may reach beyond the scan. Sentences that say why are appended to `reasons`.
    """
    reasons = [] if reasons is None else reasons
    upper = _from_dome(marks, statistics, reasons)
    lower = _from_crests(marks, statistics, reasons)
    if upper and lower:
        both = max(upper[0], lower[0]), min(upper[1], lower[1])
        if both[1] - both[0] >= _DISAGREE_MM:
            return both
        reasons.append("Lungs and iliac crests disagree on the levels: both ranges are kept.")
        return min(upper[0], lower[0]), max(upper[1], lower[1])
    if upper:
        reasons.append("No iliac crest is in view.")
        return upper
    if lower:
        reasons.append("No lung is in view.")
        return lower
    reasons.append("Neither lung nor iliac crest is in view: every level is kept.")
    return marks.scan_mm


def _from_dome(marks: Landmarks, statistics: LocationStatistics, reasons: list[str]) -> Interval | None:
    """Return the levels measured down from the diaphragm's dome."""
    if marks.dome_mm is None:
        return None
    low, high = marks.dome_mm
    if not marks.dome_in_view:
        reasons.append("The right dome is not in view: its level is guessed from the lungs' base, with more room.")
    else:
        reasons.append("The diaphragm's right dome is in view: levels measured down from it.")
        if high > low:
            reasons.append(
                "The left lung reaches much lower than the right: fluid suspected, levels widened down."
            )
    return (
        low - statistics["bottom_below_dome"].greatest - DOME_MARGIN_MM,
        high - statistics["top_below_dome"].least + DOME_MARGIN_MM,
    )


def _from_crests(marks: Landmarks, statistics: LocationStatistics, reasons: list[str]) -> Interval | None:
    """Return the levels measured up from the iliac crests."""
    if marks.crests is None:
        return None
    reasons.append("The iliac crests are in view: levels measured up from them.")
    return (
        marks.crests.level_mm + statistics["bottom_above_crest"].least - CREST_MARGIN_MM,
        marks.crests.level_mm + statistics["top_above_crest"].greatest + CREST_MARGIN_MM,
    )


def _sides(
    marks: Landmarks,
    statistics: LocationStatistics,
    levels: Interval,
    tilt: tuple[float, float, float],
    reasons: list[str],
) -> tuple[Interval, Interval]:
    """Return the ranges to the Left and to Posterior, from the spine or else from the body."""
    body_x, body_y = marks.body_mm(0, levels), marks.body_mm(1, levels)
    if marks.cropped:
        reasons.append("The scan is already cropped to a part of the body: its whole width and depth are kept.")
        return body_x, body_y
    spine = marks.spine_mm(levels)
    margin = SIDE_MARGIN_MM
    right, left, front = _reaches(marks, statistics, levels)
    if spine is None:
        reasons.append("No spine was found: the box is centred on the body and as deep as it.")
        middle, margin = 0.5 * (body_x[0] + body_x[1]), SIDE_MARGIN_MM + _DOUBT_MM
        y = body_y
    else:
        middle = spine[0]
        reasons.append("The spine is in view: sides measured from it.")
        y = spine[1] - front - margin, spine[1] + statistics["back_of_spine"].greatest + margin
    x = middle - right - margin - tilt[0], middle + left + margin + tilt[0]
    return _within(x, body_x), _within((y[0] - tilt[1], y[1] + tilt[1]), body_y)


def _reaches(marks: Landmarks, statistics: LocationStatistics, levels: Interval) -> tuple[float, float, float]:
    """Return how far the pancreas reaches from the spine to the right, left and front: in mm, and in small bodies
    no further than the same share of the body.
    """  # noqa: D205
    reach = (
        -statistics["right_of_spine"].least,
        statistics["left_of_spine"].greatest,
        -statistics["front_of_spine"].least,
    )
    skin = marks.skin_mm(levels)
    if skin is None:
        return reach
    shares = (statistics[f"{side}_share"].greatest for side in ("right", "left", "front"))
    right, left, front = (
        min(mm, share * way + SHARE_MARGIN_MM) for mm, share, way in zip(reach, shares, skin, strict=True)
    )
    return right, left, front


def _within(range_mm: Interval, body: Interval) -> Interval:
    """Cut a range to the body less its wall; the body itself where nothing would remain."""
    low, high = max(range_mm[0], body[0] + _WALL_MM), min(range_mm[1], body[1] - _WALL_MM)
    return (low, high) if high > low else body
