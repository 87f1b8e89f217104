"""Correct masks as a reader would and measure what each correction brings."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import PancreasSegError, TooLittleMarkedError
from PancreasSegLib.evaluation.correction_method import CorrectionMethod, Learner
from PancreasSegLib.evaluation.correction_start import CorrectionStart
from PancreasSegLib.evaluation.rim import rim_dice
from PancreasSegLib.evaluation.simulated_user import SimulatedUser
from PancreasSegLib.metrics import compare, dice
from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent
from PancreasSegLib.refine import INCLUDED, UNMARKED, Correction, Mark
from PancreasSegLib.refine.propagation import Propagation
from PancreasSegLib.volume import Box

CORRECTIONS = 10


@dataclass(frozen=True)
class CorrectionScore:
    """The mask of one case after so many corrections by one method.

    Attributes
    ----------
    case, method : str
        Which.
    correction : int
        How many corrections were made; 0 is the model's mask.
    mark : str
        ``include``, ``exclude`` or ``slice``, the last correction; empty before the first and once all is right.
    dice, nsd_1mm, nsd_2mm, nsd_3mm : float
        As in `PancreasSegLib.metrics`.
    rim_dice : float
        Dice if all that is wrong further than 3 mm from the reference's surface were right.
    volume_ml, reference_ml, volume_error_ml : float
        Volumes in mL; the error is signed.
    marked_ml, changed_ml, wrongly_changed_ml : float
        What the last mark covered, what changed, and how much of that was right before.
    dice_painted : float
        Dice had this mark been painted on the mask before it and nothing else been changed.
    dice_all_painted : float
        Dice had all marks so far been painted on the model's mask and nothing else been changed.
    seconds : float
        Time of the last correction, NaN where there was none.
    learning_seconds : float
        Time until the patient was learnt after it and the organ outlined anew, NaN where nothing was learnt.
    """

    case: str
    method: str
    correction: int
    mark: str
    dice: float
    nsd_1mm: float
    nsd_2mm: float
    nsd_3mm: float
    rim_dice: float
    volume_ml: float
    reference_ml: float
    volume_error_ml: float
    marked_ml: float
    changed_ml: float
    wrongly_changed_ml: float
    dice_painted: float
    dice_all_painted: float
    seconds: float
    learning_seconds: float = math.nan


def benchmark_corrections(
    starts: Iterable[CorrectionStart],
    methods: Sequence[CorrectionMethod],
    *,
    user: SimulatedUser | None = None,
    corrections: int = CORRECTIONS,
    count: int | None = None,
    progress: ProgressCallback | None = None,
    scored: Callable[[Sequence[CorrectionScore]], None] | None = None,
    cancel: CancelToken | None = None,
) -> list[CorrectionScore]:
    """Correct every case by every method; the same input gives the same scores but for the seconds.

    Parameters
    ----------
    starts : iterable of CorrectionStart
        The cases; taken one at a time, so that only one is held in memory.
    methods : sequence of CorrectionMethod
        Each starts from the same mask. The marks depend on what is still wrong, hence on the method.
    user : SimulatedUser, optional
        Who marks.
    corrections : int
        How many a case.
    count : int, optional
        How many cases there are, for the progress.
    progress : callable, optional
        Told of every correction.
    scored : callable, optional
        Told of the scores of each case and method.
    cancel : CancelToken, optional
        Obeyed between corrections.

    Returns
    -------
    list of CorrectionScore
        By case, method and correction.

    Raises
    ------
    PancreasSegError
        If a method fails; the sentence names method and case.
    """
    user = user or SimulatedUser()
    scores: list[CorrectionScore] = []
    watch = _Watch((count or 0) * len(methods) * corrections, progress, cancel)
    for number, start in enumerate(starts):
        for order, method in enumerate(methods):
            propagation = method.make(start)
            if propagation is None:
                continue
            watch.before = (number * len(methods) + order) * corrections
            watch.message = f"correcting {start.case}, {method.name}"
            learner = method.learner(start) if method.learner else None
            made = correct_case(start, method.name, propagation, user, corrections, watch, learner)
            scores += made
            if scored:
                scored(made)
    return scores


@dataclass
class _Watch:
    """Tells how far the benchmark is and stops it when it is cancelled."""

    total: int
    progress: ProgressCallback | None
    cancel: CancelToken | None
    before: int = 0
    message: str = ""

    def __post_init__(self) -> None:
        self.begun = time.monotonic()

    def __call__(self, done: int) -> None:
        """Take note of corrections that were made on the present case."""
        if self.cancel:
            self.cancel.check()
        if self.progress and self.total:
            share = (self.before + done) / self.total
            left = (time.monotonic() - self.begun) * (1 - share) / share if share > 0 else None
            self.progress(ProgressEvent("correct", share, left, self.message))


def correct_case(
    start: CorrectionStart,
    method: str,
    propagation: Propagation,
    user: SimulatedUser,
    corrections: int,
    tick: Callable[[int], None] = lambda done: None,
    learner: Learner | None = None,
) -> list[CorrectionScore]:
    """Correct one case step by step.

    Parameters
    ----------
    start : CorrectionStart
        Where to begin.
    method : str
        The method's name, for the scores.
    propagation : Propagation
        How marks are carried further.
    user : SimulatedUser
        Who marks.
    corrections : int
        How many.
    tick : callable
        Told before each correction how many were made.
    learner : callable, optional
        Learns the patient after each correction; the organ is then outlined anew.

    Returns
    -------
    list of CorrectionScore
        `corrections` + 1 of them. Once nothing is wrong, the last one is repeated without a mark.
    """
    correction = Correction(start.ct, start.mask, start.probability, propagation=propagation)
    painted = start.mask.copy()
    first = measure(start, correction.mask)
    scores = [_score(start, method, 0, first, dice_painted=first["dice"], dice_all_painted=first["dice"])]
    for number in range(1, corrections + 1):
        tick(number - 1)
        mark = user.mark(correction.mask, start.reference, start.ct.geometry)
        if mark is None:
            scores.append(replace(scores[-1], correction=number, **_NO_MARK))
            continue
        _paint(painted, mark)
        before, at_once = correction.mask.copy(), correction.mask.copy()
        _paint(at_once, mark)
        begun = time.perf_counter()
        try:
            correction.add([mark])
        except PancreasSegError as error:
            raise PancreasSegError(
                f"The method {method} failed at correction {number} of {start.case}. {error.message}", error.hint
            ) from error
        seconds = time.perf_counter() - begun
        learnt = math.nan if learner is None else _learn(correction, learner)
        scores.append(
            _score(
                start,
                method,
                number,
                measure(start, correction.mask),
                mark=_kind(mark),
                marked_ml=float(np.count_nonzero(at_once != before)) * start.ct.geometry.voxel_volume_ml,
                **_changed(correction.mask, before, start),
                dice_painted=_dice(at_once, start.reference),
                dice_all_painted=_dice(painted, start.reference),
                seconds=seconds,
                learning_seconds=learnt,
            )
        )
    return scores


_NO_MARK: dict[str, Any] = {
    "mark": "",
    "marked_ml": 0.0,
    "changed_ml": 0.0,
    "wrongly_changed_ml": 0.0,
    "seconds": math.nan,
    "learning_seconds": math.nan,
}


def _learn(correction: Correction, learner: Learner) -> float:
    """Let a model learn the patient, outline the organ anew, and return the seconds that took.

    Where too little is marked to learn from, nothing changes and NaN is returned.
    """
    begun = time.perf_counter()
    try:
        probability = learner(correction.ct, correction.mask, correction.marks)
    except TooLittleMarkedError:
        return math.nan
    correction.outline_anew(probability)
    return time.perf_counter() - begun


def measure(start: CorrectionStart, mask: NDArray[np.bool_]) -> dict[str, float]:
    """Return the metrics of a mask of a case."""
    spacing = start.ct.geometry.spacing_mm
    return compare(mask, start.reference, spacing, (1, 2, 3)) | {
        "rim_dice": rim_dice(mask, start.reference, spacing[::-1])
    }


def _score(
    start: CorrectionStart, method: str, number: int, measured: dict[str, float], **more: Any
) -> CorrectionScore:
    names = ("dice", "nsd_1mm", "nsd_2mm", "nsd_3mm", "rim_dice", "volume_ml", "reference_ml", "volume_error_ml")
    fields = {**_NO_MARK, **{name: measured[name] for name in names}, **more}
    return CorrectionScore(start.case, method, number, **fields)


def _dice(mask: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    box = Box.of_mask(mask | reference)
    return 1.0 if box is None else dice(mask[box.slices_zyx], reference[box.slices_zyx])


def _paint(mask: NDArray[np.bool_], mark: Mark) -> None:
    values, part = mark.values, mask[mark.box.slices_zyx]
    part[values != UNMARKED] = values[values != UNMARKED] == INCLUDED


def _kind(mark: Mark) -> str:
    if mark.kind == "slice":
        return "slice"
    return "include" if mark.include else "exclude"


def _changed(mask: NDArray[np.bool_], before: NDArray[np.bool_], start: CorrectionStart) -> dict[str, float]:
    """Return how much a correction changed, and how much of that was right before, in mL."""
    ml, changed = start.ct.geometry.voxel_volume_ml, mask != before
    wrongly = changed & (mask != start.reference)
    return {
        "changed_ml": float(np.count_nonzero(changed)) * ml,
        "wrongly_changed_ml": float(np.count_nonzero(wrongly)) * ml,
    }
