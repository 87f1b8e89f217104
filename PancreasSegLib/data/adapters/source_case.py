"""A case of somebody else's dataset: where its CT and its labels are read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.data.adapters.label_grid import on_grid
from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io import read_labels, read_volume
from PancreasSegLib.io.segmentation_file import SEGMENTS
from PancreasSegLib.volume import Volume


@dataclass(frozen=True)
class Remark:
    """Something that a person should know about a case.

    Attributes
    ----------
    code : str
        Stable name, kebab-case.
    sentence : str
        For the person.
    """

    code: str
    sentence: str


@dataclass(frozen=True)
class LabelReading:
    """The labels of a case, once its files are open.

    Attributes
    ----------
    mask : callable
        Gives the mask of a structure on the CT's grid: bool, shape (z, y, x).
    remarks : tuple of Remark
    facts : dict of str to str
        What was found out while reading, for the provenance.
    """

    mask: Callable[[str], NDArray[np.bool_]]
    remarks: tuple[Remark, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceCase(ABC):
    """One scan with its labels; nothing is read before it is asked for. Can be sent to another process.

    Attributes
    ----------
    name : str
        Unique in the dataset; becomes the name of the files.
    patient : str
        What the scans of one patient share.
    structures : tuple of str
        What this case was read for.
    image : Path
        What the CT is read from: a file or a DICOM folder.
    """

    name: str
    patient: str
    structures: tuple[str, ...]
    image: Path

    @property
    @abstractmethod
    def files(self) -> tuple[Path, ...]:
        """The files and folders that the case consists of."""

    @property
    def settings(self) -> str:
        """What, besides the files, decides how the case is read."""
        return ""

    def read_ct(self, *, assume_ct: bool = False) -> Volume:
        """Read the CT; see `PancreasSegLib.io.read_volume`."""
        return read_volume(self.image, assume_ct=assume_ct)

    @abstractmethod
    def read_labels(self, ct: Volume) -> LabelReading:
        """Open the labels and bring them onto the grid of the CT.

        Raises
        ------
        DatasetError
            If they do not lie on the CT.
        PancreasSegError
            If a file cannot be read.
        """


@dataclass(frozen=True)
class LabelMapCase(SourceCase):
    """A CT and one label map with a value for each structure.

    Attributes
    ----------
    label : Path
    values : mapping of str to tuple of int
        The values that make up each structure.
    """

    label: Path
    values: Mapping[str, tuple[int, ...]]

    @property
    def files(self) -> tuple[Path, ...]:
        """CT and label map."""
        return self.image, self.label

    @property
    def settings(self) -> str:
        """The values of the structures."""
        return repr(dict(self.values))

    def read_labels(self, ct: Volume) -> LabelReading:
        """Read the label map; refuse one with values that no structure has."""
        labels = read_labels(self.label)
        if SEGMENTS in labels.source:
            return self._by_name(labels, ct)
        self._check_values(labels.voxels)
        array, remarks, facts = self._placed(labels, ct)

        def mask(structure: str) -> NDArray[np.bool_]:
            values = self.values[structure]
            inside: NDArray[np.bool_] = array == values[0] if len(values) == 1 else np.isin(array, values)
            return inside

        return LabelReading(mask, remarks, facts)

    def _by_name(self, labels: Volume, ct: Volume) -> LabelReading:
        """Tell the structures by the names of a segmentation's segments, whatever values they have."""
        from PancreasSegLib.data.reference import segment_values

        values = segment_values(labels, self.structures, self.label.name)
        array = on_grid(labels, ct, self.label.name)
        return LabelReading(lambda structure: array == values.get(structure, -1))

    def _placed(self, labels: Volume, ct: Volume) -> tuple[NDArray, tuple[Remark, ...], dict[str, str]]:
        """Return the label map on the CT's grid, by what both headers say."""
        return on_grid(labels, ct, self.label.name), (), {}

    def _check_values(self, array: NDArray) -> None:
        present = np.flatnonzero(np.bincount(array.ravel())) if array.dtype == np.uint8 else np.unique(array)
        unknown = set(present.tolist()) - {0} - {value for values in self.values.values() for value in values}
        if unknown:
            listed = ", ".join(map(str, sorted(unknown)[:5])) + (" and more" if len(unknown) > 5 else "")
            raise DatasetError(
                f"{self.label.name} holds {listed}, {'values' if len(unknown) > 1 else 'a value'} of no label.",
                "Name all values of the dataset (for a folder with --values), or mend the file.",
            )


@dataclass(frozen=True)
class MaskFilesCase(SourceCase):
    """A CT and one mask file for each structure; any voxel but 0 is inside.

    Attributes
    ----------
    masks : mapping of str to Path
    """

    masks: Mapping[str, Path]

    @property
    def files(self) -> tuple[Path, ...]:
        """The CT, and the masks in the order of the structures."""
        return (self.image, *self.masks.values())

    def read_labels(self, ct: Volume) -> LabelReading:
        """Give the masks; a file is read when its structure is asked for."""

        def mask(structure: str) -> NDArray[np.bool_]:
            path = self.masks[structure]
            inside: NDArray[np.bool_] = on_grid(read_labels(path), ct, path.name) != 0
            return inside

        return LabelReading(mask)
