"""Where the correction of a case begins: its CT, the reference, and a mask that a model made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.data import Case
from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io import read_labels, read_volume
from PancreasSegLib.io.formats import READABLE_IMAGES
from PancreasSegLib.io.image_file import read_values
from PancreasSegLib.volume import AxisMap, Geometry, Volume


@dataclass(frozen=True, eq=False)
class CorrectionStart:
    """One case before its first correction.

    Attributes
    ----------
    case : str
        The patient.
    ct : Volume
        HU.
    reference, mask : ndarray of bool, shape (z, y, x)
        The organ as it is, and as the model found it, on the CT's grid.
    probability : Volume or None
        The model's foreground probability, 0 to 1, on its own grid.
    package : Path or None
        The model package that made the mask; its refiner, if it has one, never saw the patient either.
    """

    case: str
    ct: Volume
    reference: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    probability: Volume | None = None
    package: Path | None = None


def read_start(case: Case, value: int, masks: Path, *, package: Path | None = None) -> CorrectionStart:
    """Read a case and the mask that is to be corrected.

    Parameters
    ----------
    case : Case
        CT and reference.
    value : int
        Value of the organ in the reference.
    masks : Path
        Folder with ``NAME.nii.gz`` (any voxel but 0 is organ) and, optionally, ``NAME_probability.nii.gz`` (on any
        grid parallel to the CT's); other image formats will do as well.
    package : Path, optional
        The model package that made the mask.

    Raises
    ------
    DatasetError
        If there is no mask, or a file does not lie on the CT's grid.
    UnreadableFileError
        If a file cannot be read.
    """
    ct = read_volume(case.image, assume_ct=True)
    reference = read_labels(case.label)
    _check_grid(reference.geometry, ct.geometry, case.label)
    path = image_file(masks, case.name)
    if path is None:
        raise DatasetError(
            f"There is no mask of {case.name} in {masks}.",
            f"Put it there as {case.name}.nii.gz, or leave the case out with --cases.",
        )
    mask = read_labels(path)
    _check_grid(mask.geometry, ct.geometry, path)
    file = image_file(masks, f"{case.name}_probability")
    probability = None if file is None else read_values(file)
    if probability is not None and not _parallel(probability.geometry, ct.geometry):
        raise DatasetError(f"The axes of {file} are not parallel to those of its CT.", "Resample it to the CT.")
    return CorrectionStart(case.name, ct, reference.voxels == value, mask.voxels != 0, probability, package)


def image_file(folder: Path, stem: str) -> Path | None:
    """Return the image of that name in a folder, whatever its format; None if there is none."""
    return next((folder / f"{stem}{end}" for end in READABLE_IMAGES if (folder / f"{stem}{end}").is_file()), None)


def _parallel(one: Geometry, other: Geometry) -> bool:
    """Whether the axes of two grids are parallel, in whatever order and direction."""
    matrices = [AxisMap.to_canonical(grid).target.matrix for grid in (one, other)]
    return np.allclose(matrices[0], matrices[1], atol=1e-3)


def _check_grid(grid: Geometry, ct: Geometry, path: Path) -> None:
    if not grid.matches(ct, tolerance_mm=0.1):
        raise DatasetError(f"{path} does not lie on the grid of its CT.", "Resample it to the CT.")
