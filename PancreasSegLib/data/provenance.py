"""``provenance.json`` of a dataset folder: where each case comes from, who read it and for what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.atomic import atomic_path

ASSUMED_CT = "assumed_ct"
"""In a case's source: ``"yes"`` where it was prepared with ``--assume-ct``."""

PROVENANCE_FILE = "provenance.json"
FORMAT_VERSION = 1
ACCEPTED, REJECTED = "accepted", "rejected"
STATES = (ACCEPTED, REJECTED)


@dataclass(frozen=True)
class CaseRecord:
    """What is known of one case. Nothing in it names the patient.

    Attributes
    ----------
    state : {"accepted", "rejected"}
        What the reader decided; only accepted cases are learnt from.
    reader : str
        Who read it, as they called themselves.
    labels_present : tuple of str
        The labels that were read: everything else in the mask is unknown, not background.
    source : dict of str to str
        ``kind`` (``"dicom"``, ``"file"``, ``"scene"``), and SHA-256 of the DICOM series and study identifiers
        where there are any; ``patient``, a code that groups scans of one patient, if the user gave one.
    content_sha256 : str
        Of the CT's voxels in canonical axes: the identity of the case.
    files : dict of str to dict
        ``image``, ``label`` and ``marks``: ``{"path", "sha256"}``, paths relative to the folder.
    marks : dict of str to int
        Voxels that the reader marked: ``include``, ``exclude``.
    model : dict of str to str
        ``name`` and ``version`` of the model that the mask began from; empty if it was drawn by hand.
    volume_ml : dict of str to float
        Of each label in the mask.
    licence : str
        Terms of the CT, as the user gave them.
    saved : str
        When, UTC, ISO 8601.
    software : str
        What wrote it.
    """

    state: str
    reader: str = ""
    labels_present: tuple[str, ...] = ("pancreas",)
    source: dict[str, str] = field(default_factory=dict)
    content_sha256: str = ""
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    model: dict[str, str] = field(default_factory=dict)
    volume_ml: dict[str, float] = field(default_factory=dict)
    licence: str = ""
    saved: str = ""
    software: str = ""

    @property
    def accepted(self) -> bool:
        """Whether it may be learnt from."""
        return self.state == ACCEPTED

    @property
    def patient(self) -> str:
        """What scans of one patient have in common, as far as it is known; empty if nothing is."""
        return self.source.get("patient") or self.source.get("study_sha256") or ""

    @classmethod
    def from_json(cls, value: Any, what: str) -> CaseRecord:
        """Check one entry; fields that are not known here are left out.

        Raises
        ------
        DatasetError
            If a field is missing or of another kind; `what` names the entry.
        """
        try:
            record = cls(
                state=value["state"],
                labels_present=tuple(str(name) for name in value["labels_present"]),
                **{name: str(value.get(name, "")) for name in ("reader", "content_sha256", "licence", "saved")},
                software=str(value.get("software", "")),
                source={str(k): str(v) for k, v in value.get("source", {}).items()},
                files={k: {"path": str(f["path"]), "sha256": str(f["sha256"])} for k, f in value["files"].items()},
                marks={str(k): int(v) for k, v in value.get("marks", {}).items()},
                model={str(k): str(v) for k, v in value.get("model", {}).items()},
                volume_ml={str(k): float(v) for k, v in value.get("volume_ml", {}).items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatasetError(f"{what} is not a case's provenance: {error!r}.") from error
        complete = {"image", "label"} <= set(record.files)
        if record.state not in STATES or isinstance(value["labels_present"], str) or not complete:
            raise DatasetError(f"{what} is not a case's provenance: its state, labels_present or files.")
        return record


def read_provenance(folder: Path) -> dict[str, CaseRecord] | None:
    """Read a folder's ``provenance.json``.

    Parameters
    ----------
    folder : Path
        The dataset's folder.

    Returns
    -------
    dict of str to CaseRecord, or None
        By case name; None where there is no such file.

    Raises
    ------
    DatasetError
        If it is damaged or of a newer format.
    """
    path = folder / PROVENANCE_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {error}.") from error
    try:
        content = json.loads(text)
        version, cases = int(content.get("format_version", 1)), dict(content["cases"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} is damaged: {error!r}.", "Restore it from a backup, or choose another folder."
        ) from error
    if version > FORMAT_VERSION:
        raise DatasetError(
            f"{path} is of format {version} and this version of PancreasSeg knows up to {FORMAT_VERSION}.",
            "Update PancreasSeg.",
        )
    return {str(name): CaseRecord.from_json(value, f"{name} in {path}") for name, value in cases.items()}


def write_provenance(folder: Path, records: Mapping[str, CaseRecord]) -> None:
    """Write ``provenance.json``, whole or not at all.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    cases = {name: asdict(record) for name, record in sorted(records.items())}
    text = json.dumps({"format_version": FORMAT_VERSION, "cases": cases}, indent=1, ensure_ascii=False)
    with atomic_path(folder / PROVENANCE_FILE) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
