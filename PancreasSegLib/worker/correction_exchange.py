"""What one worker process holds of its owner's corrections: only the rest is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import CorrectionLostError, OutputError
from PancreasSegLib.refine import Mark
from PancreasSegLib.volume import Geometry
from PancreasSegLib.worker.arrays import remove_arrays
from PancreasSegLib.worker.correction_files import (
    read_part,
    read_probability,
    write_mark,
    write_part,
    write_probability,
)
from PancreasSegLib.worker.correction_state import CorrectionChange, CorrectionState
from PancreasSegLib.worker.parameters import Params

REQUEST_PREFIX = "ask-"
"""Names of files that the client writes for one request, and deletes after it."""


@dataclass(frozen=True, eq=False)
class CorrectionTask:
    """What is asked for.

    Attributes
    ----------
    session : str
        The caller's name of the correction.
    state : CorrectionState
        What the correction is now, as a whole.
    marks : sequence of Mark
        What is added to it; none only brings the worker to that state.
    """

    session: str
    state: CorrectionState
    marks: Sequence[Mark] = ()


@dataclass(eq=False)
class _Held:
    volume: str
    revision: int
    state: CorrectionState


@dataclass(eq=False)
class CorrectionExchange:
    """Belongs to one process: what it holds, and how to ask it.

    Parameters
    ----------
    folder : Path
        The private folder.
    """

    folder: Path
    _held: dict[str, _Held] = field(default_factory=dict)
    _number: int = 0

    def ask(
        self, task: CorrectionTask, volume: str, geometry: Geometry, call: Callable[[Params], Any]
    ) -> CorrectionChange:
        """Send what the worker lacks and the marks, and return what they changed.

        Parameters
        ----------
        task : CorrectionTask
        volume : str
            Hash of the scan, which the worker holds.
        geometry : Geometry
            The scan's grid.
        call : callable
            Sends the parameters of ``refine`` or ``learn`` and returns the answer.

        Raises
        ------
        OutputError
            If the files cannot be written.
        """
        held = self._held.pop(task.session, None)  # until the answer is there, nobody knows what the worker holds
        if held is not None and (held.volume != volume or held.state.probability is not task.state.probability):
            held = None
        try:
            answer = self._call(task, volume, geometry, held, call)
        except CorrectionLostError:
            if held is None:
                raise
            answer = self._call(task, volume, geometry, None, call)
        change = self._read(answer, geometry)
        self._held[task.session] = _Held(volume, int(answer["revision"]), task.state.changed(change))
        return change

    def forget(self, session: str) -> bool:
        """Say that a correction has ended; whether the worker held it."""
        return self._held.pop(session, None) is not None

    def _call(
        self,
        task: CorrectionTask,
        volume: str,
        geometry: Geometry,
        held: _Held | None,
        call: Callable[[Params], Any],
    ) -> Any:
        self._number += 1
        name = f"{REQUEST_PREFIX}{self._number}"
        params: Params = {"session": task.session, "volume": volume}
        try:
            try:
                if held is None:
                    params["open"] = self._opening(name, task.state, geometry)
                else:
                    params["revision"] = held.revision
                    params["edits"] = self._edits(name, held.state, task.state, geometry)
                params["marks"] = [
                    write_mark(self.folder, f"{name}-stroke-{number}", geometry, mark)
                    for number, mark in enumerate(task.marks)
                ]
            except OSError as error:
                raise OutputError(
                    f"The marks cannot be handed to the worker in {self.folder}: {error.strerror or error}.",
                    "Free some space there and try again.",
                ) from error
            return call(params)
        finally:
            for path in self.folder.glob(f"{name}-*"):
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def _opening(self, name: str, state: CorrectionState, geometry: Geometry) -> Params:
        message: Params = {"box_ijk": None}
        if state.box is not None:
            message = write_part(self.folder, name, geometry, state.box, state.mask != 0, state.marks)
        if state.probability is not None:
            message["probability"] = write_probability(self.folder, name, state.probability)
        return message

    def _edits(
        self, name: str, held: CorrectionState, wanted: CorrectionState, geometry: Geometry
    ) -> list[Params]:
        change = wanted.change_from(held)
        if change.box is None:
            return []
        return [write_part(self.folder, name, geometry, change.box, change.mask, change.marks)]

    def _read(self, answer: Any, geometry: Geometry) -> CorrectionChange:
        try:
            seconds, reference = float(answer["seconds"]), answer.get("probability")
            probability = None if reference is None else read_probability(self.folder, reference)
            if answer["box_ijk"] is None:
                return CorrectionChange.nothing(seconds, probability)
            box, mask, marks = read_part(self.folder, answer, geometry, "answer")
            assert marks is not None
            added, removed = float(answer["added_ml"]), float(answer["removed_ml"])
            return CorrectionChange(box, mask, marks, added, removed, seconds, probability)
        finally:
            remove_arrays(self.folder, answer)
