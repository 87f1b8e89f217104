"""The line that says what a run will take; asked for when a choice has changed, one question at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import qt

from PancreasSegLib.errors import PancreasSegError
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.problem import sentence_of
from PancreasSegPanel.work.worker_jobs import WorkerJobs

if TYPE_CHECKING:
    from PancreasSegLib.worker import Request
    from PancreasSegPanel.work.segmentation_run import Job

_ = translator(__name__)

PAUSE_MS = 400
WAITING = _("Preparing the forecast…")


class ForecastLine:
    """Asks the worker in the pauses between changes; the model is loaded on the way.

    Parameters
    ----------
    label : QLabel
        Shows the sentence.
    jobs : WorkerJobs
        Asks.
    wanted : callable
        Returns the job that a click would start, None where there is nothing to forecast.
    """

    def __init__(self, label: Any, jobs: WorkerJobs, wanted: Callable[[], Job | None]) -> None:
        self._label, self._jobs, self._wanted = label, jobs, wanted
        self._request: Request | None = None
        self._stale = False
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        connect(self._timer, "timeout()", self._ask)

    def renew(self) -> None:
        """Something has changed: forget the sentence and ask after a pause."""
        self._stale = True
        if self._wanted() is None:
            self._timer.stop()
            self._show("")
        else:
            self._show(WAITING)
            self._timer.start()

    def stop(self) -> None:
        """Ask nothing more."""
        self._timer.stop()
        self._request = None
        self._show("")

    def hold(self) -> None:
        """A run starts: it must not wait for a forecast that was not asked for yet."""
        if self._timer.active:
            self._timer.stop()
            self._show("")

    def resume(self) -> None:
        """A run has ended: ask what was held back."""
        if self._stale:
            self.renew()

    def _ask(self) -> None:
        job = self._wanted()
        if job is None:
            self._show("")
            return
        if self._request is not None and not self._request.done:
            return  # asked again when the answer to the former question is there
        self._stale = False
        try:
            self._request = self._jobs.forecast(job.ct, job.model, job.device, job.region, self._answered)
        except PancreasSegError as error:
            self._show(sentence_of(error))

    def _answered(self, request: Request) -> None:
        if request is not self._request and self._request is not None:
            return
        self._request = None
        if self._stale:
            if self._wanted() is not None:
                self._timer.start()
            return
        if request.cancelled:
            self._show("")
        elif request.error is not None:
            self._show(sentence_of(request.error))
        else:
            self._show(str(request.result["sentence"]))

    def _show(self, text: str) -> None:
        self._label.text = text
        self._label.visible = bool(text)
