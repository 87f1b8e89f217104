"""The cases of a fine-tuning run: corrected ones, base data against forgetting, and who is held out."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from PancreasSegLib.data import Case, Dataset, read_dataset
from PancreasSegLib.errors import DatasetError, RecipeError
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.training.cache import PreparedCase, prepare_of
from PancreasSegLib.training.finetune_recipe import FinetuneRecipe
from PancreasSegLib.training.recipe import StageRecipe
from PancreasSegLib.volume import Geometry

_log = logging.getLogger(__name__)
_FORMAT = 1


@dataclass(frozen=True)
class FinetuneSplit:
    """Names of the cases, by what becomes of them.

    Attributes
    ----------
    learn, held_out : tuple of str
        Corrected cases.
    base, base_held_out : tuple of str
        Base cases; empty without base data.
    """

    learn: tuple[str, ...]
    held_out: tuple[str, ...]
    base: tuple[str, ...] = ()
    base_held_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class FinetuneData:
    """The datasets of a run and its split."""

    new: Dataset
    base: Dataset | None
    split: FinetuneSplit

    def cases(self, names: Sequence[str], *, base: bool = False) -> list[Case]:
        """Return cases by name."""
        dataset = self.base if base else self.new
        wanted = set(names)
        return [case for case in dataset.cases if case.name in wanted] if dataset is not None else []


def open_data(recipe: FinetuneRecipe, organ: str, *, resume: bool = False) -> FinetuneData:
    """Read the datasets and decide who is held out; the decision is kept in the run folder and stays.

    Patients are held out, never single scans of one. With one patient nobody is, and nothing can be measured. Base
    cases that are among the corrected ones are left out, so that nobody learns from a held-out patient.

    Parameters
    ----------
    recipe : FinetuneRecipe
        Folders and shares.
    organ : str
        The label that must be there.
    resume : bool
        Whether the split of an earlier call is taken.

    Raises
    ------
    DatasetError
        If a dataset cannot be read or lacks the organ.
    RecipeError
        If an earlier split does not fit the folder any more.
    """
    new = _read(recipe.dataset, organ)
    base = _read(recipe.base, organ) if recipe.base is not None else None
    path = recipe.run_folder / "split.json"
    if resume and path.is_file():
        split = FinetuneSplit(**{k: tuple(v) for k, v in json.loads(path.read_text(encoding="utf-8")).items()})
        _check_split(split, new, base, recipe)
        return FinetuneData(new, base, split)
    held_out = _hold_out(new.cases, recipe.held_out, recipe.seed)
    split = FinetuneSplit(tuple(c.name for c in new.cases if c.name not in held_out), tuple(sorted(held_out)))
    if base is not None:
        split = replace(split, **_split_base(new, base, recipe))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(asdict(split), indent=1), encoding="utf-8")
    return FinetuneData(new, base, split)


def _read(folder: Path, organ: str) -> Dataset:
    dataset = read_dataset(folder)
    cases = tuple(c for c in dataset.cases if c.labels_present is None or organ in c.labels_present)
    if organ not in dataset.labels or not cases:
        raise DatasetError(
            f"No case in {folder} was read for the {organ}.", f"Its labels are: {', '.join(dataset.labels)}."
        )
    return replace(dataset, cases=cases)


def _hold_out(cases: Sequence[Case], share: float, seed: int, most: int | None = None) -> set[str]:
    """Return the names of held-out cases: whole patients, at least one if there are two, never all."""
    patients = sorted({case.patient for case in cases})
    count = max(1, math.floor(share * len(patients) + 0.5)) if share > 0 else 0
    count = min(count, len(patients) - 1, most if most is not None else count)
    order = np.random.default_rng(seed).permutation(len(patients))
    chosen = {patients[i] for i in order[:count]}
    return {case.name for case in cases if case.patient in chosen}


def _split_base(new: Dataset, base: Dataset, recipe: FinetuneRecipe) -> dict[str, tuple[str, ...]]:
    known = {content_of(case) for case in new.cases}
    others = [case for case in base.cases if content_of(case) not in known]
    if len(others) < len(base.cases):
        _log.info("%d base cases are among the corrected ones and left out", len(base.cases) - len(others))
    if not others:
        return {"base": (), "base_held_out": ()}
    held_out = _hold_out(others, 1.0, recipe.seed, recipe.base_held_out) if recipe.base_held_out else set()
    return {
        "base": tuple(case.name for case in others if case.name not in held_out),
        "base_held_out": tuple(sorted(held_out)),
    }


def content_of(case: Case) -> str:
    """Return what identifies a case's CT: as provenance says, else from its voxels."""
    from PancreasSegLib.data.training_case import content_sha256
    from PancreasSegLib.io import read_volume

    if case.record is not None and case.record.content_sha256:
        return case.record.content_sha256
    return content_sha256(read_volume(case.image, assume_ct=True))


def _check_split(split: FinetuneSplit, new: Dataset, base: Dataset | None, recipe: FinetuneRecipe) -> None:
    there = {case.name for case in new.cases}, {case.name for case in base.cases} if base is not None else set()
    named = {*split.learn, *split.held_out}, {*split.base, *split.base_held_out}
    if named[0] != there[0] or not named[1] <= there[1]:
        raise RecipeError(
            f"The cases in {recipe.dataset} are others than when {recipe.run_folder} was begun.",
            "Start anew with another --name, or delete that folder.",
        )


def prepare(
    dataset: Dataset,
    names: Sequence[str],
    labels: tuple[str, ...],
    organ: str,
    stage: StageRecipe,
    folder: Path,
    *,
    base: bool = False,
    progress: Callable[[int, str], None] | None = None,
) -> list[PreparedCase]:
    """Return cases on the grid of a stage; each is prepared once and kept, until it or the stage changes.

    Parameters
    ----------
    dataset : Dataset
        Where they are.
    names : sequence of str
        Which.
    labels : tuple of str
        Classes of the network from 1.
    organ : str
        The one that counts.
    stage : StageRecipe
        Grid, window and region.
    folder : Path
        Where prepared cases are kept.
    base : bool
        Whether they are there against forgetting.
    progress : callable, optional
        Told the number and name of each.

    Raises
    ------
    DatasetError
        If a case cannot be prepared.
    """
    prepared = []
    wanted = set(names)
    for case in (case for case in dataset.cases if case.name in wanted):
        path = folder / f"{case.name}-{_fingerprint(case, labels, stage)}.npz"
        if not path.is_file():
            _store(path, prepare_of(case, dataset, labels, organ, stage))
        stored = _stored(path)
        if base:  # both folders may name a case alike
            stored = replace(stored, base=True, name=f"base/{stored.name}", patient=f"base/{stored.patient}")
        prepared.append(stored)
        if progress:
            progress(len(prepared), case.name)
    return prepared


def _fingerprint(case: Case, labels: tuple[str, ...], stage: StageRecipe) -> str:
    """Return what changes when a prepared case would come out differently."""
    files = [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in (case.image, case.label)]
    grid = (stage.spacing_mm, stage.window_hu, stage.region.model_dump())
    text = json.dumps([_FORMAT, files, labels, case.labels_present, case.patient, grid])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _store(path: Path, case: PreparedCase) -> None:
    about = {"name": case.name, "geometry": case.geometry.to_json(), "read": case.read, "patient": case.patient}
    text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, image=case.image, label=case.label, about=text)


def _stored(path: Path) -> PreparedCase:
    with np.load(path, allow_pickle=False) as arrays:
        image, label = arrays["image"], arrays["label"]
        about: dict[str, Any] = json.loads(arrays["about"].tobytes())
    read = about["read"]
    return PreparedCase(
        about["name"],
        image,
        label,
        Geometry.from_json(about["geometry"]),
        read=None if read is None else tuple(read),
        patient=about["patient"],
    )
