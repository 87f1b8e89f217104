"""A large model labels CTs that nobody read, so that a small and fast one learns from many.

What flows through: a dataset of experts' masks, and CTs without any. `label_by_teacher` makes a folder of both,
in which the experts' files stay where they are; `taught_recipe` is the recipe that learns from it and says so.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from PancreasSegLib.data import Dataset, TrainingCase, read_dataset, save_training_case
from PancreasSegLib.data.dataset import DATASET_FILE
from PancreasSegLib.data.index import new_index
from PancreasSegLib.data.provenance import CaseRecord, read_provenance, write_provenance
from PancreasSegLib.data.training_case import content_sha256
from PancreasSegLib.errors import CancelledError, CaseExistsError, DatasetError, PancreasSegError, RecipeError
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.io import read_volume
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.io.scans import find_scans
from PancreasSegLib.models import ModelPackage
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.training.recipe import FileSplit, HoldoutSplit, Recipe

_log = logging.getLogger(__name__)

UNREAD = "imagesTs"
"""Where a dataset keeps CTs without masks."""
LESSONS_FILE = "lessons.json"


@dataclass(frozen=True)
class Lesson:
    """What became of a CT that the teacher saw.

    Attributes
    ----------
    scan : str
        Its file.
    confidence : float or None
        The expected Dice of the teacher's organ; None where it found none.
    left_out : str
        Why nobody learns from it; empty where it is learnt from.
    """

    scan: str
    confidence: float | None = None
    left_out: str = ""


def label_by_teacher(
    teacher: Segmenter,
    dataset: Path,
    unread: Path | None,
    folder: Path,
    *,
    least_confidence: float = 0.7,
    on_lesson: Callable[[int, int, Lesson], None] = lambda number, count, lesson: None,
    cancel: CancelToken | None = None,
) -> list[Lesson]:
    """Make a folder of the experts' cases and of CTs that the teacher labels.

    Parameters
    ----------
    teacher : Segmenter
        Any model package; of its labels those count that the dataset has, and the others are unknown.
    dataset : Path
        An MSD-style folder with experts' masks.
    unread : Path, optional
        Folder of CTs without masks; ``imagesTs`` of the dataset where it is left out.
    folder : Path
        Where the cases go; those that are there already stay. The experts' files are named, not copied.
    least_confidence : float
        CTs of which the teacher is less sure are left out.
    on_lesson : callable
        Takes number, count and lesson after each CT.
    cancel : CancelToken, optional
        Obeyed within a second; what was labelled stays.

    Returns
    -------
    list of Lesson
        One a CT; also in ``lessons.json`` of the folder.

    Raises
    ------
    DatasetError
        If there is no CT, or teacher and dataset have no label in common.
    CancelledError
        If `cancel` was set.
    """
    experts = read_dataset(dataset)
    scans = find_scans(unread or experts.root / UNREAD)
    package = teacher.package
    labels = {name: experts.labels[name] for name in package.labels if name in experts.labels}
    if package.organ not in labels:
        known = ", ".join(name for name in experts.labels if name != "background")
        raise DatasetError(f"The teacher {package.name} labels {package.organ}, the dataset {known}.")
    if not scans:
        raise DatasetError(f"There is no CT in {unread or experts.root / UNREAD} for the teacher to label.")
    if not (folder / DATASET_FILE).is_file():
        _begin(folder, experts)
    known_cts = {content_sha256(read_volume(case.image)) for case in experts.cases}
    lessons = []
    for number, scan in enumerate(scans, 1):
        lesson = _lesson(teacher, scan, folder, labels, known_cts, least_confidence, cancel)
        lessons.append(lesson)
        on_lesson(number, len(scans), lesson)
    with atomic_path(folder / LESSONS_FILE) as part:
        about = {"teacher": package.name, "version": package.version, "licence": package.licence}
        content = {**about, "least_confidence": least_confidence, "lessons": [asdict(one) for one in lessons]}
        part.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return lessons


def _begin(folder: Path, experts: Dataset) -> None:
    """Write a dataset that names the experts' files."""
    folder.mkdir(parents=True, exist_ok=True)
    records: dict[str, CaseRecord] = {}
    entries = []
    for case in experts.cases:
        files = {"image": str(case.image.resolve()), "label": str(case.label.resolve())}
        entries.append(files)
        if case.record is not None:
            placed = {role: {**case.record.files[role], "path": path} for role, path in files.items()}
            records[case.name] = replace(case.record, files=placed)
    index = new_index({name: value for name, value in experts.labels.items() if value})
    index |= {"name": f"{experts.name} and a teacher", "licence": experts.licence}
    index |= {"training": entries, "numTraining": len(entries)}
    write_provenance(folder, records)
    with atomic_path(folder / DATASET_FILE) as part:
        part.write_text(json.dumps(index, indent=1), encoding="utf-8")


def _lesson(
    teacher: Segmenter,
    scan: Path,
    folder: Path,
    labels: dict[str, int],
    known: set[str],
    least_confidence: float,
    cancel: CancelToken | None,
) -> Lesson:
    """Label one CT and save it; one that cannot be read or labelled stops nothing."""
    package = teacher.package
    try:
        ct = read_volume(scan)
        content = content_sha256(ct)
        if content in known:
            return Lesson(scan.name, left_out="an expert read it")
        earlier = _earlier(folder, content)
        if earlier is not None:
            return Lesson(scan.name, earlier)
        found = teacher.segment(ct, cancel=cancel, allow_empty=True)
    except CancelledError:
        raise
    except PancreasSegError as error:
        return Lesson(scan.name, left_out=error.message)
    voxels = found.mask == found.labels[package.organ]
    if not voxels.any():
        return Lesson(scan.name, left_out=f"no {package.organ} was found")
    confidence = float(found.statistics[package.organ]["confidence"])
    if confidence < least_confidence:
        return Lesson(scan.name, confidence, "the teacher is not sure enough")
    mask = voxels.astype("uint8") * labels[package.organ]
    for name, value in labels.items():
        if name != package.organ:
            mask[found.mask == found.labels[name]] = value
    reader = f"the model {package.name} {package.version}, confidence {confidence:.4f}"
    case = TrainingCase(ct, mask, labels, reader=reader, model=package.name, model_version=package.version)
    try:
        save_training_case(folder, case)
    except CaseExistsError:
        return Lesson(scan.name, confidence, "the same CT under another name")
    return Lesson(scan.name, confidence)


def _earlier(folder: Path, content: str) -> float | None:
    """Return the confidence with which a CT was labelled before, None if it was not."""
    records = read_provenance(folder) or {}
    for record in records.values():
        if record.content_sha256 == content and " confidence " in record.reader:
            return float(record.reader.rpartition(" ")[2])
    return None


def taught_recipe(recipe: Recipe, teacher: ModelPackage, dataset: Path, lessons: Sequence[Lesson]) -> Recipe:
    """Let a recipe say who taught, and refuse one that would be judged by the teacher's labels.

    Parameters
    ----------
    recipe : Recipe
        Its ``data.root`` is the folder that `label_by_teacher` made.
    teacher : ModelPackage
        Whose labels they are.
    dataset : Path
        The experts'.
    lessons : sequence of Lesson
        What became of the CTs.

    Raises
    ------
    RecipeError
        If its folds are drawn from all cases.
    """
    division = recipe.data.division
    named = isinstance(division, HoldoutSplit) and not isinstance(division.validation, (int, float))
    if recipe.fold != "all" and not (named or isinstance(division, FileSplit)):
        raise RecipeError(
            f"fold: {recipe.fold} would hold out cases that the teacher labelled, which measures nothing.",
            "Name experts' cases: data.split={kind: holdout, validation: [NAME]} fold=0; or leave fold: all.",
        )
    experts = read_dataset(dataset)
    learnt = sum(not lesson.left_out for lesson in lessons)
    terms = teacher.licence or "not stated"
    by = {"name": f"labels of {learnt} CTs by the model {teacher.name} {teacher.version}", "licence": terms}
    by_experts = {
        "name": f"{experts.name}, {len(experts.cases)} cases",
        "licence": experts.licence or "not stated",
    }
    return recipe.model_copy(
        update={
            "description": f"Learnt from experts' masks and from {teacher.name} {teacher.version}, its teacher.",
            "licence": f"not chosen yet; its teacher's: {terms}",
            "sources": (by_experts, by, *({**source, "of": teacher.name} for source in teacher.sources)),
        }
    )
