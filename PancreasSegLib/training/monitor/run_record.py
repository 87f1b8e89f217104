"""``run.json``: what a run was made of and how it ended, for whoever finds its folder a year later."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

from PancreasSegLib.errors import CancelledError, OutputError
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.training.monitor.data_hashes import data_hashes
from PancreasSegLib.training.monitor.environment import command_line, git_state, machine, process, versions
from PancreasSegLib.training.observer import NetworkRun, NetworkView, RunSummary, ValidationScores
from PancreasSegLib.training.recipe import Recipe

_log = logging.getLogger(__name__)
RUN_FILE = "run.json"
FORMAT = 1


class RunRecord:
    """Keeps ``run.json`` in the run folder while the block lasts; an observer of the networks inside it.

    Every call of the training adds a *session*: when it began, on what machine, by which versions and which state
    of the source, on which data, from which step each network went on, and how it ended. A session without an end
    was killed, or is still running. The file is always whole.

    Parameters
    ----------
    recipe : Recipe
        Of the run; its folder takes the file.
    device : str
        torch's name of the device.
    progress : callable, optional
        Told of the hashing of the data: share done, case.

    Examples
    --------
    ``with RunRecord(recipe, "cpu") as record: train(observers=[record])``
    """

    def __init__(self, recipe: Recipe, device: str, progress: Callable[[float, str], None] | None = None) -> None:
        self.recipe, self.device, self.progress = recipe, device, progress
        self.path = recipe.run_folder / RUN_FILE
        self._failed = False
        self._session: dict[str, Any] = {}
        self._content: dict[str, Any] = {}
        self._network: dict[str, Any] = {}

    def __enter__(self) -> RunRecord:
        before = read_record(self.path) or {}
        self._session = {
            "started": _now(),
            "ended": None,
            "reason": None,
            "command": command_line(),
            "versions": versions(),
            "git": git_state(),
            "machine": machine(self.device),
            "process": process(),
            "networks": {},
        }
        recipe = self.recipe
        self._content = {
            "format": FORMAT,
            "name": recipe.name,
            "version": recipe.version,
            "fold": recipe.fold,
            "seed": recipe.seed,
            "deterministic": recipe.deterministic,
            "data": before.get("data"),
            "sessions": [*before.get("sessions", []), self._session],
        }
        self._write()
        if recipe.monitor.hash_data:
            self._add_data(before.get("data"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session["ended"] = _now()
        if error is None:
            self._session["reason"] = "finished"
        elif isinstance(error, (CancelledError, KeyboardInterrupt)):
            self._session["reason"] = "cancelled"
        else:
            self._session["reason"] = "failed"
            self._session["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"
        self._write()

    def started(self, run: NetworkRun) -> None:
        """Note a network and the step it begins at."""
        self._network = {
            "from_step": run.step,
            "started": _now(),
            "parameters": run.parameters,
            "precision": run.precision,
            "processes": run.processes,
            "training": list(run.training),
            "validation": list(run.validation),
        }
        self._session["networks"][run.name] = self._network
        self._write()

    def stepped(self, step: int, fields: dict[str, float]) -> None:
        """Nothing: losses.csv has it."""

    def validated(self, step: int, scores: ValidationScores) -> None:
        """Note the best of what is watched."""
        if scores.best:
            means = {name: value for name, value in scores.means.items() if not math.isnan(value)}
            self._network["best"] = {"step": step, "watched": _finite(scores.watched), "dice": means}
            self._write()

    def epoch_ended(self, step: int, network_view: NetworkView) -> None:
        """Nothing."""

    def finished(self, summary: RunSummary) -> None:
        """Note how the network's run ended."""
        self._network |= {
            "ended": _now(),
            "ending": summary.ending,
            "step": summary.step,
            "kept_step": summary.kept_step,
            "seconds": round(summary.seconds, 1),
        }
        self._write()

    def _add_data(self, before: dict[str, Any] | None) -> None:
        try:
            found = data_hashes(self.recipe.data, self.progress)
        except OSError as error:
            _log.warning("The data could not be hashed for %s (%s).", RUN_FILE, error)
            return
        if before and before["sha256"] != found["sha256"]:
            _log.warning("The data is not what this run began with: %s.", changed_cases(before, found))
        self._content["data"] = found
        self._session["data_sha256"] = found["sha256"]
        self._write()

    def _write(self) -> None:
        """Write the file; where that fails the run goes on without."""
        text = json.dumps(self._content, indent=1, ensure_ascii=False, default=str)
        try:
            with atomic_path(self.path) as temporary:
                temporary.write_text(text + "\n", encoding="utf-8")
        except OutputError as error:
            if not self._failed:
                _log.warning("%s", error)
            self._failed = True


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the content of a ``run.json``, None where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("sessions"), list) else None


def changed_cases(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return in words which cases differ between two hashings.

    Examples
    --------
    >>> changed_cases({"cases": {"a": {"image": "1"}}}, {"cases": {"a": {"image": "2"}, "b": {}}})
    'a changed, b added'
    """
    old, new = before.get("cases", {}), after.get("cases", {})
    words = [f"{name} changed" for name in old if name in new and old[name] != new[name]]
    words += [f"{name} added" for name in new if name not in old]
    words += [f"{name} gone" for name in old if name not in new]
    return ", ".join(words[:8]) + (f" and {len(words) - 8} more" if len(words) > 8 else "")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
