"""The one timer of the panel: it runs while answers are awaited and stops by itself."""

from __future__ import annotations

import time

import qt

from PancreasSegPanel.logic import PanelLogic
from PancreasSegPanel.signals import connect

INTERVAL_MS = 10
GIVEN_S = 0.005
"""Of each interval, for the threads that talk to the worker.

Slicer's event loop keeps Python's interpreter lock while it waits: without this a thread makes one step a tick.
"""


class Poller:
    """Calls ``logic.poll()`` every 10 ms as long as there is something to wait for.

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
        if self._logic.pending and not self.timer.active:
            self.timer.start()

    def stop(self) -> None:
        """Stop for good."""
        self.timer.stop()
        self._logic.jobs.on_work = lambda: None

    def _tick(self) -> None:
        time.sleep(GIVEN_S)  # what arrives meanwhile is taken at once
        self._logic.poll()
        if not self._logic.pending:
            self.timer.stop()
