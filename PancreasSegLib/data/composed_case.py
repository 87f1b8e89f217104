"""A source case with the labels that were chosen, merged into one mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.data.adapters.source_case import Remark, SourceCase
from PancreasSegLib.data.label_selection import LabelSelection
from PancreasSegLib.data.provenance import ASSUMED_CT
from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.hounsfield import ASSUMED
from PancreasSegLib.volume import Volume


@dataclass(frozen=True, eq=False)
class ComposedCase:
    """CT and mask, as they will be written.

    Attributes
    ----------
    ct : Volume
        HU.
    mask : ndarray of uint8, shape (z, y, x)
        Label values on the CT's grid.
    values : dict of str to int
        The labels that the case was read for.
    remarks : tuple of Remark
    facts : dict of str to str
        What was found out while reading.
    """

    ct: Volume
    mask: NDArray[np.uint8]
    values: dict[str, int]
    remarks: tuple[Remark, ...]
    facts: dict[str, str]


def compose(
    case: SourceCase, selection: LabelSelection, values: Mapping[str, int], *, assume_ct: bool = False
) -> ComposedCase:
    """Read a case and merge its structures into the labels.

    Where labels overlap, the smaller one lies on top: a tumour in its organ, an organ in the skin.

    Parameters
    ----------
    case : SourceCase
    selection : LabelSelection
        What becomes which label.
    values : mapping of str to int
        Value of each label in the mask.
    assume_ct : bool
        Take the voxels as HU even if they do not look like it.

    Raises
    ------
    DatasetError
        If the case was read for none of the labels, or its labels do not lie on its CT.
    PancreasSegError
        If a file cannot be read or is no CT.
    """
    read = selection.of_case(case.structures)
    if not read:
        raise DatasetError(f"{case.name} was read for none of the labels.")
    ct = case.read_ct(assume_ct=assume_ct)
    reading = case.read_labels(ct)
    mask = np.zeros(ct.geometry.shape_zyx, np.uint8)
    size = np.zeros(256, np.int64)
    for name, structures in read.items():
        inside = _union(structures, reading.mask)
        value = values[name]
        size[value] = np.count_nonzero(inside)
        under = mask[inside]
        mask[inside] = np.where((under == 0) | (size[under] >= size[value]), value, under)
    remarks = list(reading.remarks)
    remarks += [
        Remark("repaired", warning["sentence"])
        for warning in ct.source.get("warnings", [])
        if "sentence" in warning
    ]
    remarks += [
        Remark("label-hidden", f"{name} lies wholly under smaller labels, so nothing of it is in the mask.")
        for name in read
        if size[values[name]] and not (mask == values[name]).any()
    ]
    facts = dict(reading.facts)
    if any(warning["code"] == ASSUMED for warning in ct.source.get("warnings", [])):
        facts[ASSUMED_CT] = "yes"
    return ComposedCase(ct, mask, {name: values[name] for name in read}, tuple(remarks), facts)


def _union(structures: Sequence[str], mask_of: Callable[[str], NDArray[np.bool_]]) -> NDArray[np.bool_]:
    union = mask_of(structures[0])
    for structure in structures[1:]:
        union = union | mask_of(structure)
    return union
