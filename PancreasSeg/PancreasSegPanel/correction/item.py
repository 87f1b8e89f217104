"""What takes its turn in a correction and becomes one step; each kind knows how it is sent."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from PancreasSegLib.errors import MarkError
from PancreasSegLib.worker import CorrectionChange, CorrectionState
from PancreasSegPanel.correction.confirmed_slice import CHANGED, CHANGED_HINT, is_as_seen, place_of
from PancreasSegPanel.scene.mark_map import Drawn, drawn_by, plain

if TYPE_CHECKING:
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegLib.refine import Mark
    from PancreasSegLib.volume import Geometry
    from PancreasSegPanel.correction.channel import Channel, GiveUp, OnAnswer
    from PancreasSegPanel.correction.step import CorrectionStep


@dataclass(eq=False)
class Item(ABC):
    """What becomes one step.

    Attributes
    ----------
    on_done : list of callable
        Receive the step.
    tries : int
        How often the worker died on it.
    since : float
        When it was recorded, on the monotonic clock.
    """

    on_done: list[Callable[[CorrectionStep], None]] = field(default_factory=list, kw_only=True)
    tries: int = field(default=0, kw_only=True)
    since: float = field(default_factory=time.monotonic, kw_only=True)

    @property
    def drawn(self) -> Drawn:
        """What it adds to the map of marks."""
        return []

    @abstractmethod
    def send(self, state: CorrectionState, channel: Channel, on_answer: OnAnswer) -> GiveUp:
        """Send it, to begin from a state; returns at once.

        Raises
        ------
        PancreasSegError
            If it cannot be sent, or says nothing any more.
        """

    def describe(self, step: CorrectionStep, geometry: Geometry) -> CorrectionStep:
        """Add to a step what it was."""
        return step


@dataclass(eq=False)
class Marking(Item):
    """Marks that were made together: strokes, points, confirmed slices.

    Attributes
    ----------
    marks : tuple of Mark
        What was marked.
    note : str
        What is to be told with the step.
    """

    marks: tuple[Mark, ...]
    note: str = field(default="", kw_only=True)

    @property
    def drawn(self) -> Drawn:
        """What the marks say."""
        return [part for mark in self.marks for part in drawn_by(mark)]

    def send(self, state: CorrectionState, channel: Channel, on_answer: OnAnswer) -> GiveUp:
        """Send the marks, but for slices that have changed since they were confirmed: nobody has seen those."""
        kept = tuple(mark for mark in self.marks if mark.kind != "slice" or is_as_seen(mark, state))
        if not kept:
            raise MarkError(CHANGED, CHANGED_HINT)
        if len(kept) < len(self.marks):
            self.marks, self.note = kept, f"{CHANGED} {CHANGED_HINT}"
        return channel.refine(state, self.marks, on_answer)

    def describe(self, step: CorrectionStep, geometry: Geometry) -> CorrectionStep:
        """Say where a confirmed slice lies, and what was left out."""
        slices = [mark for mark in self.marks if mark.kind == "slice"]
        alone = len(self.marks) == len(slices) == 1
        return replace(step, slice_at=place_of(slices[0], geometry) if alone else "", note=self.note)


@dataclass(eq=False)
class Smoothing(Item):
    """The segment is to be smoothed; what was marked stays.

    Attributes
    ----------
    radius_mm : float
        How coarsely.
    """

    radius_mm: float

    def send(self, state: CorrectionState, channel: Channel, on_answer: OnAnswer) -> GiveUp:
        """Let the other thread compute it, from arrays that nobody changes."""
        geometry, radius_mm = channel.geometry, self.radius_mm

        def smooth() -> CorrectionChange:
            from PancreasSegLib.refine.smoothing import smoothed

            if state.box is None:
                return CorrectionChange.nothing()
            box = state.box.grown(3.0 * radius_mm, geometry)
            mask, marks = state.within(box)
            result = smoothed(mask, geometry.spacing_mm[::-1], radius_mm, marks=plain(marks))
            return CorrectionChange(box, result.astype(np.uint8), plain(marks))

        return channel.compute(smooth, on_answer)


@dataclass(eq=False)
class Learning(Item):
    """A copy of a model is to learn the patient from all marks, and to outline the organ anew.

    Attributes
    ----------
    choice : callable
        Returns model and device, asked for when its turn comes.
    label : str or None
        What it outlines, None for a model's main organ.
    on_progress : callable
        Receives how far it is; None when it begins, be it for another time.
    """

    choice: Callable[[], tuple[str, str]]
    label: str | None
    on_progress: Callable[[ProgressEvent | None], None]

    def send(self, state: CorrectionState, channel: Channel, on_answer: OnAnswer) -> GiveUp:
        """Let the worker learn."""
        self.on_progress(None)
        model, device = self.choice()
        return channel.learn(state, model, device, self.label, on_answer, self.on_progress)

    def describe(self, step: CorrectionStep, geometry: Geometry) -> CorrectionStep:
        """Say that it was learnt."""
        return replace(step, learnt=True)
