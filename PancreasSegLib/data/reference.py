"""CT and reference of a case, with the checks that come before anything is learnt from it or measured on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.data.adapters.label_grid import on_grid
from PancreasSegLib.data.dataset import Case
from PancreasSegLib.data.provenance import ASSUMED_CT
from PancreasSegLib.data.structure_name import plain_name
from PancreasSegLib.errors import DatasetError, NotACTError
from PancreasSegLib.io import read_labels, read_volume
from PancreasSegLib.io.segmentation_file import SEGMENTS
from PancreasSegLib.volume import Volume

_IGNORE = "ignore"
_NAMELESS = re.compile(r"segment[_ ]?\d*", re.IGNORECASE)


def read_case(case: Case, labels: Mapping[str, int]) -> tuple[Volume, Volume]:
    """Read a case's CT and its reference on the CT's grid.

    Parameters
    ----------
    case : Case
    labels : mapping of str to int
        All labels of the dataset.

    Returns
    -------
    ct, reference : Volume
        HU; the dataset's values.

    Raises
    ------
    DatasetError
        If the CT is not in HU, or the reference lies elsewhere or holds what no label names.
    PancreasSegError
        If a file cannot be read.
    """
    ct = read_case_ct(case)
    return ct, Volume(read_reference(case.label, labels, ct), ct.geometry)


def read_case_ct(case: Case) -> Volume:
    """Read the CT of a case; one that does not look like HU only where it was prepared so.

    Raises
    ------
    DatasetError
        If it is not in HU.
    """
    assumed = case.record is not None and case.record.source.get(ASSUMED_CT) == "yes"
    try:
        return read_volume(case.image, assume_ct=assumed)
    except NotACTError as error:
        raise DatasetError(
            f"{case.name} cannot be used. {error.message}",
            "Mend it, or leave it out; if it is a CT all the same, prepare it by `pancreasseg data prepare` with"
            " --assume-ct.",
        ) from error


def read_reference(path: Path, labels: Mapping[str, int], ct: Volume) -> NDArray:
    """Return a reference on the grid of its CT, with the dataset's values.

    Parameters
    ----------
    path : Path
        A label map; or a segmentation of 3D Slicer, whose segments are told by their names.
    labels : mapping of str to int
    ct : Volume

    Returns
    -------
    ndarray, shape (z, y, x) of the CT

    Raises
    ------
    DatasetError
        If a value has no name, voxels are to be ignored, or it does not lie on its CT.
    """
    found = read_labels(path)
    array = on_grid(found, ct, path.name)
    if SEGMENTS in found.source:
        named = segment_values(found, tuple(name for name, value in labels.items() if value), path.name)
        result = np.zeros(array.shape, np.uint8 if max(labels.values()) < 256 else np.int16)
        for name, value in named.items():
            result[array == value] = labels[name]
        return result
    present = np.flatnonzero(np.bincount(array.ravel())) if array.dtype == np.uint8 else np.unique(array)
    known = {value for name, value in labels.items() if name.lower() != _IGNORE}
    unnamed = sorted(set(present.tolist()) - known - {0})
    if unnamed:
        listed = ", ".join(map(str, unnamed[:5])) + (" and more" if len(unnamed) > 5 else "")
        raise DatasetError(
            f"{path.name} holds {listed}, {'values' if len(unnamed) > 1 else 'a value'} that no label of the"
            " dataset names, so nobody knows what is there.",
            "Name all values in dataset.json, or mend the file.",
        )
    return array


def segment_values(segmentation: Volume, wanted: tuple[str, ...], what: str) -> dict[str, int]:
    """Return the value of each wanted label in a segmentation of 3D Slicer, by its segments' names.

    A single segment that was never named stands for a single label.

    Raises
    ------
    DatasetError
        If no segment has one of the names.
    """
    segments: Mapping[str, int] = segmentation.source[SEGMENTS]
    plain = {plain_name(name): value for name, value in segments.items()}
    found = {name: plain[plain_name(name)] for name in wanted if plain_name(name) in plain}
    if found:
        return found
    if len(wanted) == len(segments) == 1 and _NAMELESS.fullmatch(next(iter(segments))):
        return {wanted[0]: next(iter(segments.values()))}
    raise DatasetError(
        f"{what} holds the segment{'s' if len(segments) > 1 else ''} {', '.join(segments)}, and none is called"
        f" {' or '.join(wanted)}.",
        "Rename the segment in 3D Slicer.",
    )
