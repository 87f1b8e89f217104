"""``dataset.json`` of a folder that grows: what is in it stays, our cases are listed as provenance says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from PancreasSegLib.data.dataset import DATASET_FILE, case_stem, labels_of
from PancreasSegLib.data.provenance import CaseRecord
from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.atomic import atomic_path

ROLES = ("image", "label")
"""The files that every case has."""


def read_index(folder: Path) -> dict[str, Any] | None:
    """Return the content of ``dataset.json``, None where there is none.

    Raises
    ------
    DatasetError
        If it is damaged.
    """
    path = folder / DATASET_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        labels_of(content["labels"])
        if not all(isinstance(entry["image"], str) for entry in content.get("training", [])):
            raise TypeError("training")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} is not a dataset description: {error!r}.", "Choose another folder, or repair the file."
        ) from error
    return dict(content)


def new_index(labels: Mapping[str, int]) -> dict[str, Any]:
    """Return the description of an empty dataset, in the style of the Medical Segmentation Decathlon."""
    values = {"0": "background"} | {str(value): name for name, value in labels.items()}
    return {
        "name": "PancreasSeg training cases",
        "description": "Corrected cases; provenance.json says who read them and for which labels",
        "reference": "",
        "licence": "",
        "release": "",
        "tensorImageSize": "3D",
        "modality": {"0": "CT"},
        "labels": values,
        "file_ending": ".nii.gz",
        "numTraining": 0,
        "numTest": 0,
        "training": [],
        "test": [],
    }


def write_index(folder: Path, content: dict[str, Any], records: Mapping[str, CaseRecord]) -> None:
    """Write ``dataset.json``, whole or not at all: entries of other origin as they were, then our accepted cases.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    foreign = [entry for entry in content.get("training", []) if case_stem(entry["image"]) not in records]
    own = [
        {"image": f"./{record.files['image']['path']}", "label": f"./{record.files['label']['path']}"}
        for _, record in sorted(records.items())
        if record.accepted and all(inside(folder, record.files[role]["path"]).is_file() for role in ROLES)
    ]
    training = foreign + own
    text = json.dumps(
        {**content, "numTraining": len(training), "training": training}, indent=1, ensure_ascii=False
    )
    with atomic_path(folder / DATASET_FILE) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def inside(folder: Path, path: str) -> Path:
    """Return a file that an index names, refusing one outside the folder.

    Raises
    ------
    DatasetError
        If the path is absolute or leads out.
    """
    parts = PurePosixPath(path).parts
    if not parts or path.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        raise DatasetError(f"{folder} names {path!r}, which is not inside it.", "Choose another folder.")
    return folder.joinpath(*parts)
