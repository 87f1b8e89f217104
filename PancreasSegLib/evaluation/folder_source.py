"""Predictions from files that any program has written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.data import Case
from PancreasSegLib.data.reference import segment_values
from PancreasSegLib.errors import DatasetError, GeometryError
from PancreasSegLib.evaluation.prediction import Prediction, empty_prediction
from PancreasSegLib.evaluation.prediction_files import PredictionFiles, same_labels, stem_of
from PancreasSegLib.io import read_labels
from PancreasSegLib.io.segmentation_file import SEGMENTS
from PancreasSegLib.models.checksums import sha256
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.volume import Geometry, Volume, labels_on_grid

MISSING = ("refuse", "empty", "skip")
_SAME_MM = 0.1


class FolderSource:
    """Reads the predictions of cases from a folder; see `PredictionFiles` for the names it understands.

    Parameters
    ----------
    name : str
        What it is called in tables.
    folder : Path
        Where the files lie.
    known : mapping of str to int
        The dataset's labels.
    parts : mapping of str to tuple of str, optional
        What merged labels are made of; they are merged in the files as well.
    values : mapping of str to int, optional
        Values of labels in the files. Without it those of a ``dataset.json`` among the files, else the dataset's.
        Where one label alone is compared, a file with no other value than 1 (or 255) is a mask of it.
    strict_grid : bool
        Refuse a file on another grid than its reference; otherwise it is resampled to the nearest voxel.
    missing : {"refuse", "empty", "skip"}
        What to do with a case without a file: refuse to go on, count an empty mask, or leave the case out.

    Raises
    ------
    DatasetError
        If there is no such folder, or no image in it.
    """

    costly = False

    def __init__(
        self,
        name: str,
        folder: Path,
        known: Mapping[str, int],
        *,
        parts: Mapping[str, tuple[str, ...]] | None = None,
        values: Mapping[str, int] | None = None,
        strict_grid: bool = False,
        missing: str = "refuse",
    ) -> None:
        if missing not in MISSING:
            raise DatasetError(
                f"Missing predictions cannot be treated as {missing!r}.", f"Use {' or '.join(MISSING)}."
            )
        self.name, self.strict_grid, self.missing = name, strict_grid, missing
        self.files = PredictionFiles(folder)
        self._known, self._parts = dict(known), dict(parts or {})
        self._values = dict(values) if values else self.files.declared_labels()
        self.about: dict[str, Any] = {
            "kind": "files",
            "folder": folder.name,
            "label_values": self._values,
            "other_grids": "refused" if strict_grid else "resampled to the nearest voxel of the reference",
            "missing_files": missing,
        }
        self._binary: bool | None = None
        self._several = False  # whether a file was seen that holds more than one mask

    def labels(self, known: Mapping[str, int]) -> tuple[str, ...]:
        """Return which labels the files hold, as far as that can be told without reading all of them."""
        if self._values is None:
            return tuple(name for name, value in known.items() if value)
        return tuple(name for name, value in known.items() if value and any(self._stated(name)))

    def chosen(
        self, cases: Sequence[Case], labels: Sequence[str], every: Sequence[Case] | None = None
    ) -> tuple[list[Case], list[str]]:
        """Return the cases that are compared, and sentences about files that are missing or left over.

        Parameters
        ----------
        cases : sequence of Case
            Those that are wanted.
        labels : sequence of str
            The labels that are compared.
        every : sequence of Case, optional
            All cases of the dataset: files of the others are not left over, they are just not wanted now.

        Raises
        ------
        DatasetError
            If files are missing and that is not allowed, or no case has a file.
        """
        absent = [case.name for case in cases if not self._paths(case, labels)]
        if len(absent) == len(cases):
            raise DatasetError(
                f"None of the {len(cases)} cases has a prediction in {self.files.folder}.",
                f"The file of the first case would be called {cases[0].name}.nii.gz.",
            )
        if absent and self.missing == "refuse":
            raise DatasetError(
                f"{len(absent)} of {len(cases)} cases have no prediction in {self.files.folder}: {_some(absent)}.",
                "Choose cases with --case; or count empty masks for them with --missing empty, or leave them out "
                "with --missing skip.",
            )
        sentences = []
        if absent:
            done = "count as empty masks" if self.missing == "empty" else "are left out"
            sentences.append(f"{self.name}: {len(absent)} cases without a file {done}: {_some(absent)}.")
        extra = self.files.extra([case.name for case in every or cases], labels)
        if extra:
            sentences.append(
                f"{self.name}: {len(extra)} files belong to no case and are not read: {_some(extra)}."
            )
        kept = [case for case in cases if case.name not in absent] if self.missing == "skip" else list(cases)
        return kept, sentences

    def order(self, cases: Sequence[Case]) -> list[Case]:
        """Return the cases as they are."""
        return list(cases)

    def key(self, case: Case, labels: Sequence[str]) -> dict[str, Any]:
        """Return the SHA-256 of the files, and how they are read."""
        paths = self._paths(case, labels)
        return {"files": {name: sha256(path) for name, path in paths.items()}, "values": self._values}

    def predict(
        self, case: Case, ct: Volume, labels: Mapping[str, int], cancel: CancelToken | None = None
    ) -> Prediction:
        """Read the masks of a case, on the grid of `ct`.

        Raises
        ------
        DatasetError
            If the values in a file do not fit the labels, or its grid is refused.
        PancreasSegError
            If a file cannot be read.
        """
        if cancel:
            cancel.check()
        paths = self._paths(case, tuple(labels))
        if not paths:
            return empty_prediction(tuple(labels), ct.geometry, error="There is no prediction of this case.")
        notes: list[str] = []
        masks = {name: np.zeros(ct.geometry.shape_zyx, dtype=bool) for name in labels}
        if "" in paths:
            read, segments = self._aligned(paths[""], ct.geometry, tuple(labels), notes)
            values = segments or self._values_in(read, labels, paths[""])
            masks = {name: np.isin(read, found) for name, found in values.items()}
        else:
            for name, path in paths.items():
                read, segments = self._aligned(path, ct.geometry, (name,), notes)
                masks[name] = np.isin(read, segments[name]) if segments else read != 0
        confidence = _reported_confidence(next(iter(paths.values())), tuple(labels))
        return Prediction(masks, confidence, notes=tuple(notes))

    def _paths(self, case: Case, labels: Sequence[str]) -> dict[str, Path]:
        """Return the map of all labels under an empty name, else the masks by label."""
        path = self.files.label_map(case.name)
        return {"": path} if path is not None else self.files.label_masks(case.name, labels)

    def _aligned(
        self, path: Path, grid: Geometry, labels: Sequence[str], notes: list[str]
    ) -> tuple[NDArray, dict[str, list[int]]]:
        """Return a file's values on the reference's grid, and those of each label where segments are named."""
        found = read_labels(path)
        named = self._named(found, labels, path)
        if found.geometry.matches(grid, _SAME_MM):
            return found.voxels, named
        if self.strict_grid:
            raise DatasetError(
                f"{path} does not lie on the grid of its reference.",
                "Resample it, or leave out --strict-grid to have that done.",
            )
        try:
            moved = labels_on_grid(found, grid)
        except GeometryError as error:
            raise DatasetError(
                f"{path} cannot be compared with its reference. {error.message}", error.hint
            ) from error
        if not named:  # Slicer cuts its segmentations, which is no other grid
            notes.append(f"{path.name} lies on another grid and was resampled to the nearest voxel.")
        return moved, named

    def _named(self, found: Volume, labels: Sequence[str], path: Path) -> dict[str, list[int]]:
        """Return the values of each label in a segmentation of 3D Slicer, by its segments' names."""
        if SEGMENTS not in found.source:
            return {}
        members = {name: self._parts.get(name, (name,)) for name in labels}
        every = tuple(dict.fromkeys(part for parts in members.values() for part in parts))
        values = segment_values(found, every, path.name)
        return {name: [values[part] for part in parts if part in values] for name, parts in members.items()}

    def _stated(self, label: str) -> list[int]:
        """Return the values that the files are said to have for a label: its own, or those of its parts."""
        members = (label, *self._parts.get(label, ()))
        return list(same_labels(dict.fromkeys(members, 0), self._values or {}).values())

    def _values_in(self, read: NDArray, labels: Mapping[str, int], path: Path) -> dict[str, list[int]]:
        """Return the values of each label in a file, after a look at what is in it."""
        if self._values is not None:
            lacking = [name for name in labels if not any(self._stated(name))]
            if lacking:
                raise DatasetError(
                    f"Nothing says which value {lacking[0]} has in {self.files.folder}.",
                    "Give --value NAME=VALUE.",
                )
            return {name: self._stated(name) for name in labels}
        known = {
            name: [self._known[part] for part in self._parts[name]] if name in self._parts else [value]
            for name, value in labels.items()
        }
        present = {int(value) for value in np.unique(read)} - {0}
        if len(labels) > 1:
            self._refuse_binary(present, labels)
        if len(labels) > 1 or not present:
            return known
        (name, values), *_ = known.items()
        binary = len(present) == 1 and present <= {1, 255} and not present & set(values)
        if self._binary not in (None, binary):
            raise DatasetError(
                f"Some files in {self.files.folder} hold a single label and some several, such as {path.name}.",
                f"Say which value the {name} has there: --value {name}={values[0]}, for example.",
            )
        if not binary and not present <= set(self._known.values()):
            raise DatasetError(
                f"{path} holds the values {_some([str(v) for v in sorted(present)])}, which are not those of the "
                "dataset's labels.",
                f"Say which value the {name} has there: --value {name}=N.",
            )
        if 1 not in values:
            self._binary = binary
        return {name: sorted(present)} if binary else known

    def _refuse_binary(self, present: set[int], labels: Mapping[str, int]) -> None:
        """Refuse files that all hold one and the same value where several labels are compared."""
        if self._several or len(present) != 1 or not present <= {1, 255}:
            self._several = self._several or bool(present)
            return
        for paths in self.files.paths:
            if {int(value) for value in np.unique(read_labels(paths).voxels)} - {0} - present:
                self._several = True
                return
        raise DatasetError(
            f"The files in {self.files.folder} are masks of one thing, and {len(labels)} labels are compared:"
            f" {_some(list(labels))}.",
            "Say what they outline: --label NAME, or --label NAME=ONE+OTHER for several together.",
        )


def _reported_confidence(path: Path, labels: Sequence[str]) -> dict[str, float]:
    """Return the confidences of a report that ``pancreasseg segment --report`` wrote beside the mask."""
    report = path.with_name(f"{stem_of(path)}.json")
    try:
        organs = json.loads(report.read_text(encoding="utf-8"))["organs"]
        return {
            name: float(organs[name]["confidence_expected_dice"])
            for name in labels
            if organs.get(name, {}).get("confidence_expected_dice") is not None
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _some(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
