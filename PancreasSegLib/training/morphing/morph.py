"""One case in the shape of another patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from PancreasSegLib.metrics import dice
from PancreasSegLib.training.morphing.deformation import Deformation, sampled
from PancreasSegLib.training.morphing.registration import one_hot_masks, register_labels
from PancreasSegLib.training.prepared import PreparedCase
from PancreasSegLib.volume import Geometry

LEAST_DICE = 0.5
"""Of the morphed organ with the shape, below which a morph is no use."""
MOST_FOLDED = 0.03
"""Share of voxels squeezed to nothing or turned inside out, above which it is none either."""


@dataclass(frozen=True, eq=False)
class OrganShape:
    """The organs of a patient without a CT.

    Attributes
    ----------
    name : str
        The patient.
    label : ndarray of uint8, shape (z, y, x)
        Class indices on the grid of a stage.
    geometry : Geometry
        That grid.
    """

    name: str
    label: NDArray[np.uint8]
    geometry: Geometry


@dataclass(frozen=True, eq=False)
class Morph:
    """A case in another shape, and how well that went.

    Attributes
    ----------
    case : PreparedCase
        CT and label moved alike.
    organ_dice : float
        Of the moved organ with the shape's.
    folded_share : float
        See `Deformation.folded_share`.
    """

    case: PreparedCase
    organ_dice: float
    folded_share: float

    @property
    def good(self) -> bool:
        """Whether it looks like a patient."""
        return self.organ_dice >= LEAST_DICE and self.folded_share <= MOST_FOLDED


def morph_case(case: PreparedCase, shape: OrganShape, *, classes: int, organ: int) -> Morph:
    """Move CT and label of a case so that its organs lie as those of a shape.

    The label is the case's own, moved like the CT, so the two agree wherever the fit is poor.

    Parameters
    ----------
    case : PreparedCase
        Of a patient with CT, cropped around the organ.
    shape : OrganShape
        Of another patient, on the same spacing.
    classes : int
        Number of classes, the background included.
    organ : int
        The class that counts.
    """
    deformation = register_labels(case.label, shape.label, shape.geometry.spacing_mm, classes=classes, organ=organ)
    size = shape.geometry.shape_zyx
    position = deformation.at(size)
    label = _moved_label(case, position, deformation, classes)
    image = sampled(torch.from_numpy(case.image)[None].float(), position, deformation.source_mm)[0]
    moved = PreparedCase(
        f"{case.name}--{shape.name}",
        image.round().clamp(0, 255).to(torch.uint8).numpy(),
        label,
        shape.geometry,
        read=case.read,
        patient=case.patient,
        morph=True,
    )
    return Morph(moved, dice(label == organ, shape.label == organ), deformation.folded_share(size))


def _moved_label(
    case: PreparedCase, position: torch.Tensor, deformation: Deformation, classes: int
) -> NDArray[np.uint8]:
    moved = sampled(one_hot_masks(case.label, classes), position, deformation.source_mm)
    return moved.argmax(0).to(torch.uint8).numpy()
