"""The one correction whose turn it is: given away from the segment as it is then, its answer taken into it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import MarkError
from PancreasSegLib.worker import CorrectionChange, CorrectionState
from PancreasSegPanel.correction.confirmed_slice import CHANGED, CHANGED_HINT, is_as_seen, place_of

if TYPE_CHECKING:
    from PancreasSegLib.volume import Geometry
    from PancreasSegPanel.correction.queue import Item
    from PancreasSegPanel.correction.sender import CorrectionSender, OnAnswer
    from PancreasSegPanel.correction.state import SegmentCorrection
    from PancreasSegPanel.correction.step import CorrectionStep

log = logging.getLogger(__name__)


class CorrectionTurn:
    """Sends an item and takes its answer; one at a time.

    Parameters
    ----------
    segment : SegmentCorrection
        What is corrected.
    sender : CorrectionSender
        Reaches the worker.
    """

    def __init__(self, segment: SegmentCorrection, sender: CorrectionSender) -> None:
        self._segment, self._sender = segment, sender
        self._base = CorrectionState.empty()

    def send(self, item: Item, geometry: Geometry, on_done: OnAnswer) -> Any:
        """Send an item from the segment as it is now; what is returned can be given to ``let_go``.

        Raises
        ------
        MarkError
            If it is a slice that was taken as right and has changed since: nobody has seen what it is now.
        PancreasSegError
            If the CT cannot be handed over.
        """
        self._segment.notice(geometry)
        self._base = self._segment.current
        _drop_changed_slices(item, self._base)
        return self._sender.send(item, self._base, geometry, on_done)

    def take(self, item: Item, change: CorrectionChange, geometry: Geometry, *, preview: bool) -> CorrectionStep:
        """Take what came back, and tell whoever waits for this item."""
        found = self._segment.take(self._base, change, geometry, item.since, drawn=item.drawn, preview=preview)
        alone = item.marks[0] if len(item.marks) == 1 else None
        slice_at = place_of(alone, geometry) if alone is not None and alone.kind == "slice" else ""
        step = replace(found, slice_at=slice_at, learnt=item.learning is not None, note=item.note)
        for callback in item.on_done:
            try:
                callback(step)
            except Exception:
                log.exception("A callback of a correction failed.")
        return step


def _drop_changed_slices(item: Item, state: CorrectionState) -> None:
    """Take the slices out of an item that are not what was seen any more; what else was drawn stays."""
    kept = tuple(mark for mark in item.marks if mark.kind != "slice" or is_as_seen(mark, state))
    if len(kept) == len(item.marks):
        return
    if not kept:
        raise MarkError(CHANGED, CHANGED_HINT)
    item.marks, item.note = kept, f"{CHANGED} {CHANGED_HINT}"
