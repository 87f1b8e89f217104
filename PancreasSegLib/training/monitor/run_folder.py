"""What a run folder says, by its ``run.json``, ``recipe.yaml`` and CSV files: while it runs or years later."""

from __future__ import annotations

import math
import os
import socket
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from PancreasSegLib.errors import UnreadableFileError
from PancreasSegLib.training.monitor.csv_columns import read_columns
from PancreasSegLib.training.monitor.environment import process_begun
from PancreasSegLib.training.monitor.run_record import RUN_FILE, read_record

State = Literal["finished", "running", "cancelled", "failed", "killed", "not recorded"]
_SIGN_OF_LIFE_S = 900.0
_SIGNS = ("losses.csv", "validation.csv", "checkpoint.pt", RUN_FILE)


@dataclass(frozen=True)
class NetworkState:
    """How far one network is.

    Attributes
    ----------
    name : str
        E.g. ``"segmenter-0"``.
    step : int
        The last step of which there is a record.
    total_steps : int or None
        Of its schedule, where that is known.
    seconds : float
        Of the run's clock.
    loss : float
        The last one; NaN where there is none.
    best, last : float
        Of the organ's Dice on held-out cases; NaN where nobody is held out.
    best_step : int
        Of the best one.
    ending : str
        How it ended; ``""`` where it has not.
    finished : bool
        Whether its weights are there.
    """

    name: str
    step: int
    total_steps: int | None
    seconds: float
    loss: float
    best: float
    best_step: int
    last: float
    ending: str
    finished: bool


@dataclass(frozen=True)
class RunState:
    """What a run folder says.

    Attributes
    ----------
    folder : Path
        The run folder.
    name, fold : str
        Of the recipe.
    state : str
        ``"finished"``, ``"running"``, ``"cancelled"``, ``"failed"``, ``"killed"`` (it has no end and no process),
        or ``"not recorded"`` (made without ``run.json``).
    quiet_s : float
        Seconds since the last sign of life.
    organ : str
        The label that counts.
    networks : tuple of NetworkState
        In the order of the recipe.
    record : dict
        The content of ``run.json``; empty where there is none.
    recipe : dict
        The content of ``recipe.yaml``.
    """

    folder: Path
    name: str
    fold: str
    state: State
    quiet_s: float
    organ: str
    networks: tuple[NetworkState, ...]
    record: dict[str, Any] = field(repr=False)
    recipe: dict[str, Any] = field(repr=False)

    @property
    def packaged(self) -> bool:
        """Whether the model package is there."""
        return (self.folder / "package").is_dir()


def find_runs(root: Path) -> list[Path]:
    """Return the run folders in a folder, however deep; the folder itself if it is one.

    Examples
    --------
    ``find_runs(Path(".runs"))`` gives ``[.runs/default/fold-0, ...]``.
    """
    if (root / "recipe.yaml").is_file():
        return [root]
    found = {
        path.parent for pattern in ("*", "*/*", "*/*/*", "*/*/*/*") for path in root.glob(f"{pattern}/recipe.yaml")
    }
    return sorted(path for path in found if path.name.startswith("fold-"))


def read_run(folder: Path) -> RunState:
    """Read a run folder.

    Raises
    ------
    UnreadableFileError
        If it is none.
    """
    import yaml

    try:
        recipe = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
        roles = recipe["stages"]
        organ = str(recipe["data"].get("organ", "pancreas"))
        names = [f"{role}-{n}" for role, stage in roles.items() for n in range(int(stage.get("members", 1)))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise UnreadableFileError(
            f"{folder} is no run folder of a training.", "Give output/name/fold-N, or a folder that holds runs."
        ) from error
    record = read_record(folder / RUN_FILE) or {}
    quiet = _seconds_since(folder, names)
    networks = tuple(
        _network(folder, name, organ, roles[name.rpartition("-")[0]], _ending(record, name)) for name in names
    )
    return RunState(
        folder,
        str(recipe.get("name", "")),
        str(recipe.get("fold", "")),
        _state(record, quiet),
        quiet,
        organ,
        networks,
        record,
        recipe,
    )


def started_at(record: dict[str, Any]) -> datetime | None:
    """Return when a run began, in local time."""
    try:
        return datetime.fromisoformat(record["sessions"][0]["started"]).astimezone()
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _state(record: dict[str, Any], quiet_s: float) -> State:
    if not record.get("sessions"):
        return "not recorded"
    session = record["sessions"][-1]
    if session.get("ended"):
        reason = session.get("reason")
        return reason if reason in ("finished", "cancelled", "failed") else "finished"
    return "running" if _is_alive(session, quiet_s) else "killed"


def _is_alive(session: dict[str, Any], quiet_s: float) -> bool:
    """Whether the session's process is there; on another machine, whether it gave a sign lately."""
    process = session.get("process", {})
    here = session.get("machine", {}).get("host") == socket.gethostname()
    if not here or os.name != "posix":
        return quiet_s < _SIGN_OF_LIFE_S
    begun = process_begun(int(process.get("pid", 0)))
    if begun is not None or process.get("begun") is not None:
        return begun is not None and begun == process.get("begun")
    try:
        os.kill(int(process["pid"]), 0)
    except ProcessLookupError:
        return False
    except (OSError, KeyError, ValueError):
        return quiet_s < _SIGN_OF_LIFE_S
    return True


def _seconds_since(folder: Path, names: list[str]) -> float:
    """Return the seconds since one of the run's files was written."""
    files = [folder / RUN_FILE, *(folder / name / sign for name in names for sign in _SIGNS)]
    times = [file.stat().st_mtime for file in files if file.is_file()]
    return max(0.0, time.time() - max(times)) if times else math.inf


def _ending(record: dict[str, Any], name: str) -> str:
    """Return how the network's last session ended."""
    for session in reversed(record.get("sessions", [])):
        if network := session.get("networks", {}).get(name):
            return str(network.get("ending", ""))
    return ""


def _network(folder: Path, name: str, organ: str, stage: dict[str, Any], ending: str) -> NetworkState:
    losses, scores = (read_columns(folder / name / file) for file in ("losses.csv", "validation.csv"))
    columns = [part for part in (losses, scores) if part and part["step"].size]
    dice = scores[organ] if scores and organ in scores else np.zeros(0)
    known = np.flatnonzero(np.isfinite(dice))
    at = int(known[dice[known].argmax()]) if known.size else None
    epochs, length = stage.get("epochs"), stage.get("steps_per_epoch") or stage.get("validate_every")
    total = int(epochs) * int(length) if epochs and length else stage.get("steps")
    return NetworkState(
        name,
        int(max((part["step"][-1] for part in columns), default=0)),
        int(total) if total else None,
        float(max((part["seconds"][-1] for part in columns), default=0.0)),
        float(losses["loss"][-1]) if losses and losses["loss"].size else math.nan,
        math.nan if at is None else float(dice[at]),
        0 if at is None else int(scores["step"][at]),
        float(dice[known[-1]]) if known.size else math.nan,
        ending,
        (folder / name / "network.safetensors").is_file(),
    )
