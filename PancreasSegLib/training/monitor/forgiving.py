"""An observer that may fail without ending the run."""

from __future__ import annotations

import logging
from collections.abc import Callable

from PancreasSegLib.errors import CancelledError
from PancreasSegLib.training.observer import (
    NetworkRun,
    NetworkView,
    RunSummary,
    TrainingObserver,
    ValidationScores,
)

_log = logging.getLogger(__name__)


class Forgiving:
    """Passes everything on until the observer fails; then says so once and leaves it out.

    A picture that cannot be drawn or a full disk must not cost a night's training. It is asked again when the next
    network begins.

    Parameters
    ----------
    observer : TrainingObserver
        Whom to tell.
    name : str
        What a person calls it.
    """

    def __init__(self, observer: TrainingObserver, name: str) -> None:
        self.observer, self.name = observer, name
        self.failed = False

    def started(self, run: NetworkRun) -> None:
        """Pass on."""
        self.failed = False
        self._tell(lambda: self.observer.started(run))

    def stepped(self, step: int, fields: dict[str, float]) -> None:
        """Pass on."""
        self._tell(lambda: self.observer.stepped(step, fields))

    def validated(self, step: int, scores: ValidationScores) -> None:
        """Pass on."""
        self._tell(lambda: self.observer.validated(step, scores))

    def epoch_ended(self, step: int, network_view: NetworkView) -> None:
        """Pass on."""
        self._tell(lambda: self.observer.epoch_ended(step, network_view))

    def finished(self, summary: RunSummary) -> None:
        """Pass on."""
        self._tell(lambda: self.observer.finished(summary))

    def _tell(self, what: Callable[[], None]) -> None:
        if self.failed:
            return
        try:
            what()
        except CancelledError:
            raise
        except Exception as error:
            self.failed = True
            reason = " ".join(str(error).split()) or type(error).__name__
            _log.warning("%s: no more of it for this network (%s). The training goes on.", self.name, reason)
            _log.debug("the failure", exc_info=error)
