"""``pancreasseg runs``: what trainings there are, and what a run folder says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from PancreasSegLib.training.monitor.run_folder import NetworkState, RunState


def command(
    folder: Annotated[
        Path,
        typer.Argument(metavar="[RUN|FOLDER]", help="A run folder (output/name/fold-N), or a folder of runs."),
    ] = Path(".runs"),
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """List the trainings in a folder, or show one: state, networks, data, versions, machine, and what changed.

    A run that has no end is being computed, or was killed; --resume of the command that made it goes on.
    """
    from PancreasSegLib.cli.terminal import say, show
    from PancreasSegLib.errors import UnreadableFileError
    from PancreasSegLib.training.monitor.run_folder import find_runs, read_run

    if not folder.is_dir():
        raise UnreadableFileError(
            f"There is no folder {folder}.", "Runs lie in the recipe's output, .runs by default."
        )
    found = find_runs(folder)
    if not found:
        raise UnreadableFileError(f"There is no training in {folder}.", "A run folder holds a recipe.yaml.")
    runs = [read_run(folder)] if found == [folder] else _readable(found)
    if as_json:
        _print_json([_as_json(run) for run in runs] if found != [folder] else _as_json(runs[0]))
    elif found == [folder]:
        say(_headline(runs[0]))
        show(_networks(runs[0]))
        for line in _facts(runs[0]):
            say(line)
    else:
        show(_list(runs, folder))


def _readable(folders: list[Path]) -> list[RunState]:
    """Read what can be read; say what cannot."""
    from PancreasSegLib.cli.terminal import warn
    from PancreasSegLib.errors import UnreadableFileError
    from PancreasSegLib.training.monitor.run_folder import read_run

    runs = []
    for folder in folders:
        try:
            runs.append(read_run(folder))
        except UnreadableFileError as error:
            warn(error.message)
    return runs


def _list(runs: list[RunState], root: Path) -> Table:
    """Return the table of runs; when they began is left out where the terminal is narrow."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from PancreasSegLib.cli.terminal import console
    from PancreasSegLib.training.monitor.run_folder import started_at

    wide = console().width >= 100
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("Run", "State", *(["Begun"] if wide else []), "Network", "Step", "Dice", "Best"):
        table.add_column(name, no_wrap=True, overflow="fold" if name == "Run" else "ellipsis")
    for run in runs:
        begun = started_at(run.record)
        head = [str(run.folder.relative_to(root)), run.state if run.record else "no record"]
        head += [f"{begun:%d %b %H:%M}" if begun else ""] if wide else []
        for number, network in enumerate(run.networks):
            first = head if number == 0 else [""] * len(head)
            table.add_row(*first, network.name, _steps(network, "/"), _figure(network.last), _figure(network.best))
    return table


def _networks(run: RunState) -> Table:
    from rich.table import Table

    from PancreasSegLib.training.monitor.words import duration

    table = Table("Network", "Step", "Time", "Loss", f"Dice, {run.organ}", "Best", "at step", "Ended")
    for network in run.networks:
        ending = {"steps": "all steps done"}.get(network.ending, network.ending)
        table.add_row(
            network.name,
            _steps(network),
            duration(network.seconds) if network.step else "",
            _figure(network.loss),
            _figure(network.last),
            _figure(network.best),
            str(network.best_step) if network.best_step else "",
            ending or ("not begun" if not network.step else ""),
        )
    return table


def _headline(run: RunState) -> str:
    version = run.recipe.get("version")
    words = f"{run.name} {version}" if version else run.name
    return f"{words}, fold {run.fold}: {_state(run)}"


def _state(run: RunState) -> str:
    from PancreasSegLib.training.monitor.words import duration

    if run.state == "running":
        return f"running (last sign {duration(run.quiet_s)} ago)"
    if run.state == "killed":
        return f"killed, {duration(run.quiet_s)} ago"
    return run.state


def _facts(run: RunState) -> list[str]:
    """Return the lines under the table: sessions, data, versions, machine, files."""
    lines = [_session(number, session) for number, session in enumerate(run.record.get("sessions", []), 1)]
    if not lines:
        lines = ["There is no run.json: this run was made by a version that kept none."]
    lines += _data(run)
    if sessions := run.record.get("sessions"):
        last = sessions[-1]
        machine, versions = last.get("machine", {}), last.get("versions", {})
        device = machine.get("device_name") or f"{machine.get('device')} ({machine.get('cpu')})"
        lines.append(
            f"Machine: {machine.get('host')}, {device}, {machine.get('cores')} cores, "
            f"torch on {machine.get('threads')} of them, {machine.get('memory_gb', '?')} GB"
        )
        lines.append("Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    return [*lines, *_files(run)]


def _session(number: int, session: dict[str, Any]) -> str:
    begun, ended = (_moment(session.get(key)) for key in ("started", "ended"))
    steps = ", ".join(
        f"{name} from step {network.get('from_step', 0)}" + (f" to {network['step']}" if "step" in network else "")
        for name, network in session.get("networks", {}).items()
    )
    words = f"Session {number}: {begun} to {ended or '?'}, {session.get('reason') or 'no end'}"
    words += f" ({session['error']})" if session.get("error") else ""
    git = session.get("git")
    source = ""
    if git:
        changed = f", {len(git['changed'])} files changed since" if git.get("dirty") else ""
        source = f"; source {git['commit'][:10]}{changed}"
    return f"{words}; {steps or 'nothing trained'}{source}\n  {' '.join(session.get('command', []))}"


def _data(run: RunState) -> list[str]:
    data = run.record.get("data")
    split = [n for s in run.record.get("sessions", []) for n in s.get("networks", {}).values() if "training" in n]
    lines = []
    if split:
        held_out = ", ".join(split[-1]["validation"]) or "nobody"
        lines.append(f"Patients: {len(split[-1]['training'])} cases learnt from; held out: {held_out}")
    if data:
        sessions = {session.get("data_sha256") for session in run.record["sessions"]} - {None}
        changed = "; CHANGED between sessions" if len(sessions) > 1 else ""
        count = f"{len(data['cases'])} {'cases' if data['of'] == 'dataset' else data['of']}"
        lines.append(f"Data: {data['name']}, {count}, SHA-256 {data['sha256'][:16]}{changed}")
    return lines


def _files(run: RunState) -> list[str]:
    from PancreasSegLib.training.monitor.curves import CURVES_FILE
    from PancreasSegLib.training.monitor.previews import PREVIEW_FOLDER
    from PancreasSegLib.training.monitor.tensorboard import TENSORBOARD_FOLDER

    lines = []
    for network in run.networks:
        folder = run.folder / network.name
        there = [name for name in (CURVES_FILE, PREVIEW_FOLDER, TENSORBOARD_FOLDER) if (folder / name).exists()]
        if there:
            lines.append(f"Look at: {', '.join(str(folder / name) for name in there)}")
    if run.packaged:
        lines.append(f"Model package: {run.folder / 'package'}")
    return lines


def _moment(text: str | None) -> str:
    from datetime import datetime

    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M}" if text else ""


def _steps(network: NetworkState, between: str = " of ") -> str:
    if not network.step:
        return ""
    return f"{network.step}{between}{network.total_steps}" if network.total_steps else str(network.step)


def _figure(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _as_json(run: RunState) -> dict[str, Any]:
    from dataclasses import asdict

    networks = [
        {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in asdict(n).items()
        }
        for n in run.networks
    ]
    quiet = run.quiet_s if math.isfinite(run.quiet_s) else None
    return {
        "folder": str(run.folder),
        "name": run.name,
        "fold": run.fold,
        "state": run.state,
        "quiet_s": quiet,
        "organ": run.organ,
        "networks": networks,
        "record": run.record,
    }


def _print_json(content: Any) -> None:
    import json

    print(json.dumps(content, indent=1, ensure_ascii=False))
