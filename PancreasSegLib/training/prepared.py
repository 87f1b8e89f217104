"""A case on the grid of a stage, in memory or on the disk."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.volume import Geometry


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A case on the grid of a stage.

    Attributes
    ----------
    name : str
        The patient.
    image : ndarray of uint8, shape (z, y, x)
        HU from the window's floor (0) to its ceiling (255).
    label : ndarray of uint8, shape (z, y, x)
        Class indices of the recipe; 0 is background.
    geometry : Geometry
        Canonical grid.
    phantom : bool
        Whether the case was generated.
    read : tuple of int, or None
        The classes that the case was read for; None means all.
    patient : str
        What scans of one patient share; the name by default.
    base : bool
        Whether it is there against forgetting, beside what is to be learnt.
    morph : bool
        Whether it is another case in the shape of a third patient.
    content_sha256 : str
        Of the CT's voxels, where they were read.
    """

    name: str
    image: NDArray[np.uint8]
    label: NDArray[np.uint8]
    geometry: Geometry
    phantom: bool = False
    read: tuple[int, ...] | None = None
    patient: str = ""
    base: bool = False
    morph: bool = False
    content_sha256: str = ""

    def __post_init__(self) -> None:
        if not self.patient:
            object.__setattr__(self, "patient", self.name)

    def load(self) -> PreparedCase:
        """Return the case itself, as `StoredCase.load` does."""
        return self


@dataclass(frozen=True)
class StoredCase:
    """A prepared case that is on the disk until it is needed; what is known without reading is as there.

    Attributes
    ----------
    file : Path
        Where its voxels are.
    entry : dict
        Its entry in the cache's index.
    """

    file: Path
    entry: dict[str, Any]

    @property
    def name(self) -> str:
        """Of the case."""
        return self.entry["name"]

    @property
    def patient(self) -> str:
        """What scans of one patient share."""
        return self.entry.get("patient") or self.name

    @property
    def phantom(self) -> bool:
        """Whether the case was generated."""
        return self.entry["phantom"]

    @property
    def base(self) -> bool:
        """Whether it is there against forgetting: never."""
        return False

    @property
    def morph(self) -> bool:
        """Whether it is another case in the shape of a third patient."""
        return bool(self.entry.get("morph"))

    @property
    def size_ijk(self) -> tuple[int, int, int]:
        """Voxels along x, y and z."""
        x, y, z = self.entry["geometry"]["size_ijk"]
        return int(x), int(y), int(z)

    @property
    def read(self) -> tuple[int, ...] | None:
        """The classes that the case was read for; None means all."""
        read = self.entry.get("read")
        return None if read is None else tuple(read)

    def load(self) -> PreparedCase:
        """Read the voxels.

        Raises
        ------
        DatasetError
            If the file is missing or damaged.
        """
        return _load(self.file, self.entry)


def save_case(folder: Path, case: PreparedCase) -> dict[str, Any]:
    """Write a case into the folder of a cache and return its entry in the index."""
    with atomic_path(folder / f"{case.name}.npz") as temporary:
        np.savez_compressed(temporary, image=case.image, label=case.label)
    return {
        "name": case.name,
        "file": f"{case.name}.npz",
        "geometry": case.geometry.to_json(),
        "phantom": case.phantom,
        "read": case.read,
        "patient": case.patient,
        "content_sha256": case.content_sha256,
    } | ({"morph": True} if case.morph else {})


def _load(path: Path, entry: dict[str, Any]) -> PreparedCase:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            image, label = arrays["image"], arrays["label"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"The prepared case {path} cannot be read ({type(error).__name__}).",
            f"Delete {path.parent}; it is made anew from the dataset.",
        ) from error
    read = entry.get("read")
    return PreparedCase(
        entry["name"],
        image,
        label,
        Geometry.from_json(entry["geometry"]),
        entry["phantom"],
        None if read is None else tuple(read),
        entry.get("patient", ""),
        morph=bool(entry.get("morph")),
    )
