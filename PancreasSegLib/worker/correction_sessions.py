"""The corrections that a worker holds open: what their owner sent, so that a stroke moves kilobytes.

The owner keeps the whole state and can open a correction again at any time; here it is only kept at hand. Whatever
fails half-way forgets the correction, so that it never goes on from a state that its owner does not know.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import CorrectionLostError, MarkError, PancreasSegError
from PancreasSegLib.refine import Change, Correction, Mark
from PancreasSegLib.refine.propagation import Propagation, WeightFree
from PancreasSegLib.volume import Geometry, Volume
from PancreasSegLib.worker.arrays import REPLY_PREFIX
from PancreasSegLib.worker.correction_files import (
    read_mark,
    read_part,
    read_probability,
    write_part,
    write_probability,
)
from PancreasSegLib.worker.parameters import Params, value_of

_log = logging.getLogger(__name__)

Learning = Callable[[Volume, NDArray[np.bool_], NDArray[np.uint8]], Volume]

_KEPT = 2  # each holds a mask and a map of marks of the scan's size
_MOST_MARKS = 1000


@dataclass(eq=False)
class _Open:
    volume: str
    revision: int
    correction: Correction


class CorrectionSessions:
    """The last two corrections, each at the revision that its owner knows."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._warm = False
        self._propagation: Propagation | None = None
        self._answers = 0

    def refine(self, params: Params, volume: str, ct: Volume, folder: Path) -> Params:
        """Bring a correction to its owner's state, add marks, and answer what they changed.

        Parameters
        ----------
        params : dict
            ``session``; ``open`` with the whole state, or the ``revision`` at which it is held; ``edits`` to it;
            ``marks``.
        volume : str
            Hash of the scan.
        ct : Volume
            The scan.
        folder : Path
            The private folder.

        Raises
        ------
        CorrectionLostError
            If it is not held, or not at this revision.
        ProtocolError, MarkError, WorkerError, GeometryError
            If something in the parameters cannot be used.
        """
        started = time.monotonic()
        held = self._brought(params, volume, ct, folder)
        messages = value_of(params, "marks", list, [])
        if len(messages) > _MOST_MARKS:
            raise MarkError(f"{len(messages)} marks are too many at once.", "Send them in several requests.")
        marks = [read_mark(folder, message, ct.geometry) for message in messages]
        if marks:
            answer = self._answer(folder, ct.geometry, held.correction.add(marks))
        else:
            self._warm_up()
            answer = {"box_ijk": None, "mask": None, "marks": None, "added_ml": 0.0, "removed_ml": 0.0}
        return self._kept(params["session"], held, answer, started)

    def learn(self, params: Params, volume: str, ct: Volume, folder: Path, learn: Learning) -> Params:
        """Bring a correction to its owner's state, let a model learn its marks, and answer what that changed.

        Parameters
        ----------
        params, volume, ct, folder
            As for `refine`; there are no new marks.
        learn : callable
            Takes CT, mask and marks, and returns the probability that the model gives then.

        Raises
        ------
        CorrectionLostError, ProtocolError, MarkError, WorkerError, GeometryError
            As for `refine`; MarkError where nothing is marked, too.
        """
        started = time.monotonic()
        held = self._brought(params, volume, ct, folder)
        correction = held.correction
        probability = learn(ct, correction.mask, correction.marks)
        answer = self._answer(folder, ct.geometry, correction.outline_anew(probability))
        answer["probability"] = write_probability(folder, f"{REPLY_PREFIX}correction-{self._answers}", probability)
        return self._kept(params["session"], held, answer, started)

    def _brought(self, params: Params, volume: str, ct: Volume, folder: Path) -> _Open:
        """Return a correction in its owner's state; it is held again only by `_kept`."""
        value_of(params, "session", str)
        held = self._opened(params, volume, ct, folder) if "open" in params else self._held(params, volume)
        for edit in value_of(params, "edits", list, []):
            _edit(held.correction, edit, folder)
        return held

    def _kept(self, session: str, held: _Open, answer: Params, started: float) -> Params:
        held.revision += 1
        self._open[session] = held
        while len(self._open) > _KEPT:
            self._open.popitem(last=False)
        seconds = time.monotonic() - started
        return {"session": session, "revision": held.revision, "seconds": seconds, **answer}

    def release(self, session: str) -> bool:
        """Forget a correction; whether it was held."""
        return self._open.pop(session, None) is not None

    def release_volume(self, volume: str) -> None:
        """Forget the corrections of a scan that is gone."""
        for session in [session for session, held in self._open.items() if held.volume == volume]:
            del self._open[session]

    def _opened(self, params: Params, volume: str, ct: Volume, folder: Path) -> _Open:
        self._open.pop(params["session"], None)
        state = value_of(params, "open", dict)
        reference = state.get("probability")
        probability = None if reference is None else read_probability(folder, reference)
        correction = Correction(ct, None, probability, propagation=self._method())
        if state.get("box_ijk") is not None:
            box, mask, marks = read_part(folder, state, ct.geometry, "open")
            correction.put(box, mask, np.zeros_like(mask) if marks is None else marks)
        return _Open(volume, 0, correction)

    def _held(self, params: Params, volume: str) -> _Open:
        session, revision = params["session"], value_of(params, "revision", int)
        held = self._open.pop(session, None)
        if held is None or held.volume != volume or held.revision != revision:
            raise CorrectionLostError(
                f"The worker does not hold the correction {session} at revision {revision}.",
                "Open it again with its whole state.",
            )
        return held

    def _answer(self, folder: Path, geometry: Geometry, change: Change) -> Params:
        self._answers += 1
        name = f"{REPLY_PREFIX}correction-{self._answers}"
        return {
            **write_part(folder, name, geometry, change.box, change.voxels, change.marks),
            "added_ml": change.added_ml,
            "removed_ml": change.removed_ml,
        }

    def _method(self) -> Propagation:
        """Return how marks are carried further: by the default model's refiner, else weight-free."""
        if self._propagation is None:
            try:
                from PancreasSegLib.inference.refiner import propagation_of

                self._propagation = propagation_of("default")
            except (ImportError, PancreasSegError) as error:
                _log.warning("corrections are weight-free, the refiner cannot be loaded: %s", error)
                self._propagation = WeightFree()
        return self._propagation

    def _warm_up(self) -> None:
        """Import what a first stroke would have to wait for."""
        if self._warm:
            return
        voxels = np.full((12, 24, 24), -80, np.int16)
        voxels[4:8, 8:16, 8:16] = 90
        toy = Volume(voxels, Geometry((24, 24, 12), (1.0, 1.0, 2.0)))
        point = Mark.point((12.0, 12.0, 12.0), toy.geometry, include=True)
        Correction(toy, propagation=self._method()).add([point])
        self._warm = True


def _edit(correction: Correction, message: Any, folder: Path) -> None:
    """Take a part of the state: with its marks as it is, without them what differs is truth."""
    box, mask, marks = read_part(folder, message, correction.ct.geometry, "edits")
    if marks is None:
        correction.edit(box, mask)
    else:
        correction.put(box, mask, marks)
