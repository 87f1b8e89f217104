"""Pictures of fixed cases while a network learns."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.training.monitor.preview_picture import Shown, evenly, write_film, write_sheet, write_step
from PancreasSegLib.training.monitor.preview_planes import PreviewCase, preview_case
from PancreasSegLib.training.monitor.time_share import TimeShare
from PancreasSegLib.training.observer import NetworkRun, NetworkView, RunSummary, ValidationScores
from PancreasSegLib.training.prepared import PreparedCase

_log = logging.getLogger(__name__)
PREVIEW_FOLDER = "previews"
_SHEET, _FILM, _SURFACES, _MEMORY = "learning.png", "learning.gif", "surfaces.png", "learning.npz"
_PICTURES_A_RUN = 20
_SHEET_COLUMNS = 8
_FIRST_AFTER_S = 20.0


class Previews:
    """Predicts some cases with the averaged network now and then, and draws them against their references.

    Into ``previews/`` go ``step-N.png`` (axial and coronal slices of each case, always the same ones), at each of
    them ``learning.png`` (the same slices at some steps side by side), and at the end ``learning.gif`` and
    ``surfaces.png``. Held-out cases are shown; where nobody is held out, cases that the network learns from.
    Nothing random is drawn, so a run is the same with previews and without.

    Parameters
    ----------
    count : int
        Cases shown.
    every : int
        Epochs between pictures; 0 for about twenty pictures a run, in at most a twentieth of its time, and none in
        the first seconds.
    labels : sequence of str, optional
        Labels shown; the organ alone where nothing is said.
    drawn : callable, optional
        Told of each step and its picture.
    share : float
        Of the time that pictures may take; a given `every` is kept whatever it takes.
    """

    def __init__(
        self,
        count: int = 3,
        every: int = 0,
        labels: Sequence[str] = (),
        drawn: Callable[[int, Path], None] | None = None,
        share: float = 0.05,
    ) -> None:
        self.count, self.every, self.labels, self.drawn = count, every, tuple(labels), drawn
        self._share = share

    def started(self, run: NetworkRun) -> None:
        """Forget the network before; drop pictures past the step that the run goes on from."""
        self._run = run
        self._folder = run.folder / PREVIEW_FOLDER
        names = [name for name in self.labels if name in run.labels] or [run.organ]
        classes = {name: 1 + run.labels.index(name) for name in names}
        self._shown = Shown(classes, run.organ if run.organ in names else names[0], run.stage.window_hu)
        self._cases: list[PreviewCase] = []
        self._chosen: list[int] = []
        self._fraction, self._drawn_at, self._last_step = 0.0, -math.inf, -1
        self._view: NetworkView | None = None
        self._bound = TimeShare(self._share, _FIRST_AFTER_S)
        self._begun = time.monotonic()
        self._last: tuple[PreparedCase, NDArray[np.uint8]] | None = None
        self._history = _read_history(self._folder / _MEMORY, run.step)
        for number, path in _pictures(self._folder).items():
            if number > run.step:
                path.unlink()

    def stepped(self, step: int, fields: dict[str, float]) -> None:
        """Note how far the run is."""
        self._fraction = fields.get("fraction", 0.0)

    def validated(self, step: int, scores: ValidationScores) -> None:
        """Nothing: the epoch's end brings the network."""

    def epoch_ended(self, step: int, network_view: NetworkView) -> None:
        """Draw, if it is time."""
        if network_view.cases:
            self._view = network_view
            if self._is_due(step):
                self._draw(step, network_view)

    def finished(self, summary: RunSummary) -> None:
        """Draw the network that is kept, its surfaces, and the film; after a cancelled run nothing."""
        if summary.ending == "cancelled":
            return
        worth_it = self.every or time.monotonic() - self._begun >= _FIRST_AFTER_S or self._history
        if self._view is not None and worth_it:
            if self._last_step != summary.step or summary.kept_step != summary.step:
                self._draw(summary.step, self._view, summary.kept_step)
            self._draw_surfaces(summary)
        if len(pictures := _pictures(self._folder)) > 1:
            write_film(self._folder / _FILM, [pictures[step] for step in sorted(pictures)])

    def _is_due(self, step: int) -> bool:
        stage = self._run.stage
        if self.every:
            return max(1, step // stage.epoch_steps) % self.every == 0
        fraction = max(self._fraction, step / stage.total_steps)
        due = fraction - self._drawn_at >= 1 / _PICTURES_A_RUN and self._bound.allows()
        if due:
            self._drawn_at = fraction
        return due

    def _draw(self, step: int, view: NetworkView, kept_step: int | None = None) -> None:
        with self._bound.spent():
            self._write(step, view, kept_step)
        self._last_step = step

    def _write(self, step: int, view: NetworkView, kept_step: int | None) -> None:
        if not self._cases:
            self._choose(view)
        cuts, dice, facts = [], [], []
        for shown, index in zip(self._cases, self._chosen, strict=True):
            case = view.cases[index].load()
            predicted = view.predict(case)
            scores = {name: _dice(predicted, case, value) for name, value in self._shown.classes.items()}
            cuts.append([np.ascontiguousarray(plane.of(predicted)).astype(np.uint8) for plane in shown.planes])
            dice.append(scores[self._shown.organ])
            facts.append(self._facts(scores, predicted, case, shown))
            if index == self._chosen[0]:
                self._last = (case, predicted)
        held_out = "held out" if self._run.validation else "learnt from"
        moment = f"step {step}" if kept_step in (None, step) else f"step {step}, kept: step {kept_step}"
        words = f"{self._run.name} · {moment} · {held_out}"
        picture = self._folder / f"step-{step:06d}.png"
        write_step(picture, words, self._cases, cuts, facts, self._shown)
        keys = [cut[case.key] for cut, case in zip(cuts, self._cases, strict=True)]
        self._history = [entry for entry in self._history if entry[0] != step] + [(step, keys, dice)]
        _write_history(self._folder / _MEMORY, self._history)
        columns = [self._history[n] for n in evenly(len(self._history), _SHEET_COLUMNS)]
        write_sheet(self._folder / _SHEET, f"{self._run.name} · {held_out}", self._cases, columns, self._shown)
        if self.drawn:
            self.drawn(step, picture)

    def _choose(self, view: NetworkView) -> None:
        """Take cases evenly from the list, scans of patients before generated ones; the same ones every time."""
        order = sorted(range(len(view.cases)), key=lambda n: (view.cases[n].phantom, n))
        patients = [n for n in order if not view.cases[n].phantom] or order
        self._chosen = [patients[n] for n in evenly(len(patients), self.count)]
        values = tuple(self._shown.classes.values())
        self._cases = [preview_case(view.cases[n].load(), values) for n in self._chosen]
        shapes = [case.pixels[case.key].shape for case in self._cases]
        self._history = [
            entry for entry in self._history if [key.shape for key in entry[1]] == shapes
        ]  # pictures of other cases are no history of these

    def _facts(self, scores: dict[str, float], predicted: NDArray, case: PreparedCase, shown: PreviewCase) -> str:
        """Return Dice and, of one label, volumes: found, true, and found where the picture does not show it."""
        known = {name: value for name, value in scores.items() if not math.isnan(value)}
        if len(scores) > 1:
            return "Dice  " + "   ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in known.items())
        ((name, value),) = self._shown.classes.items()
        voxel = case.geometry.voxel_volume_ml
        found, true = (np.count_nonzero(array == value) * voxel for array in (predicted, case.label))
        elsewhere = found - np.count_nonzero(predicted[shown.frame.slices_zyx] == value) * voxel
        apart = f" ({elsewhere:.0f} mL outside the picture)" if elsewhere > max(1.0, 0.02 * found) else ""
        score = f"Dice {known[name]:.3f}" if known else "not read for it"
        return f"{score}   {found:.0f} mL found{apart}, {true:.0f} mL true"

    def _draw_surfaces(self, summary: RunSummary) -> None:
        from PancreasSegLib.pictures import write_surface_picture

        if self._last is None:
            return
        case, predicted = self._last
        write_surface_picture(
            self._folder / _SURFACES,
            predicted,
            case.geometry,
            self._shown.classes,
            title=f"{self._run.name} · {case.name} · step {summary.kept_step}",
            views=("front",),
            reference=case.label,
        )


def _dice(predicted: NDArray, case: PreparedCase, value: int) -> float:
    """Return the Dice of a class, NaN where the case was not read for it; both empty is 1."""
    if case.read is not None and value not in case.read:
        return math.nan
    found, true = predicted == value, case.label == value
    total = np.count_nonzero(found) + np.count_nonzero(true)
    return 2 * np.count_nonzero(found & true) / total if total else 1.0


def _pictures(folder: Path) -> dict[int, Path]:
    """Return the pictures that are there by their step."""
    found = ((re.fullmatch(r"step-(\d+)\.png", path.name), path) for path in folder.glob("step-*.png"))
    return {int(match[1]): path for match, path in found if match}


History = list[tuple[int, list[NDArray], list[float]]]


def _write_history(path: Path, history: History) -> None:
    """Keep the predicted key planes, so that a resumed run has the whole of them for its sheet."""
    arrays = {"steps": np.array([step for step, _, _ in history])}
    for step, keys, dice in history:
        arrays |= {f"{step}-{n}": key for n, key in enumerate(keys)} | {f"{step}-dice": np.array(dice)}
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


def _read_history(path: Path, last_step: int) -> History:
    """Return what was kept up to a step; nothing where the file is missing or damaged."""
    import zipfile

    history: History = []
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for step in (int(s) for s in arrays["steps"] if s <= last_step):
                dice = [float(d) for d in arrays[f"{step}-dice"]]
                history.append((step, [arrays[f"{step}-{n}"] for n in range(len(dice))], dice))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return []
    return history
