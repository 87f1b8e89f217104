"""The files of a case: written to a hidden folder first, then renamed; on failure the former ones come back."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.data.index import inside
from PancreasSegLib.data.provenance import REJECTED, CaseRecord
from PancreasSegLib.data.training_case import TrainingCase
from PancreasSegLib.errors import OutputError
from PancreasSegLib.io import write_mask, write_volume
from PancreasSegLib.storage.temporary_folder import temporary_folder

IMAGES, LABELS, MARKS = "imagesTr", "labelsTr", "marksTr"
REJECTED_FOLDER = "rejected"
_FOLDERS = {"image": IMAGES, "label": LABELS, "marks": MARKS}


@contextlib.contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Give a hidden folder on the same disk; what is left of it is removed."""
    with contextlib.ExitStack() as stack:
        try:
            staging = stack.enter_context(temporary_folder(target))
        except OSError as error:
            raise OutputError(
                f"The folder {target} cannot be written: {error.strerror or error}.",
                "Choose a folder that you may write to.",
            ) from error
        yield staging


def write_files(
    staging: Path,
    target: Path,
    name: str,
    case: TrainingCase,
    values: Mapping[str, int],
    former: CaseRecord | None,
) -> dict[str, dict[str, str]]:
    """Write image, label and marks into the hidden folder; an image that is there already is not written again."""
    files: dict[str, dict[str, str]] = {}
    place = f"{REJECTED_FOLDER}/" if case.state == REJECTED else ""
    for role, subfolder in _FOLDERS.items():
        path = f"{place}{subfolder}/{name}.nii.gz"
        if role == "marks" and (case.marks is None or not case.marks.any()):
            continue
        if role == "image" and former is not None and _is_intact(target, former.files.get("image"), path):
            files[role] = dict(former.files["image"])
            continue
        written = staging / f"{role}.nii.gz"
        if role == "image":
            write_volume(written, case.ct)
        else:
            array = _in_folder_values(case, values) if role == "label" else case.marks
            assert array is not None
            write_mask(written, array, case.ct.geometry)
        files[role] = {"path": path, "sha256": file_sha256(written)}
    return files


def _in_folder_values(case: TrainingCase, values: Mapping[str, int]) -> NDArray[np.uint8]:
    """Return the mask with the values that its labels have in the folder."""
    table = np.zeros(256, dtype=np.uint8)
    for name, value in case.labels.items():
        table[value] = values[name]
    return table[case.mask]


def _is_intact(target: Path, file: Mapping[str, str] | None, path: str) -> bool:
    if file is None or file["path"] != path:
        return False
    present = inside(target, path)
    return present.is_file() and file_sha256(present) == file["sha256"]


@contextlib.contextmanager
def renamed(staging: Path, target: Path, files: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
    """Put the written files in their places; when the block fails, the former ones come back."""
    moved: list[tuple[Path, Path | None]] = []
    try:
        for role, file in files.items():
            written, final = staging / f"{role}.nii.gz", inside(target, file["path"])
            if not written.exists():
                continue
            final.parent.mkdir(parents=True, exist_ok=True)
            backup = staging / f"{role}-former.nii.gz" if final.exists() else None
            if backup is not None:
                _keep_former(final, backup)
            moved.append((final, backup))
            written.replace(final)
        yield
    except BaseException as error:
        for final, backup in reversed(moved):
            with contextlib.suppress(OSError):
                if backup is None:
                    final.unlink(missing_ok=True)
                else:
                    backup.replace(final)
        if isinstance(error, OSError):
            raise OutputError(
                f"The folder {target} cannot be written: {error.strerror or error}.",
                "Free some space, or choose another folder.",
            ) from error
        raise


def _keep_former(final: Path, backup: Path) -> None:
    """Give the former file a second name, so that its first is never missing; a copy where there are no links."""
    try:
        os.link(final, backup)
    except OSError:
        shutil.copyfile(final, backup)


def remove_stale(target: Path, former: CaseRecord, record: CaseRecord) -> None:
    """Remove files of the earlier save that the present one does not name."""
    named = {file["path"] for file in record.files.values()}
    for file in former.files.values():
        if file["path"] not in named:
            with contextlib.suppress(OSError):
                inside(target, file["path"]).unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while part := stream.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
