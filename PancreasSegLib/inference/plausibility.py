"""Whether a result can be a pancreas, and what to tell the user about it; what of other organs was found."""

from __future__ import annotations

from typing import Any

from PancreasSegLib.inference.result import SegmentationWarning
from PancreasSegLib.inference.settings import CascadeSettings
from PancreasSegLib.volume import Box, Geometry

_SLIVER_MM = 8.0
_THICK_MM = 5.5


def refusal(
    organ: str, statistics: dict[str, Any], box: Box, ct: Geometry, settings: CascadeSettings, *, sought: bool
) -> str:
    """Return why a result is no pancreas, as a sentence; empty if it may be one.

    Parameters
    ----------
    organ : str
        Its name.
    statistics : dict
        Its volume and confidence.
    box : Box
        Its box on the CT with canonical axes.
    ct : Geometry
        That grid.
    settings : CascadeSettings
        Least volume and confidence.
    sought : bool
        Whether the user said where it is.
    """
    volume_ml, confidence = statistics["volume_ml"], statistics["confidence"]
    if volume_ml < settings.smallest_ml:
        return f"Only {volume_ml:.1f} mL that look like {organ} were found, too little to be one."
    at_end = box.lower_ijk[2] == 0 or box.upper_ijk[2] == ct.size_ijk[2]
    if at_end and box.size_ijk[2] * ct.spacing_mm[2] <= _SLIVER_MM and volume_ml < settings.usual_ml[0]:
        return f"Only a sliver that looks like {organ} lies in the outermost slices, so the organ is not in view."
    small = volume_ml < settings.usual_ml[0] or (at_end and volume_ml < settings.cut_ml)
    if small and confidence < settings.least_confidence and not sought:
        return (
            f"Only {volume_ml:.0f} mL that look like {organ} were found, and they are unsure "
            f"(expected overlap {confidence:.2f}), so they are not taken for one."
        )
    return ""


def observations(
    organ: str, statistics: dict[str, Any], box: Box, ct: Geometry, settings: CascadeSettings
) -> list[SegmentationWarning]:
    """Return what the user should know about a pancreas that was found."""
    found = []
    volume, confidence = statistics["volume_ml"], statistics["confidence"]
    low, high = settings.usual_ml
    if volume < low:
        found.append(
            SegmentationWarning(
                "small-volume",
                f"The {organ} measures {volume:.0f} mL, less than the usual {low:.0f} mL: check it.",
            )
        )
    if volume > high:
        found.append(
            SegmentationWarning(
                "large-volume",
                f"The {organ} measures {volume:.0f} mL, more than the usual {high:.0f} mL: check it.",
            )
        )
    if any(v == 0 for v in box.lower_ijk) or any(u == n for u, n in zip(box.upper_ijk, ct.size_ijk, strict=True)):
        found.append(
            SegmentationWarning("cut-by-scan", f"The {organ} reaches the scan's edge: a part may be missing.")
        )
    if confidence < settings.low_confidence:
        found.append(
            SegmentationWarning(
                "low-confidence",
                f"The expected overlap with a reader's {organ} is only {confidence:.2f} (Dice): check it.",
            )
        )
    if ct.spacing_mm[2] > _THICK_MM:
        found.append(
            SegmentationWarning(
                "thick-slices", f"The slices are {ct.spacing_mm[2]:.1f} mm apart, so volume and outline are rough."
            )
        )
    return found


def judge_organs(
    statistics: dict[str, dict[str, Any]], settings: CascadeSettings
) -> tuple[str, list[SegmentationWarning]]:
    """Say what of several organs, or of one that is not the pancreas, was found. Nothing is refused.

    Parameters
    ----------
    statistics : dict of str to dict
        Volume and confidence by label.
    settings : CascadeSettings
        Low confidence.

    Returns
    -------
    reason : str
        Why there is no result, as a sentence; empty if any organ was found.
    warnings : list of SegmentationWarning
    """
    found = {name: measured["volume_ml"] > 0 for name, measured in statistics.items()}
    if not any(found.values()):
        return f"No {' and no '.join(found)} was found in the region that was searched.", []
    warnings = []
    absent = ", ".join(name for name, there in found.items() if not there)
    if absent:
        warnings.append(SegmentationWarning("not-found", f"Not found: {absent}."))
    unsure = ", ".join(
        f"{name} {statistics[name]['confidence']:.2f}"
        for name, there in found.items()
        if there and statistics[name]["confidence"] < settings.low_confidence
    )
    if unsure:
        sentence = f"The expected overlap with a reader's outline (Dice) is low: {unsure}. Check it."
        warnings.append(SegmentationWarning("low-confidence", sentence))
    return "", warnings


def cut_by_region(organ: str, box: Box, allowed: Box, ct: Geometry) -> list[SegmentationWarning]:
    """Warn where a user's region cuts the organ inside the scan."""
    lower = [b == a > 0 for b, a in zip(box.lower_ijk, allowed.lower_ijk, strict=True)]
    upper = [b == a < n for b, a, n in zip(box.upper_ijk, allowed.upper_ijk, ct.size_ijk, strict=True)]
    if not any(lower + upper):
        return []
    return [SegmentationWarning("cut-by-region", f"The {organ} reaches the edge of the given region: widen it.")]
