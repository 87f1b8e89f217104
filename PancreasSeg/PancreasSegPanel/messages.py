"""Stages, times and results in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegPanel.scene.measurement import Measurement

STAGES = {
    "start": "Starting the worker",
    "send": "Handing over the CT",
    "load": "Loading the model",
    "propose": "Looking for the abdomen",
    "localise": "Finding the pancreas",
    "segment": "Outlining the pancreas",
    "restore": "Fitting the mask to the CT",
    "measure": "Measuring",
}

DIRECTIONS = (("R", "L"), ("A", "P"), ("S", "I"))

SURE_FROM = 0.05
"""Part of the work from which the time left is told."""


def stage_text(event: ProgressEvent) -> str:
    """Return a stage with the time left, e.g. ``Outlining the pancreas, about 12 s left``."""
    stage = STAGES.get(event.stage) or event.message or event.stage.capitalize() or "Working"
    left = event.seconds_left
    if left is None or event.fraction < SURE_FROM:  # the first guesses jump
        return f"{stage}…"
    return f"{stage}, {time_text(left)} left"


def learning_text(event: ProgressEvent | None) -> str:
    """Return how far learning is, e.g. ``Learning this patient from the marks, 40 %, about 5 s left…``."""
    parts = ["Learning this patient from the marks"]
    if event is not None:
        parts.append(f"{round(100 * event.fraction)} %")
        if event.seconds_left is not None and event.fraction >= SURE_FROM:
            parts.append(f"{time_text(event.seconds_left)} left")
    return f"{', '.join(parts)}…"


def time_text(seconds: float) -> str:
    """Return a duration as a person says it.

    Examples
    --------
    >>> time_text(0.4), time_text(12.2), time_text(200)
    ('about 1 s', 'about 12 s', 'about 3 min')
    """
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    return f"about {round(seconds / 60)} min"


def result_text(measured: Measurement) -> str:
    """Return a result in one sentence, with its warnings behind it."""
    confidence = "" if measured.confidence is None else f", confidence {measured.confidence:.2f}"
    name = measured.label.replace("_", " ").capitalize()
    first = f"{name}: {measured.volume_ml:.1f} mL{confidence}, in {measured.seconds:.1f} s."
    return " ".join([first, *measured.notes])


def count(count: int, noun: str) -> str:
    """Return a number with its noun, e.g. ``1 mark`` or ``3 marks``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def slice_place(position_ras: Sequence[float], normal_ras: Sequence[float]) -> str:
    """Return a slice's place as the slice views write it.

    Examples
    --------
    >>> slice_place((3.0, 4.0, -34.5), (0.0, 0.0, 1.0))
    'I 34.5 mm'
    """
    axis = max(range(3), key=lambda a: abs(normal_ras[a]))
    value = position_ras[axis]
    return f"{DIRECTIONS[axis][value < 0]} {abs(value):.1f} mm"
