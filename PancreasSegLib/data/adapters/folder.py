"""Images and masks of one's own: pairs by name in a folder, or listed in a CSV file."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

from PancreasSegLib.data.adapters.source_case import LabelMapCase
from PancreasSegLib.data.adapters.survey import LeftOut, SourceOptions, Survey
from PancreasSegLib.data.adapters.tree import (
    checked_root,
    image_files,
    inner_root,
    is_segmentation,
    label_files,
    stem,
    wrong_tree,
)
from PancreasSegLib.errors import DatasetError

_IMAGE_FOLDERS = ("imagesTr", "images", "image", "img", "ct", "cts", "scans")
_LABEL_FOLDERS = ("labelsTr", "labels", "label", "masks", "mask", "segmentations", "seg")
_IMAGE_MARK = re.compile(r"([_\-. ](0000|ct|image|img))$", re.IGNORECASE)
_LABEL_MARK = re.compile(r"([_\-. ](mask|seg|segmentation|label|labels|gt|pancreas))$", re.IGNORECASE)
_COLUMNS = ("image", "label")


class FolderAdapter:
    """Pairs an image with the label of the same name, or as a CSV file says."""

    name = "folder"
    title = "a folder of image and mask pairs"
    expects = (
        "folders images and labels with files of the same names (NAME, NAME_0000, NAME_ct; NAME, NAME_mask, "
        "NAME_seg, NAME_label), or all in one folder, or a CSV file with the columns image, label and, if known, "
        "case and patient"
    )
    options = frozenset({"values", "label_folder"})

    def survey(self, root: Path, options: SourceOptions) -> Survey:
        """List the pairs."""
        values = dict(options.values) if options.values is not None else {"pancreas": 1}
        if root.is_file() and root.suffix.lower() == ".csv":
            pairs, left_out = _listed(root), list[LeftOut]()
        else:
            pairs, left_out = self._paired(checked_root(self, root), options.label_folder)
        structures = tuple(values)
        numbers = {name: (value,) for name, value in values.items()}
        cases = tuple(
            LabelMapCase(name, patient or name, structures, image, label, numbers)
            for name, (image, label, patient) in sorted(pairs.items())
        )
        return Survey(root.stem if root.is_file() else root.name, "", "", structures, cases, tuple(left_out))

    def _paired(
        self, root: Path, label_folder: Path | None
    ) -> tuple[dict[str, tuple[Path, Path, str]], list[LeftOut]]:
        images, labels = _files(root, label_folder)
        if not images.keys() & labels.keys():
            raise wrong_tree(self, root, "image with a mask of the same name")
        left_out = [
            LeftOut(name, "no-label" if name in images else "no-ct", "Its partner is not there.")
            for name in sorted(images.keys() ^ labels.keys())
        ]
        return {name: (images[name], labels[name], "") for name in images.keys() & labels.keys()}, left_out


def _files(root: Path, label_folder: Path | None) -> tuple[Mapping[str, Path], Mapping[str, Path]]:
    """Return images and labels by the name of their case."""
    place = next((name for name in _IMAGE_FOLDERS if inner_root(root, [name]) is not None), None)
    home = inner_root(root, [place]) if place else root
    assert home is not None
    folders = (home / name for name in _LABEL_FOLDERS)
    masks = label_folder or next((folder for folder in folders if folder.is_dir()), None)
    if masks is not None and place is not None:
        return _by_name(image_files(home / place), _IMAGE_MARK), _by_name(label_files(masks), _LABEL_MARK)
    if masks is not None:
        return _by_name(image_files(root), _IMAGE_MARK), _by_name(label_files(masks), _LABEL_MARK)
    files = label_files(home / place if place else root)
    are_masks = [path for path in files if _LABEL_MARK.search(stem(path)) or is_segmentation(path)]
    are_images = [path for path in files if path not in are_masks]
    return _by_name(are_images, _IMAGE_MARK), _by_name(are_masks, _LABEL_MARK)


def _by_name(paths: list[Path], mark: re.Pattern[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        name = mark.sub("", stem(path))
        if name in found:
            raise DatasetError(
                f"{found[name].name} and {path.name} are both of the case {name!r}.",
                "List the pairs in a CSV file with the columns image and label.",
            )
        found[name] = path
    return found


def _listed(path: Path) -> dict[str, tuple[Path, Path, str]]:
    """Return the pairs of a CSV file; paths in it are relative to its folder."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {error}.", "Save it as CSV in UTF-8.") from error
    dialect = csv.excel if text.split("\n", 1)[0].count(",") >= text.split("\n", 1)[0].count(";") else _Semicolons
    rows = list(csv.DictReader(text.splitlines(), dialect=dialect))
    header = [name.strip().lower() for name in (rows[0] if rows else {}) if name]
    if any(column not in header for column in _COLUMNS):
        raise DatasetError(
            f"{path} has {'the columns ' + ', '.join(header) if header else 'no rows'}.",
            "It needs the columns image and label; case and patient are welcome.",
        )
    pairs: dict[str, tuple[Path, Path, str]] = {}
    for number, raw in enumerate(rows, 2):
        row = {str(key).strip().lower(): (value or "").strip() for key, value in raw.items() if key}
        files = [path.parent / row[column] for column in _COLUMNS]
        missing = next((file for file in files if not file.exists()), None)
        if missing is not None or not all(row[column] for column in _COLUMNS):
            raise DatasetError(
                f"Line {number} of {path.name}: {missing or 'a file'} is missing.", "Correct the line."
            )
        name = row.get("case") or _IMAGE_MARK.sub("", stem(files[0]))
        if name.startswith(".") or any(sign in name for sign in '/\\:*?"<>|'):
            raise DatasetError(
                f"Line {number} of {path.name}: {name!r} cannot be the name of a file.", "Change it."
            )
        if name in pairs:
            raise DatasetError(f"Line {number} of {path.name}: the case {name!r} is there twice.", "Name it once.")
        pairs[name] = (files[0], files[1], row.get("patient", ""))
    return pairs


class _Semicolons(csv.excel):
    """As spreadsheets write it where the comma is the decimal sign."""

    delimiter = ";"


ADAPTER = FolderAdapter()
