"""How a correction reaches the worker, or another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any

from PancreasSegLib.worker import CorrectionState
from PancreasSegPanel.scene.marks_node import plain_marks
from PancreasSegPanel.work.background import BackgroundJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PancreasSegLib.errors import PancreasSegError
    from PancreasSegLib.refine import Mark
    from PancreasSegLib.volume import Geometry
    from PancreasSegPanel.correction.learning import PatientLearning
    from PancreasSegPanel.correction.probability import CorrectionProbability
    from PancreasSegPanel.correction.queue import Item
    from PancreasSegPanel.work.worker_jobs import WorkerJobs
    from PancreasSegPanel.work.worker_protocol import RequestLike

OnAnswer = Callable[[Any, "PancreasSegError | None"], None]

_numbers = count(1)


class CorrectionSender:
    """Sends one correction's items under a name of its own.

    Parameters
    ----------
    jobs : WorkerJobs
        Asks the worker and the other thread.
    ct : vtkMRMLScalarVolumeNode
        What is corrected on.
    probability : CorrectionProbability
        What goes with a state.
    """

    def __init__(self, jobs: WorkerJobs, ct: Any, probability: CorrectionProbability) -> None:
        self._jobs, self._ct, self._probability = jobs, ct, probability
        self._name = f"correction {next(_numbers)}"
        self._prepared = False

    def prepare(self, state: CorrectionState) -> None:
        """Let the worker start, take the CT and open the correction, once; and import what brushes need."""
        if not self._prepared:
            self._prepared = True
            threading.Thread(target=import_module, args=("scipy.ndimage",), daemon=True).start()
            self._refine(state, (), lambda answer, error: None)

    def send(self, item: Item, state: CorrectionState, geometry: Geometry, on_done: OnAnswer) -> Any:
        """Send an item that begins from a state; what is returned can be given to :meth:`let_go`.

        Raises
        ------
        PancreasSegError
            If the CT cannot be handed over.
        """
        if item.smoothing is not None:
            work = item.smoothing.work(plain_marks(state), geometry)
            return self._jobs.do(work, lambda job: on_done(job.result, job.error))
        if item.learning is not None:
            return self._learn(item.learning, state, geometry, on_done)
        return self._refine(state, item.marks, on_done)

    def _refine(self, state: CorrectionState, marks: Sequence[Mark], on_done: OnAnswer) -> RequestLike:
        scan, client = self._jobs.scan(self._ct), self._jobs.client
        request = client.refine(
            scan,
            self._name,
            self._given(state),
            marks,
            on_done=lambda request: on_done(request.result, request.error),
        )
        return self._jobs.await_answer(request)

    def _learn(
        self, learning: PatientLearning, state: CorrectionState, geometry: Geometry, on_done: OnAnswer
    ) -> RequestLike:
        def answered(request: RequestLike) -> None:
            if request.error is None and request.result.probability is not None:
                self._probability.learnt(request.result.probability, geometry)
            on_done(request.result, request.error)

        learning.begin()
        scan, client = self._jobs.scan(self._ct), self._jobs.client
        request = client.learn(
            scan,
            self._name,
            self._given(state),
            learning.model,
            learning.device,
            label=learning.label,
            on_done=answered,
            on_progress=learning.heard,
        )
        return self._jobs.await_answer(request)

    def let_go(self, asked: Any) -> None:
        """Nobody waits for this any more; a stroke the worker may finish: ending it would take longer."""
        if isinstance(asked, BackgroundJob):
            self._jobs.background.give_up(asked)
        elif asked.method == "learn":
            self._jobs.cancel(asked)

    def renew(self) -> None:
        """The worker was ended, or knows another segment: it can be prepared once more."""
        self._prepared = False

    def end(self) -> None:
        """Let the worker forget the correction."""
        self._jobs.end_correction(self._name)

    def _given(self, state: CorrectionState) -> CorrectionState:
        plain = plain_marks(state)
        return CorrectionState(plain.box, plain.mask, plain.marks, self._probability.of(state))
