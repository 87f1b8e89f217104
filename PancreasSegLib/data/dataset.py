"""A dataset folder in the style of the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from PancreasSegLib.errors import DatasetError


@dataclass(frozen=True)
class Case:
    """One patient's scan with its reference mask.

    Attributes
    ----------
    name : str
        The file's name without extension; the patient's identity in splits.
    image, label : Path
        CT and label file on the same grid.
    """

    name: str
    image: Path
    label: Path


@dataclass(frozen=True)
class Dataset:
    """Cases and the meaning of their label values.

    Attributes
    ----------
    root : Path
        The folder that holds ``dataset.json``.
    name : str
        The dataset's name.
    labels : dict of str to int
        Label values by name, ``"background"`` is 0.
    cases : tuple of Case
        The training cases, sorted by name.
    licence : str
        As the dataset states it.
    """

    root: Path
    name: str
    labels: dict[str, int]
    cases: tuple[Case, ...]
    licence: str = ""


def read_dataset(root: str | Path) -> Dataset:
    """Read ``dataset.json`` of an MSD-style folder and check that its files are there.

    Parameters
    ----------
    root : str or Path
        Folder with ``dataset.json``, ``imagesTr`` and ``labelsTr``. Both label styles are understood:
        ``{"1": "pancreas"}`` (MSD) and ``{"pancreas": 1}`` (nnU-Net v2). ``._`` files of macOS are ignored.

    Returns
    -------
    Dataset

    Raises
    ------
    DatasetError
        If the folder or a file is missing, or ``dataset.json`` does not say what it must.
    """
    folder = Path(root).expanduser()
    path = folder / "dataset.json"
    if not path.is_file():
        raise DatasetError(
            f"There is no dataset.json in {folder}.",
            "Give a folder in the style of the Medical Segmentation Decathlon (dataset.json, imagesTr, labelsTr).",
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        labels = _labels(content["labels"])
        entries = [(entry["image"], entry["label"]) for entry in content["training"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} is not a dataset description: {error!r}.", 'It needs "labels" and "training".'
        ) from error
    cases = [
        Case(_stem(image), folder / image, folder / label)
        for image, label in entries
        if not Path(image).name.startswith("._")
    ]
    missing = [file for case in cases for file in (case.image, case.label) if not file.is_file()]
    if missing:
        raise DatasetError(f"{len(missing)} files named in {path} are missing, the first is {missing[0]}.")
    if not cases:
        raise DatasetError(f"{path} lists no training cases.")
    return Dataset(
        folder,
        str(content.get("name", folder.name)),
        labels,
        tuple(sorted(cases, key=lambda case: case.name)),
        str(content.get("licence", content.get("license", ""))),
    )


def _labels(raw: dict[str, object]) -> dict[str, int]:
    """Return {name: value} from either label style."""
    if all(str(key).isdigit() for key in raw):
        return {str(name): int(value) for value, name in raw.items()}
    return {str(name): int(value) for name, value in raw.items()}  # type: ignore[call-overload]


def _stem(image: str) -> str:
    name = Path(image).name
    for ending in (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return Path(name).stem
