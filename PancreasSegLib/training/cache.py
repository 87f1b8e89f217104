"""Cases prepared for a stage: canonical axes, the stage's spacing, 8 bits inside the HU window.

Preparing once makes a step cost what the network costs. 256 levels over a window of 400 HU are steps of 1.6 HU,
a tenth of the noise of a CT. A prepared cache is self-contained: it can be carried to a training machine that has
neither the dataset nor a reader.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.training.prepared import PreparedCase, StoredCase, save_case
from PancreasSegLib.volume import Box, Geometry, Volume, geometry_with_spacing, resample

if TYPE_CHECKING:
    from PancreasSegLib.data import Case, Dataset
    from PancreasSegLib.training.recipe import DataRecipe, StageRecipe

__all__ = ["CaseCache", "PreparedCase", "StoredCase", "prepare_case", "prepare_of"]

_log = logging.getLogger(__name__)
_FORMAT = 1


def prepare_case(
    name: str,
    ct: Volume,
    label: Volume,
    values: dict[int, int],
    stage: StageRecipe,
    organ: int,
    phantom: bool = False,
) -> PreparedCase:
    """Bring one case onto the grid of a stage.

    Parameters
    ----------
    name : str
        The patient.
    ct, label : Volume
        HU and label values on the same grid.
    values : dict of int to int
        Class index by label value; values that are not named become background.
    stage : StageRecipe
        Spacing, window and region.
    organ : int
        Class index of the organ, for the region.
    phantom : bool
        Whether the case was generated.

    Raises
    ------
    DatasetError
        If the grids differ or the organ is absent where the region needs it.
    """
    if not ct.geometry.matches(label.geometry, tolerance_mm=0.1):
        raise DatasetError(
            f"The label of {name} does not lie on the grid of its CT.", "Resample the label to the CT."
        )
    table = np.zeros(256, dtype=np.uint8)
    for value, index in values.items():
        table[value] = index
    classes = Volume(table[np.clip(label.voxels, 0, 255).astype(np.uint8)], label.geometry)
    image_volume, class_volume = ct.canonical()[0], classes.canonical()[0]
    if stage.region.kind == "organ":
        box = Box.of_mask(class_volume.voxels == organ)
        if box is None:
            raise DatasetError(f"The label of {name} holds no voxel of the organ.", "Exclude it: data.exclude.")
        box = box.grown(stage.region.margin_mm, image_volume.geometry)
        image_volume, class_volume = image_volume.cropped(box), class_volume.cropped(box)
    target = geometry_with_spacing(image_volume.geometry, stage.spacing_mm)
    low, high = stage.window_hu
    clipped = np.clip(image_volume.voxels, low, high)
    hu = resample(clipped, image_volume.geometry, target)
    image = np.round((hu - low) * (255.0 / (high - low))).astype(np.uint8)
    return PreparedCase(name, image, _resample_classes(class_volume, target), target, phantom)


def label_on_stage(classes: Volume, stage: StageRecipe) -> tuple[NDArray[np.uint8], Geometry]:
    """Bring class indices on canonical axes onto the grid of a stage; return them with that grid."""
    target = geometry_with_spacing(classes.geometry, stage.spacing_mm)
    return _resample_classes(classes, target), target


def _resample_classes(classes: Volume, target: Geometry) -> NDArray[np.uint8]:
    """Resample each class as a soft mask and take the largest: smoother than the nearest voxel."""
    best = np.full(target.shape_zyx, -1.0, dtype=np.float32)
    result = np.zeros(target.shape_zyx, dtype=np.uint8)
    for index in np.unique(classes.voxels):
        share = resample((classes.voxels == index).astype(np.uint8), classes.geometry, target, antialias=False)
        better = share > best
        best[better] = share[better]
        result[better] = index
    return result


class CaseCache:
    """Prepared cases of one stage in a folder, one compressed file each, named by what decides their content.

    Parameters
    ----------
    data : DataRecipe
        Dataset, labels and the cache's folder.
    stage : StageRecipe
        Grid, window and region.
    """

    def __init__(self, data: DataRecipe, stage: StageRecipe) -> None:
        self.data, self.stage = data, stage
        settings = {
            "format": _FORMAT,
            "labels": list(data.labels),
            "spacing_mm": list(stage.spacing_mm),
            "window_hu": list(stage.window_hu),
            "region": stage.region.model_dump(),
            "phantoms": data.phantoms,
            "exclude": sorted(data.exclude),
        }
        if data.merge:
            settings["merge"] = {name: list(sources) for name, sources in data.merge.items()}
        if stage.region.kind == "organ" and data.organ != "pancreas":  # left out there: older caches stay good
            settings["organ"] = data.organ
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        self.folder = data.cache / digest
        self.settings = settings

    def load(self, progress: Callable[[float, str], None] | None = None) -> list[PreparedCase]:
        """Return all cases in memory, preparing those that are not there yet.

        Raises
        ------
        DatasetError
            If the dataset is needed and cannot be read.
        """
        return [case.load() for case in self.stored(progress)]

    def stored(self, progress: Callable[[float, str], None] | None = None) -> list[StoredCase]:
        """Return all cases on the disk, preparing those that are not there yet.

        Raises
        ------
        DatasetError
            As `load`.
        """
        index = self.folder / "index.json"
        if not index.is_file() or self._is_stale(json.loads(index.read_text(encoding="utf-8"))):
            self._prepare(progress)
        content = json.loads(index.read_text(encoding="utf-8"))
        return [StoredCase(self.folder / entry["file"], entry) for entry in content["cases"]]

    def _is_stale(self, content: dict[str, Any]) -> bool:
        """Whether the dataset is here and holds other cases by now; without it the cache is all there is."""
        from PancreasSegLib.data import read_dataset

        try:
            cases = read_dataset(self.data.root).cases
        except DatasetError:
            return False
        present = {case.name: _reading(case) for case in cases if case.name not in self.data.exclude}
        kept = {entry["name"]: entry.get("reading", "") for entry in content["cases"] if not entry["phantom"]}
        return present != kept

    def _prepare(self, progress: Callable[[float, str], None] | None) -> None:
        from PancreasSegLib.data import read_dataset

        dataset = read_dataset(self.data.root)
        sources = {name: self.data.sources_of(name) for name in self.data.labels}
        unknown = [source for group in sources.values() for source in group if source not in dataset.labels]
        if unknown:
            raise DatasetError(
                f"The dataset {dataset.name} has no label {', '.join(unknown)}.",
                f"It has: {', '.join(dataset.labels)}.",
            )
        organ = 1 + self.data.labels.index(self.data.organ)
        cases = [case for case in dataset.cases if case.name not in self.data.exclude]
        self.folder.mkdir(parents=True, exist_ok=True)
        entries: list[dict[str, Any]] = []
        seen = False
        total = len(cases) + self.data.phantoms
        for number, case in enumerate(cases):
            prepared = prepare_of(case, dataset, self.data.labels, self.data.organ, self.stage, sources)
            _refuse_same_scan(prepared, entries)
            seen = seen or bool((prepared.label == organ).any())
            entries.append(save_case(self.folder, prepared) | {"reading": _reading(case)})
            if progress:
                progress((number + 1) / total, case.name)
        if cases and not seen:
            raise DatasetError(
                f"None of the {len(cases)} cases of {dataset.name} holds a voxel of the {self.data.organ}.",
                "Check the label values in dataset.json.",
            )
        for seed in range(self.data.phantoms):
            entries.append(save_case(self.folder, _prepare_phantom(seed, self.data.labels, self.stage, organ)))
            if progress:
                progress((len(cases) + seed + 1) / total, f"phantom {seed}")
        text = json.dumps({"settings": self.settings, "dataset": dataset.name, "cases": entries}, indent=1)
        with atomic_path(self.folder / "index.json") as temporary:
            temporary.write_text(text, encoding="utf-8")
        _log.info("prepared %d cases in %s", len(entries), self.folder)


def prepare_of(
    case: Case,
    dataset: Dataset,
    labels: tuple[str, ...],
    organ: str,
    stage: StageRecipe,
    sources: Mapping[str, tuple[str, ...]] | None = None,
) -> PreparedCase:
    """Read a case and bring it onto the grid of a stage; labels that were not read there are remembered.

    A class that several labels of the dataset make was read where all of them were.

    Parameters
    ----------
    case : Case
        One of the dataset's.
    dataset : Dataset
        Gives the label values.
    labels : tuple of str
        Classes from 1, some of which the dataset may lack.
    organ : str
        The one that must have been read.
    stage : StageRecipe
        Spacing, window and region.
    sources : mapping of str to tuple of str, optional
        The dataset's labels that make a class, where they are others than the class itself.

    Raises
    ------
    DatasetError
        If the organ was not read, or the files do not fit together.
    """
    from PancreasSegLib.data.reference import read_case
    from PancreasSegLib.data.training_case import content_sha256

    present = set(dataset.labels) if case.labels_present is None else set(case.labels_present)
    groups = {name: (sources or {}).get(name, (name,)) for name in labels}
    known = {name for name, group in groups.items() if present & set(dataset.labels) >= set(group)}
    if organ not in known:
        raise DatasetError(f"{case.name} was not read for the {organ}.", "Leave it out.")
    values = {
        dataset.labels[source]: index
        for index, name in enumerate(labels, 1)
        if name in known
        for source in groups[name]
    }
    ct, reference = read_case(case, dataset.labels)
    prepared = prepare_case(case.name, ct, reference, values, stage, 1 + labels.index(organ))
    read = tuple(sorted(set(values.values())))
    return replace(
        prepared,
        read=None if len(read) == len(labels) else read,
        patient=case.patient,
        content_sha256=content_sha256(ct),
    )


def _refuse_same_scan(case: PreparedCase, entries: list[dict[str, Any]]) -> None:
    """Refuse a scan that is there under another patient's name: it could be learnt from and measured on."""
    for entry in entries:
        if entry["content_sha256"] == case.content_sha256 and entry["patient"] != case.patient:
            raise DatasetError(
                f"{case.name} and {entry['name']} hold the same scan, voxel for voxel, under two patients' names.",
                "Leave one out under data.exclude.",
            )


def _reading(case: Case) -> str:
    """Return what changes when a case is read anew; empty where nobody keeps account."""
    return case.record.files["label"]["sha256"] if case.record is not None else ""


def _prepare_phantom(seed: int, labels: tuple[str, ...], stage: StageRecipe, organ: int) -> PreparedCase:
    from PancreasSegLib.phantom import PHANTOM_LABELS, make_phantom

    phantom = make_phantom(seed=1000 + seed)
    values = {PHANTOM_LABELS[name]: index + 1 for index, name in enumerate(labels) if name in PHANTOM_LABELS}
    return prepare_case(f"phantom_{seed:03d}", phantom.ct, phantom.labels, values, stage, organ, phantom=True)
