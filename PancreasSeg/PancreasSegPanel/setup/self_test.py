"""The check behind ``PancreasSegTest``: a generated CT through the whole way, in the application itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import slicer

from PancreasSegPanel.scene.oriented_image import oriented_image, values_on
from PancreasSegPanel.scene.pancreas_segment import BINARY_LABELMAP, find_own_segment
from PancreasSegPanel.scene.patient_axes import ras_from_geometry
from PancreasSegPanel.scene.volume_node import add_volume

if TYPE_CHECKING:
    from PancreasSegLib.phantom.phantom import Phantom

LEAST_DICE = 0.2
"""A phantom is no patient: the model finds its pancreas, but need not outline it well."""


def segment_phantom(logic: Any) -> tuple[Any, Any, Phantom]:
    """Add a generated CT to the scene and segment it; return the CT, the segmentation and what was built in."""
    from PancreasSegLib.phantom import make_phantom

    phantom = make_phantom(seed=0, spacing_mm=(2.5, 2.5, 4.0))
    ct = add_volume(slicer.mrmlScene, phantom.ct, "PancreasSeg phantom")
    return ct, logic.segment(ct), phantom


def check_dice(segmentation: Any, phantom: Phantom) -> float:
    """Return the Dice of the segment Pancreas against what was built in.

    Raises
    ------
    AssertionError
        If there is no segment, or it is somewhere else.
    """
    from PancreasSegLib.phantom import PHANTOM_LABELS

    segment_id = find_own_segment(segmentation, "pancreas")
    assert segment_id is not None, "there is no segment Pancreas"
    segment = segmentation.GetSegmentation().GetSegment(segment_id)
    truth = (phantom.labels.voxels == PHANTOM_LABELS["pancreas"]).astype(np.uint8)
    like = oriented_image(truth, (0, 0, 0), ras_from_geometry(phantom.ct.geometry))
    found = values_on(segment.GetRepresentation(BINARY_LABELMAP), like) == segment.GetLabelValue()
    dice = 2.0 * np.count_nonzero(found & (truth > 0)) / (np.count_nonzero(found) + np.count_nonzero(truth))
    assert dice >= LEAST_DICE, f"the segment is not where the pancreas was built in (Dice {dice:.2f})"
    return float(dice)
