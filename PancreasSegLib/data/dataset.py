"""A dataset folder in the style of the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from PancreasSegLib.data.provenance import CaseRecord, read_provenance
from PancreasSegLib.errors import DatasetError

DATASET_FILE = "dataset.json"
QUALITY_FOLDER = "quality"
"""Where the quality report of a prepared dataset lies in its folder."""


@dataclass(frozen=True)
class Case:
    """One patient's scan with its reference mask.

    Attributes
    ----------
    name : str
        The file's name without extension.
    image, label : Path
        CT and label file on the same grid.
    labels_present : tuple of str, or None
        The labels that the case was read for, as ``provenance.json`` says; None means all of the dataset. Other
        labels may be in the scan and are unknown, not background.
    patient : str
        What scans of one patient share; the name where nothing is known.
    record : CaseRecord or None
        The case's entry in ``provenance.json``.
    """

    name: str
    image: Path
    label: Path
    labels_present: tuple[str, ...] | None = None
    patient: str = ""
    record: CaseRecord | None = None

    def __post_init__(self) -> None:
        if not self.patient:
            object.__setattr__(self, "patient", self.name)


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
        ``provenance.json``, where there is one, says for which labels a case was read; cases that a reader has
        rejected are left out.

    Returns
    -------
    Dataset

    Raises
    ------
    DatasetError
        If the folder or a file is missing, or ``dataset.json`` does not say what it must.
    """
    folder = Path(root).expanduser()
    path = folder / DATASET_FILE
    if not path.is_file():
        raise DatasetError(
            f"There is no dataset.json in {folder}.",
            "Give a folder in the style of the Medical Segmentation Decathlon (dataset.json, imagesTr, labelsTr).",
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if any(isinstance(value, list) for value in content["labels"].values()):
            raise DatasetError(
                f"{path} has regions, labels of several values, which only nnU-Net's format knows.",
                "Prepare it first: pancreasseg data prepare nnunet.",
            )
        labels = labels_of(content["labels"])
        if "training" not in content and (folder / "labelsTr").is_dir():
            raise DatasetError(
                f"{path} lists no cases, as nnU-Net's does not.",
                "Prepare it first: pancreasseg data prepare nnunet.",
            )
        entries = [
            (entry["image"].replace("\\", "/"), entry["label"].replace("\\", "/")) for entry in content["training"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} is not a dataset description: {error!r}.", 'It needs "labels" and "training".'
        ) from error
    records = read_provenance(folder) or {}
    cases = [
        _case(folder, image, label, records) for image, label in entries if not Path(image).name.startswith("._")
    ]
    cases = [case for case in cases if case.record is None or case.record.accepted]
    missing = [file for case in cases for file in (case.image, case.label) if not file.is_file()]
    if missing:
        raise DatasetError(f"{len(missing)} files named in {path} are missing, the first is {missing[0]}.")
    if not cases:
        raise DatasetError(f"{path} lists no training cases.", "Save an accepted case first.")
    return Dataset(
        folder,
        str(content.get("name", folder.name)),
        labels,
        tuple(sorted(cases, key=lambda case: case.name)),
        str(content.get("licence", content.get("license", ""))),
    )


def _case(folder: Path, image: str, label: str, records: dict[str, CaseRecord]) -> Case:
    name = case_stem(image)
    record = records.get(name)
    if record is None:
        return Case(name, folder / image, folder / label)
    return Case(name, folder / image, folder / label, record.labels_present, record.patient, record)


def labels_of(raw: dict[str, object]) -> dict[str, int]:
    """Return {name: value} from either label style."""
    if all(str(key).isdigit() for key in raw):
        return {str(name): int(value) for value, name in raw.items()}
    return {str(name): int(value) for name, value in raw.items()}  # type: ignore[call-overload]


def case_stem(image: str) -> str:
    """Return the case's name from its image's path.

    Examples
    --------
    >>> case_stem("./imagesTr/case_1.nii.gz")
    'case_1'
    """
    name = Path(image).name
    for ending in (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return Path(name).stem
