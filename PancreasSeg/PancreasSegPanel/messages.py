"""Stages, times and results in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from PancreasSegPanel.translation import translator

if TYPE_CHECKING:
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegPanel.scene.measurement import Measurement

_ = translator(__name__)

STAGES = {
    "start": _("Starting the worker"),
    "send": _("Handing over the CT"),
    "load": _("Loading the model"),
    "fetch": _("Downloading the model"),
    "import": _("Importing the model"),
    "propose": _("Looking for the abdomen"),
    "localise": _("Finding the pancreas"),
    "segment": _("Outlining the pancreas"),
    "restore": _("Fitting the mask to the CT"),
    "measure": _("Measuring"),
}

DIRECTIONS = ((_("R"), _("L")), (_("A"), _("P")), (_("S"), _("I")))

SURE_FROM = 0.05
"""Part of the work from which the time left is told."""


def stage_text(event: ProgressEvent) -> str:
    """Return a stage with the time left, e.g. ``Outlining the pancreas, about 12 s left``."""
    stage = STAGES.get(event.stage) or event.message or event.stage.capitalize() or _("Working")
    left = event.seconds_left
    if left is None or event.fraction < SURE_FROM:  # the first guesses jump
        return f"{stage}…"
    return _("{what}, {time} left").format(what=stage, time=time_text(left))


def learning_text(event: ProgressEvent | None) -> str:
    """Return how far learning is, e.g. ``Learning this patient from the marks, 40 %, about 5 s left…``."""
    text = _("Learning this patient from the marks")
    if event is not None:
        text = f"{text}, {round(100 * event.fraction)} %"
        if event.seconds_left is not None and event.fraction >= SURE_FROM:
            text = _("{what}, {time} left").format(what=text, time=time_text(event.seconds_left))
    return f"{text}…"


def time_text(seconds: float) -> str:
    """Return a duration as a person says it.

    Examples
    --------
    >>> time_text(0.4), time_text(12.2), time_text(200)
    ('about 1 s', 'about 12 s', 'about 3 min')
    """
    if seconds < 90:
        return _("about {count} s").format(count=max(1, round(seconds)))
    return _("about {count} min").format(count=round(seconds / 60))


def result_text(measured: Measurement) -> str:
    """Return a result in one sentence, with its warnings behind it."""
    known = measured.confidence is not None
    first = (
        _("{organ}: {volume_ml:.1f} mL, confidence {confidence:.2f}, in {seconds:.1f} s.")
        if known
        else _("{organ}: {volume_ml:.1f} mL, in {seconds:.1f} s.")
    ).format(organ=measured.label.replace("_", " ").capitalize(), **asdict(measured))
    return " ".join([first, *measured.notes])


def left_out_text(amount: str, reasons: Sequence[str]) -> str:
    """Return what of a mask was not written, and why."""
    return _("{amount} left out, protected by {reasons}.").format(amount=amount, reasons=_(" and ").join(reasons))


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
