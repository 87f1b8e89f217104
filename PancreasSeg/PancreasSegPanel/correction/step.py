"""What one correction did, and where a reader should look next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PancreasSegPanel.messages import left_out_text
from PancreasSegPanel.scene.patient_axes import flip
from PancreasSegPanel.translation import translator

if TYPE_CHECKING:
    from PancreasSegLib.refine.doubt import DoubtfulSlice

_ = translator(__name__)

_LEAST_ML = 0.05
_LEAST_S = 0.05


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
    slice_at : str
        Where the slice lies that was confirmed, empty for any other correction.
    learnt : bool
        Whether it comes of learning from the marks.
    note : str
        What else is to be told.
    """

    added_ml: float
    removed_ml: float
    seconds: float
    left_out_ml: float = 0.0
    reasons: list[str] = field(default_factory=list)
    slice_at: str = ""
    learnt: bool = False
    note: str = ""

    @property
    def sentence(self) -> str:
        """What happened, e.g. ``1.2 mL added, 0.3 mL removed, 0.2 s.``."""
        parts = [(self.added_ml, _("{amount} added")), (self.removed_ml, _("{amount} removed"))]
        changed = [text.format(amount=_ml(ml)) for ml, text in parts if ml > 0]
        if changed and self.seconds >= _LEAST_S:
            changed.append(_("{seconds:.1f} s").format(seconds=self.seconds))
        if self.slice_at:
            told, unchanged = _("The slice {place} is confirmed; beside it: {changes}."), _("nothing changes")
        elif self.learnt:
            told, unchanged = _("Learnt from the marks: {changes}."), _("the segment stays as it is")
        else:
            told, unchanged = _("{changes}."), _("The segment stays as it is")
        sentences = [told.format(place=self.slice_at, changes=", ".join(changed) or unchanged)]
        if self.left_out_ml:
            sentences.append(left_out_text(_ml(self.left_out_ml), self.reasons))
        return " ".join([*sentences, self.note]).strip()


def _ml(value: float) -> str:
    return f"{value:.1f} mL" if value >= _LEAST_ML else f"{1000 * value:.0f} mm³"


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

    @classmethod
    def of(cls, place: DoubtfulSlice) -> DoubtfulPlace:
        """Return a place that the library names, in Slicer's axes."""
        return cls(flip(place.position_lps), flip(place.normal_lps), place.doubt)
