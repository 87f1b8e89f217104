"""Morphs of a stage on the disk: made once, each as it is needed, those that went wrong left out."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.training.cache import CaseCache, label_on_stage
from PancreasSegLib.training.morphing.morph import OrganShape, morph_case
from PancreasSegLib.training.prepared import PreparedCase, StoredCase, save_case
from PancreasSegLib.training.recipe import DataRecipe, StageRecipe
from PancreasSegLib.volume import Box, Volume

_log = logging.getLogger(__name__)
_MARGIN_MM = 48.0
"""Surroundings of a shape's organ, within what the cases show of theirs."""
_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")

Divisible = PreparedCase | StoredCase


@dataclass(frozen=True)
class MorphStore:
    """Cases of a stage in the shapes of patients who are known by masks only.

    Parameters
    ----------
    data : DataRecipe
        With ``shapes``, the folder of masks.
    stage : StageRecipe
        Its region must be around the organ.
    """

    data: DataRecipe
    stage: StageRecipe

    def stored(
        self,
        cases: Sequence[Divisible],
        known: Sequence[Divisible],
        progress: Callable[[float, str], None] | None = None,
    ) -> list[StoredCase]:
        """Return every good morph of the cases, making those that are not there yet (some seconds each).

        Parameters
        ----------
        cases : sequence of PreparedCase or StoredCase
            Those that are learnt from.
        known : sequence of PreparedCase or StoredCase
            All of the dataset, those held out too: none of them may be a shape.
        progress : callable, optional
            Takes the share done and a name; raising ends the work, what is made stays.

        Raises
        ------
        DatasetError
            If a mask cannot be read, holds no organ, or is of a patient of the dataset.
        """
        folder = CaseCache(self.data, self.stage).folder / "morphs"
        shapes = shape_files(self.data)
        if not shapes:
            return []
        shared = {name for case in known for name in (case.name, case.patient)} & set(shapes)
        if shared:
            raise DatasetError(
                f"data.shapes: {sorted(shared)[0]} is a patient of the dataset, perhaps a held-out one.",
                "Shapes are of patients of whom there are only masks.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        real = [case for case in cases if not case.phantom and not case.morph]
        entries = []
        for number, (name, file) in enumerate(shapes.items()):
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            missing = [c for c in real if _entry(folder / f"{c.name}--{name}.json").get("shape") != digest]
            shape = read_shape(file, name, self.data, self.stage) if missing else None
            for position, case in enumerate(missing):
                if progress:
                    done = number + position / len(missing)
                    progress(done / len(shapes), f"{case.name} in the shape of {name}")
                if shape is not None:
                    self._make(case.load(), shape, folder, digest)
            entries += [_entry(folder / f"{case.name}--{name}.json") for case in real]
        good = [StoredCase(folder / entry["file"], entry) for entry in entries if entry["good"]]
        _log.info("%d of %d morphs are good", len(good), len(entries))
        return good

    def _make(self, case: PreparedCase, shape: OrganShape, folder: Path, digest: str) -> None:
        organ = 1 + self.data.labels.index(self.data.organ)
        morph = morph_case(case, shape, classes=1 + len(self.data.labels), organ=organ)
        entry = save_case(folder, morph.case) if morph.good else {"name": morph.case.name}
        entry |= {"good": morph.good, "organ_dice": morph.organ_dice, "folded_share": morph.folded_share}
        entry["shape"] = digest
        with atomic_path(folder / f"{morph.case.name}.json") as temporary:
            temporary.write_text(json.dumps(entry), encoding="utf-8")


def shape_files(data: DataRecipe) -> dict[str, Path]:
    """Return the masks of ``data.shapes`` by patient.

    A folder that is not there is told and does without: the recipe `default` names one that few datasets have.

    Raises
    ------
    DatasetError
        If there are none in it.
    """
    folder = data.shapes_folder
    if folder is None:
        return {}
    if not folder.is_dir():
        _log.warning("There is no folder %s (data.shapes): training goes on without morphs.", folder)
        return {}
    files = {
        file.name[: -len(ending)]: file
        for file in sorted(folder.glob("*"))
        for ending in _ENDINGS
        if file.name.endswith(ending) and not file.name.startswith("._")
    }
    if not files:
        raise DatasetError(f"data.shapes: there is no mask in {folder}.", "Give a folder of label files.")
    return files


def read_shape(file: Path, name: str, data: DataRecipe, stage: StageRecipe) -> OrganShape:
    """Read a mask onto the grid of a stage, cropped around the organ.

    Raises
    ------
    DatasetError
        If it holds no organ.
    """
    from PancreasSegLib.data import read_dataset
    from PancreasSegLib.io import read_labels

    values = read_dataset(data.root).labels
    classes = np.zeros(256, dtype=np.uint8)
    for index, wanted in enumerate(data.labels, 1):
        for source in data.sources_of(wanted):
            classes[values[source]] = index
    read = read_labels(file)
    volume = Volume(classes[np.clip(read.voxels, 0, 255).astype(np.uint8)], read.geometry).canonical()[0]
    box = Box.of_mask(volume.voxels == 1 + data.labels.index(data.organ))
    if box is None:
        raise DatasetError(f"The shape {file} holds no voxel of the {data.organ}.", "Take it out of the folder.")
    label, geometry = label_on_stage(volume.cropped(box.grown(_MARGIN_MM, volume.geometry)), stage)
    return OrganShape(name, label, geometry)


def _entry(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
