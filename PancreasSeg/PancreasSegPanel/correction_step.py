"""What one correction did, and where a reader should look next."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class CorrectionStep:
    """One correction, which undo takes back as a whole.

    Attributes
    ----------
    added_ml, removed_ml : float
        What it changed.
    seconds : float
        From the stroke to the segment.
    left_out_ml : float
        What was not written because it is protected.
    reasons : list of str
        What protects it.
    """

    added_ml: float
    removed_ml: float
    seconds: float
    left_out_ml: float = 0.0
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DoubtfulPlace:
    """A slice on which the network is in doubt.

    Attributes
    ----------
    position_ras : tuple of 3 float
        Middle of the doubt on this slice, in the world, mm.
    normal_ras : tuple of 3 float
        Unit normal of the slice, towards the head.
    doubt : float
        0 (sure) to 1.
    """

    position_ras: tuple[float, float, float]
    normal_ras: tuple[float, float, float]
    doubt: float
