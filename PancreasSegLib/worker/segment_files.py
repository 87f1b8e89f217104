"""A segmentation as an answer with files, and back: what is cut away on one side is known on the other."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PancreasSegLib.volume import Box, Geometry
from PancreasSegLib.worker.arrays import REPLY_PREFIX, array_reference, read_volume_array, remove_arrays
from PancreasSegLib.worker.request import SegmentReply

if TYPE_CHECKING:
    from PancreasSegLib.inference import Segmentation


def write_segmentation(folder: Path, name: str, result: Segmentation, *, probability: bool) -> dict[str, Any]:
    """Write the mask, cut to its bounding box, and the probability crops.

    Parameters
    ----------
    folder : Path
        The private folder.
    name : str
        Part of the files' names, one a request.
    result : Segmentation
    probability : bool
        Whether the probability crops are written.

    Returns
    -------
    dict
        The answer to ``segment``; a mask without a voxel has neither array nor box.
    """
    answer: dict[str, Any] = {
        "mask": None,
        "box_ijk": None,
        "geometry": result.geometry.to_json(),
        "labels": result.labels,
        "statistics": result.statistics,
        "warnings": [asdict(warning) for warning in result.warnings],
        "timings": result.timings,
        "provenance": result.provenance,
        "roi": result.roi.to_json() if result.roi else None,
        "probability": {},
    }
    try:
        box = Box.of_mask(result.mask)
        if box is not None:
            file = f"{REPLY_PREFIX}{name}-mask.npy"
            answer["mask"] = array_reference(file, box.geometry(result.geometry))
            answer["box_ijk"] = box.to_json()
            np.save(folder / file, np.ascontiguousarray(result.mask[box.slices_zyx]))
        crops = result.probability if probability else {}
        for number, (label, crop) in enumerate(crops.items()):
            file = f"{REPLY_PREFIX}{name}-probability-{number}.npy"
            answer["probability"][label] = array_reference(file, crop.geometry)
            np.save(folder / file, np.ascontiguousarray(crop.voxels, dtype=np.float16))
    except BaseException:
        remove_arrays(folder, answer)
        raise
    return answer


def read_segmentation(folder: Path, answer: dict[str, Any]) -> SegmentReply:
    """Read an answer to ``segment`` into memory and delete its files.

    Raises
    ------
    WorkerError
        If a file is not there.
    """
    from PancreasSegLib.inference.result import SegmentationWarning

    try:
        mask, box = np.zeros((0, 0, 0), dtype=np.uint8), None
        if answer["mask"] is not None:
            mask = read_volume_array(folder, answer["mask"], mapped=False).voxels
            box = Box.from_json(answer["box_ijk"])
        crops = {
            label: read_volume_array(folder, reference, mapped=False)
            for label, reference in answer["probability"].items()
        }
    finally:
        remove_arrays(folder, answer)
    return SegmentReply(
        mask=mask,
        box_ijk=box,
        geometry=Geometry.from_json(answer["geometry"]),
        labels=answer["labels"],
        statistics=answer["statistics"],
        warnings=[SegmentationWarning(**warning) for warning in answer["warnings"]],
        timings=answer["timings"],
        provenance=answer["provenance"],
        roi=answer["roi"],
        probability=crops,
    )
