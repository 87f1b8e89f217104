"""Where to look next: the slices on which the model is least sure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import slicer

from PancreasSegPanel.drawing import slice_views
from PancreasSegPanel.messages import slice_place
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator

if TYPE_CHECKING:
    from PancreasSegPanel.correction.session import CorrectionSession
    from PancreasSegPanel.correction.step import DoubtfulPlace

_ = translator(__name__)

NEAR_MM = 1.0


class DoubtfulSlicesSection:
    """A button that goes through the doubtful slices, and a line that says where one is.

    Parameters
    ----------
    button, label : QPushButton, QLabel
        Of the form.
    session : callable
        Returns the session of the chosen segment, None where there is none.
    """

    def __init__(self, button: Any, label: Any, session: Callable[[], CorrectionSession | None]) -> None:
        self._button, self._label, self._session = button, label, session
        self._seen: list[tuple[float, float, float]] = []
        connect(button, "clicked(bool)", self._clicked)

    def start_over(self) -> None:
        """Another segment, or a new result: nothing was looked at yet."""
        self._seen = []
        self._label.text = ""

    def next(self) -> None:
        """Go to the most doubtful slice that was not looked at yet; after the last one begin anew."""
        session = self._session()
        if session is None:
            return
        places = session.doubtful_slices()
        if not places:
            self._label.text = _("No doubtful slices are known: Segment tells them, until the scene is closed.")
            return
        left = [place for place in places if not self._was_seen(place)]
        if not left:
            self._seen = []
            left = list(places)
        place = left[0]
        self._seen.append(place.position_ras)
        slice_views.jump_to(slicer.mrmlScene, place.position_ras)
        more = _("{count} more").format(count=len(left) - 1) if len(left) > 1 else _("the last one")
        text = _("{place}, doubt {doubt}; {more}")
        where = slice_place(place.position_ras, place.normal_ras)
        self._label.text = text.format(place=where, doubt=f"{place.doubt:.0%}", more=more)

    def _clicked(self, _checked: bool = False) -> None:
        self.next()

    def _was_seen(self, place: DoubtfulPlace) -> bool:
        return any(
            sum((a - b) ** 2 for a, b in zip(place.position_ras, seen, strict=True)) < NEAR_MM**2
            for seen in self._seen
        )
