"""Look around in a downloaded folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.formats import READABLE_IMAGES, extension_of

if TYPE_CHECKING:
    from PancreasSegLib.data.adapters.survey import DatasetAdapter

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z")
_LISTED = 6


def entries(folder: Path) -> list[Path]:
    """Return what a folder holds, sorted, without hidden files and the ``._`` files of macOS."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def label_files(folder: Path) -> list[Path]:
    """Return the label files in a folder, sorted: images, and segmentations of 3D Slicer."""
    if not folder.is_dir():
        return []
    slicer = [path for path in entries(folder) if is_segmentation(path) and path.is_file()]
    return sorted([*image_files(folder), *slicer])


def is_segmentation(path: Path) -> bool:
    """Whether a file's name is that of a segmentation of 3D Slicer."""
    return extension_of(path) == ".seg.nrrd"


def image_files(folder: Path) -> list[Path]:
    """Return the image files (NIfTI, NRRD, MetaImage) in a folder, sorted; none where there is no folder."""
    if not folder.is_dir():
        return []
    found = [path for path in entries(folder) if extension_of(path) in READABLE_IMAGES and path.is_file()]
    return [path for path in found if extension_of(path) != ".img"]  # its .hdr stands for both


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted."""
    return [path for path in entries(folder) if path.is_dir()]


def stem(path: Path) -> str:
    """Return a file's name without its image extension.

    Examples
    --------
    >>> stem(Path("label0001.nii.gz")), stem(Path("PANCREAS_0001"))
    ('label0001', 'PANCREAS_0001')
    """
    extension = extension_of(path)
    return path.name[: -len(extension)] if extension in READABLE_IMAGES or is_segmentation(path) else path.name


def number_in(name: str) -> int | None:
    """Return the last run of digits in a name.

    Examples
    --------
    >>> number_in("amos_0507"), number_in("3Dircadb1.12"), number_in("ct")
    (507, 12, None)
    """
    digits = re.findall(r"\d+", name)
    return int(digits[-1]) if digits else None


def inner_root(root: Path, parts: Iterable[str], nested: Iterable[str] = ()) -> Path | None:
    """Return the folder that holds all `parts`: the root, one of `nested` in it, or its only subfolder.

    Parameters
    ----------
    root : Path
        An existing folder.
    parts : iterable of str
        Names of files or folders.
    nested : iterable of str
        Paths inside the root that archives unpack to.
    """
    wanted = list(parts)
    places = [root, *(root / place for place in nested)]
    inner = subfolders(root)
    places += inner if len(inner) == 1 else []
    return next((place for place in places if all((place / part).exists() for part in wanted)), None)


def checked_root(adapter: DatasetAdapter, root: Path) -> Path:
    """Return the folder, refusing what is missing, a file or an archive.

    Raises
    ------
    DatasetError
    """
    if root.is_dir():
        return root
    if not root.exists():
        raise DatasetError(f"{root} does not exist.", f"Expected: {adapter.expects}.")
    hint = "Unpack it, and give the folder" if extension_of(root) in _ARCHIVES else "Give the folder"
    raise DatasetError(f"{root} is a file, not a folder.", f"{hint}: {adapter.expects}.")


def wrong_tree(adapter: DatasetAdapter, root: Path, missing: str) -> DatasetError:
    """Return the refusal of a folder: what is missing, what is there, and what was expected.

    Parameters
    ----------
    adapter : DatasetAdapter
    root : Path
        An existing folder.
    missing : str
        Completes "there is no ...".
    """
    found = [f"{path.name}{'/' if path.is_dir() else ''}" for path in entries(root)]
    there = ", ".join(found[:_LISTED]) + (f" and {len(found) - _LISTED} more" if len(found) > _LISTED else "")
    packed = [path.name for path in entries(root) if path.is_file() and path.suffix.lower() in _ARCHIVES]
    packed = [name for name in packed if extension_of(name) not in READABLE_IMAGES]
    unpack = f" Unpack {packed[0]} first." if packed else ""
    return DatasetError(
        f"{root} does not look like {adapter.title}: there is no {missing}"
        f"{f'; it holds {there}' if found else '; it is empty'}.",
        f"Expected: {adapter.expects}.{unpack}",
    )
