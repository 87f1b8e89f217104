"""How a correction reaches the worker, or another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any

from PancreasSegLib.worker import CorrectionState
from PancreasSegPanel.background import BackgroundJob
from PancreasSegPanel.correction_marks import plain_marks

if TYPE_CHECKING:
    from PancreasSegLib.errors import PancreasSegError
    from PancreasSegLib.volume import Geometry, Volume
    from PancreasSegPanel.correction_queue import Item
    from PancreasSegPanel.logic import PanelLogic

OnAnswer = Callable[[Any, "PancreasSegError | None"], None]

_numbers = count(1)


class CorrectionSender:
    """Sends one correction's items under a name of its own.

    Parameters
    ----------
    logic : PanelLogic
        Has the worker and the other thread.
    ct : vtkMRMLScalarVolumeNode
        What is corrected on.
    probability : callable
        Returns the network's probability, or None.
    """

    def __init__(self, logic: PanelLogic, ct: Any, probability: Callable[[], Volume | None]) -> None:
        self._logic, self._ct, self._probability = logic, ct, probability
        self._name = f"correction {next(_numbers)}"
        self._prepared = False

    def prepare(self, state: CorrectionState) -> None:
        """Let the worker start, take the CT and open the correction, once; and import what brushes need."""
        if not self._prepared:
            self._prepared = True
            threading.Thread(target=import_module, args=("scipy.ndimage",), daemon=True).start()
            self._logic.refine(self._ct, self._name, self._given(state), (), lambda request: None)

    def send(self, item: Item, state: CorrectionState, geometry: Geometry, on_done: OnAnswer) -> Any:
        """Send an item that begins from a state; what is returned can be given to :meth:`let_go`.

        Raises
        ------
        PancreasSegError
            If the CT cannot be handed over.
        """
        if item.smoothing is not None:
            work = item.smoothing.work(plain_marks(state), geometry)
            return self._logic.work(work, lambda job: on_done(job.result, job.error))
        return self._logic.refine(
            self._ct,
            self._name,
            self._given(state),
            item.marks,
            lambda request: on_done(request.result, request.error),
        )

    def let_go(self, asked: Any) -> None:
        """Nobody waits for this any more; the worker may finish it: ending it would take longer than a stroke."""
        if isinstance(asked, BackgroundJob):
            self._logic.background.give_up(asked)

    def renew(self) -> None:
        """The worker was ended, or knows another segment: it can be prepared once more."""
        self._prepared = False

    def end(self) -> None:
        """Let the worker forget the correction."""
        self._logic.end_correction(self._name)

    def _given(self, state: CorrectionState) -> CorrectionState:
        plain = plain_marks(state)
        return CorrectionState(plain.box, plain.mask, plain.marks, self._probability())
