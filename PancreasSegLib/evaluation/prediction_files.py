"""Which file in a folder of predictions belongs to which case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from PancreasSegLib.data.dataset import labels_of
from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.formats import READABLE_IMAGES, extension_of

_SUFFIXES = ("", "_pred", "_prediction", "_seg", "_segmentation", "_mask", "_label", "_labels", "_0000")
_LABEL_MAPS = ("segmentation", "seg", "mask", "prediction", "pred", "labels", "label")


def stem_of(path: Path) -> str:
    """Return a file's name without the extension of an image.

    Examples
    --------
    >>> stem_of(Path("out/case_1_pancreas.seg.nrrd"))
    'case_1_pancreas'
    """
    extension = extension_of(path)
    return path.name[: -len(extension)] if extension else path.name


class PredictionFiles:
    """The images in a folder of predictions, by case.

    A case called NAME (or NAME_0000, as nnU-Net calls images) is found as

    - ``NAME.nii.gz``, ``NAME_pred``, ``NAME_seg``, ``NAME_mask`` and the like: a map of all labels;
    - ``NAME_LABEL.nii.gz`` (as ``pancreasseg segment`` writes ``NAME_pancreas``): a mask of one label;
    - ``NAME/segmentation.nii.gz`` and the like; or ``NAME/LABEL.nii.gz`` and ``NAME/segmentations/LABEL.nii.gz``
      (as TotalSegmentator writes them).

    Any image format will do; hidden files and probabilities (``NAME_probability``) are passed over.

    Parameters
    ----------
    folder : Path
        Where they lie.

    Raises
    ------
    DatasetError
        If there is no such folder, or no image in it.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DatasetError(f"There is no folder of predictions {folder}.", "Check the path.")
        self.folder = folder
        self._files: dict[str, list[Path]] = {}
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if len(relative.parts) > 3 or any(part.startswith(".") for part in relative.parts):
                continue
            if _is_image(path) and not stem_of(path).endswith("_probability"):
                self._files.setdefault("/".join((*relative.parts[:-1], stem_of(path))), []).append(path)
        if not self._files:
            raise DatasetError(
                f"There is no image in the folder of predictions {folder}.",
                f"It should hold one file a case, such as NAME.nii.gz ({', '.join(READABLE_IMAGES)}).",
            )

    @property
    def paths(self) -> list[Path]:
        """All images in it."""
        return [path for paths in self._files.values() for path in paths]

    def declared_labels(self) -> dict[str, int] | None:
        """Return the label values that a ``dataset.json`` among the predictions states (as nnU-Net writes it)."""
        path = self.folder / "dataset.json"
        if not path.is_file():
            return None
        try:
            return labels_of(json.loads(path.read_text("utf-8"))["labels"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(
                f"{path} does not say which label has which value: {error!r}.", "Remove it, or give --value."
            ) from error

    def label_map(self, case: str) -> Path | None:
        """Return the file that holds all labels of a case, None if there is none.

        Raises
        ------
        DatasetError
            If several files could be meant.
        """
        stems = [name + suffix for name in _names(case) for suffix in _SUFFIXES]
        stems += [f"{name}/{stem}" for name in _names(case) for stem in _LABEL_MAPS]
        return self._one(case, stems)

    def label_masks(self, case: str, labels: Sequence[str]) -> dict[str, Path]:
        """Return the files that hold one label each, as far as they are there.

        Raises
        ------
        DatasetError
            If several files could be meant.
        """
        found = {}
        for label in labels:
            spellings = {label, label.replace(" ", "_"), label.replace(" ", "-")}
            stems = [
                form.format(name=name, label=spelling)
                for name in _names(case)
                for spelling in sorted(spellings)
                for form in ("{name}_{label}", "{name}/{label}", "{name}/segmentations/{label}", "{label}/{name}")
            ]
            path = self._one(case, stems)
            if path is not None:
                found[label] = path
        return found

    def extra(self, cases: Sequence[str], labels: Sequence[str]) -> list[str]:
        """Return the files that belong to none of the cases, relative to the folder."""
        used = {path for case in cases for path in self.label_masks(case, labels).values()}
        used |= {path for case in cases if (path := self.label_map(case)) is not None}
        names = {name for case in cases for name in _names(case)}
        left = []
        for paths in self._files.values():
            for path in paths:
                relative = path.relative_to(self.folder)
                if path not in used and relative.parts[0] not in names:
                    left.append(relative.as_posix())
        return sorted(left)

    def _one(self, case: str, stems: Sequence[str]) -> Path | None:
        found = [path for stem in dict.fromkeys(stems) for path in self._files.get(stem, ())]
        if len(found) > 1:
            names = ", ".join(path.relative_to(self.folder).as_posix() for path in found[:3])
            raise DatasetError(
                f"Several files in {self.folder} could be the prediction of {case}: {names}.",
                "Leave one of them there.",
            )
        return found[0] if found else None


def value_pairs(texts: Sequence[str]) -> dict[str, int]:
    """Return {label: value} of texts such as ``pancreas=1``.

    Raises
    ------
    DatasetError
        If one is no such pair.
    """
    found = {}
    for text in texts:
        name, _, value = text.rpartition("=")
        if not name or not value.strip().isdecimal():
            raise DatasetError(f"{text!r} is not a label and its value.", "Write it as --value pancreas=1.")
        found[name.strip()] = int(value)
    return found


def same_labels(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Return the values of `other` under the names of `one`, whatever their case and underscores."""
    plain = {_plain(name): value for name, value in other.items()}
    return {name: plain[_plain(name)] for name in one if _plain(name) in plain}


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").replace("-", " ").strip()


def _names(case: str) -> tuple[str, ...]:
    return (case, case.removesuffix("_0000")) if case.endswith("_0000") else (case,)


def _is_image(path: Path) -> bool:
    return extension_of(path) in (*READABLE_IMAGES, ".seg.nrrd") and path.is_file()
