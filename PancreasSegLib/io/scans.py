"""Find the scans in a folder, for a batch."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

from PancreasSegLib.errors import UnreadableFileError
from PancreasSegLib.io.dicom_files import is_dicom
from PancreasSegLib.io.formats import READABLE_IMAGES, extension_of

_MASKS = "segmentations"
_OWN_OUTPUT = re.compile(r"_(pancreas|segmentation)([_.-]|$)|\.seg\.nrrd$", re.IGNORECASE)


def find_scans(folder: str | Path) -> list[Path]:
    """Return the scans in a folder: image files, DICOM folders and zips, through all subfolders.

    A folder of DICOM files is one scan. Series folders of one examination (the same StudyInstanceUID) are one
    scan too, the folder above them, of which the best series is read. Hidden files, macOS's ``._`` files, our own
    outputs (``*_pancreas.*``, ``*_segmentation.*``, ``*.seg.nrrd``) and the masks in ``segmentations`` beside a
    ``ct.nii.gz`` are left out.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    list of Path
        Sorted; each can be given to `read_volume`. Empty if there is none.

    Raises
    ------
    UnreadableFileError
        If the folder is missing, is a file, or may not be read.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp())
    >>> for name in ("b.nii.gz", "a.mha", "a_pancreas.nii.gz", "._a.mha", "notes.txt"):
    ...     (place / name).touch()
    >>> [scan.name for scan in find_scans(place)]
    ['a.mha', 'b.nii.gz']
    """
    folder = Path(folder)
    if not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist"
        raise UnreadableFileError(f"{str(folder)!r} {state}.", "Give a folder of scans.")
    scans: list[Path] = []
    studies: dict[str, list[Path]] = {}
    for place, names in _walk(folder):
        dicom: Path | None = None
        if place.name == _MASKS and case_image(place.parent) is not None:
            continue
        for name in names:
            path = place / name
            if extension_of(path) in READABLE_IMAGES:
                if not is_own_output(name) and extension_of(path) != ".img":  # its .hdr stands for both
                    scans.append(path)
            elif extension_of(path) == ".zip":
                scans += [path] if zipfile.is_zipfile(path) else []
            elif dicom is None and is_dicom(path) and (study := _study_of(path)):
                dicom = path
                studies.setdefault(study, []).append(place)
    return sorted(scans + _examinations(studies))


def is_own_output(name: str) -> bool:
    """Whether a file is called as our masks and what goes with them are."""
    return _OWN_OUTPUT.search(name) is not None


def case_image(folder: Path) -> Path | None:
    """Return the CT of a TotalSegmentator case, ``ct.nii.gz`` beside a folder of masks; None for other folders."""
    image = folder / "ct.nii.gz"
    return image if (folder / _MASKS).is_dir() and image.is_file() else None


def _walk(folder: Path) -> list[tuple[Path, list[str]]]:
    """Return each folder with the names of its files, without hidden ones and without going round in a circle."""

    def refuse(error: OSError) -> None:
        if error.filename == str(folder):
            raise UnreadableFileError(
                f"The folder {str(folder)!r} cannot be read: {error.strerror}.", "Check its permissions."
            ) from error

    seen: set[str] = set()
    found = []
    for place, subfolders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        found.append((Path(place), sorted(n for n in names if not n.startswith(".") and Path(place, n).is_file())))
    return found


def _study_of(path: Path) -> str:
    """Return the StudyInstanceUID of a DICOM image, or its folder where there is none; empty for other files."""
    import pydicom

    try:
        header = pydicom.dcmread(
            path, stop_before_pixels=True, force=True, specific_tags=["StudyInstanceUID", "Rows"]
        )
    except Exception:  # pydicom raises errors of many kinds; a file that cannot be read is no scan
        return ""
    return str(header.get("StudyInstanceUID", "") or path.parent) if header.get("Rows") else ""


def _examinations(studies: dict[str, list[Path]]) -> list[Path]:
    """Return one folder a study where its series' folders have one to themselves, else the series' folders."""
    every = [(study, place) for study, places in studies.items() for place in places]
    found: list[Path] = []
    for study, places in studies.items():
        common = Path(os.path.commonpath(places))
        alone = all(other == study or not place.is_relative_to(common) for other, place in every)
        found += [common] if alone else places
    return found
