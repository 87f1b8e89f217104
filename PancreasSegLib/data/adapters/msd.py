"""Any CT task of the Medical Segmentation Decathlon, and any folder in that style, ours included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PancreasSegLib.data.adapters.source_case import LabelMapCase
from PancreasSegLib.data.adapters.survey import LeftOut, SourceOptions, Survey
from PancreasSegLib.data.adapters.tree import checked_root, entries, inner_root, wrong_tree
from PancreasSegLib.data.dataset import DATASET_FILE, Dataset, read_dataset
from PancreasSegLib.data.provenance import read_provenance
from PancreasSegLib.errors import DatasetError

_TERMS = {"Task": "CC BY-SA 4.0"}  # some tasks' dataset.json leaves the licence out


class MsdAdapter:
    """Reads ``dataset.json``; patients and what was read come from ``provenance.json``, where there is one."""

    name = "msd"
    title = "the Medical Segmentation Decathlon"
    expects = "one task's folder, such as Task07_Pancreas, with dataset.json, imagesTr and labelsTr"
    kin = (
        "Task03_Liver is LiTS, which holds the patients of 3D-IRCADb-01; Task07_Pancreas holds those of FLARE22's "
        "labelled cases; Task07 and Task09 are in AbdomenCT-1K."
    )
    options: frozenset[str] = frozenset()

    def survey(self, root: Path, options: SourceOptions) -> Survey:
        """List the labelled cases; test images have no labels and are not counted."""
        folder = _task(self, checked_root(self, root))
        _check_modality(folder)
        dataset = read_dataset(folder)
        values = {name: value for name, value in dataset.labels.items() if value != 0}
        cases = tuple(
            LabelMapCase(
                case.name,
                case.patient,
                tuple(values)
                if case.labels_present is None
                else tuple(n for n in values if n in case.labels_present),
                case.image,
                case.label,
                {name: (value,) for name, value in values.items()},
            )
            for case in dataset.cases
        )
        rejected = tuple(
            LeftOut(name, "rejected", "A reader has rejected it.")
            for name, record in (read_provenance(folder) or {}).items()
            if not record.accepted
        )
        kin = self.kin if folder.name.startswith("Task") else ""
        return Survey(dataset.name, _licence(dataset), _reference(folder), tuple(values), cases, rejected, kin)


def _task(adapter: MsdAdapter, root: Path) -> Path:
    """Return the folder of the task."""
    if (folder := inner_root(root, [DATASET_FILE])) is not None:
        return folder
    tasks = [path.name for path in entries(root) if (path / DATASET_FILE).is_file()]
    if tasks:
        raise DatasetError(f"{root} holds several tasks: {', '.join(tasks)}.", "Give the folder of one.")
    raise wrong_tree(adapter, root, DATASET_FILE)


def _check_modality(folder: Path) -> None:
    """Refuse MR and several channels, as the description names them."""
    content = read_json(folder / DATASET_FILE)
    channels = content.get("modality", content.get("channel_names", {"0": "CT"}))
    names = [str(name) for name in (channels.values() if isinstance(channels, dict) else [channels])]
    if any(not name.strip().upper().startswith("CT") for name in names):
        raise DatasetError(f"The images of {folder.name} are {', '.join(names)}, not CT.", "Give a CT task.")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {error}.", "Download it again.") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path} is not a dataset description.", "Download it again.")
    return content


def _licence(dataset: Dataset) -> str:
    return dataset.licence or next(
        (text for start, text in _TERMS.items() if dataset.root.name.startswith(start)), ""
    )


def _reference(folder: Path) -> str:
    return str(read_json(folder / DATASET_FILE).get("reference", ""))


ADAPTER = MsdAdapter()
