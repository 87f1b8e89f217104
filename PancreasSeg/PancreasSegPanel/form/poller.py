"""The one timer of the panel: it runs while answers are awaited and stops by itself."""

from __future__ import annotations

import qt

from PancreasSegPanel.logic import PanelLogic
from PancreasSegPanel.signals import connect

INTERVAL_MS = 50
HURRIED_MS = 10
"""While a stroke is awaited: half of 50 ms on average would be a tenth of its time."""


class Poller:
    """Calls ``logic.poll()`` every 50 ms as long as there is something to wait for, for a stroke every 10 ms.

    Parameters
    ----------
    logic : PanelLogic
        Wakes the timer whenever it has asked for something.
    """

    def __init__(self, logic: PanelLogic) -> None:
        self._logic = logic
        self.timer = qt.QTimer()
        self.timer.setInterval(INTERVAL_MS)
        connect(self.timer, "timeout()", self._tick)
        logic.jobs.on_work = self.wake

    def wake(self) -> None:
        """Start the timer if it rests."""
        if self._logic.pending:
            self._set_pace()
            if not self.timer.active:
                self.timer.start()

    def stop(self) -> None:
        """Stop for good."""
        self.timer.stop()
        self._logic.jobs.on_work = lambda: None

    def _tick(self) -> None:
        self._logic.poll()
        if self._logic.pending:
            self._set_pace()
        else:
            self.timer.stop()

    def _set_pace(self) -> None:
        wanted = HURRIED_MS if self._logic.corrections.busy else INTERVAL_MS
        if self.timer.interval != wanted:
            self.timer.setInterval(wanted)
