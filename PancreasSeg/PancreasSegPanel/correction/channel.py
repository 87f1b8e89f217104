"""One correction's way to the worker and to the other thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any

from PancreasSegLib.worker import CorrectionState
from PancreasSegPanel.scene.ct_node import geometry_of
from PancreasSegPanel.scene.mark_map import plain

if TYPE_CHECKING:
    from PancreasSegLib.errors import PancreasSegError
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegLib.refine import Mark
    from PancreasSegLib.volume import Geometry
    from PancreasSegLib.worker import CorrectionChange, Request
    from PancreasSegPanel.correction.probability import CorrectionProbability
    from PancreasSegPanel.work.worker_jobs import WorkerJobs

OnAnswer = Callable[[Any, "PancreasSegError | None"], None]
"""Receives what came back, or why nothing did."""
GiveUp = Callable[[], None]
"""Says that nobody waits for it any more."""

_numbers = count(1)


class Channel:
    """Sends from one correction, under a name of its own.

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

    @property
    def geometry(self) -> Geometry:
        """The CT's grid in the world."""
        return geometry_of(self._ct)

    def prepare(self, state: CorrectionState) -> None:
        """Let the worker start, take the CT and open the correction, once; and import what brushes need."""
        if not self._prepared:
            self._prepared = True
            threading.Thread(target=import_module, args=("scipy.ndimage",), daemon=True).start()
            self.refine(state, (), lambda answer, error: None)

    def refine(self, state: CorrectionState, marks: Sequence[Mark], on_answer: OnAnswer) -> GiveUp:
        """Ask what marks change. Given up, it is computed nevertheless: to end it would take longer.

        Raises
        ------
        PancreasSegError
            If the CT cannot be handed over.
        """
        scan = self._jobs.scan(self._ct)

        def take(request: Request) -> None:
            on_answer(request.result, request.error)

        client = self._jobs.client
        self._jobs.await_answer(client.refine(scan, self._name, self._whole(state), marks, on_done=take))
        return lambda: None

    def learn(
        self,
        state: CorrectionState,
        model: str,
        device: str,
        label: str | None,
        on_answer: OnAnswer,
        on_progress: Callable[[ProgressEvent], None],
    ) -> GiveUp:
        """Ask a copy of a model to learn from all marks; its probability is remembered with the CT's place."""
        scan, geometry = self._jobs.scan(self._ct), self.geometry

        def take(request: Request) -> None:
            if request.error is None and request.result.probability is not None:
                self._probability.remember(request.result.probability, geometry)
            on_answer(request.result, request.error)

        request = self._jobs.client.learn(
            scan,
            self._name,
            self._whole(state),
            model,
            device,
            label=label,
            on_done=take,
            on_progress=on_progress,
        )
        self._jobs.await_answer(request)
        return lambda: self._jobs.cancel(request)

    def compute(self, work: Callable[[], CorrectionChange], on_answer: OnAnswer) -> GiveUp:
        """Let the other thread compute a change."""
        job = self._jobs.do(work, lambda job: on_answer(job.result, job.error))
        return lambda: self._jobs.background.give_up(job)

    def renew(self) -> None:
        """The worker was ended, or knows another segment: it can be prepared once more."""
        self._prepared = False

    def close(self) -> None:
        """Let the worker forget the correction."""
        self._jobs.end_correction(self._name)

    def _whole(self, state: CorrectionState) -> CorrectionState:
        """Return a state as the worker takes it."""
        return CorrectionState(state.box, state.mask, plain(state.marks), self._probability.of(state))
