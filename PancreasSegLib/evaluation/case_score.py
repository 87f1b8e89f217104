"""The scores of one case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.metrics import dice, surface_distances
from PancreasSegLib.volume import Geometry


@dataclass(frozen=True)
class CaseScore:
    """How one predicted mask compares with its reference, on the reference's grid.

    Attributes
    ----------
    case : str
        The patient.
    dice : float
        Dice coefficient; both empty is 1, one empty is 0.
    nsd_1mm, nsd_2mm, nsd_3mm, nsd_5mm : float
        Normalised surface Dice at that tolerance.
    hd95_mm : float
        95 % Hausdorff distance in mm; infinite when one mask is empty.
    volume_ml, reference_ml : float
        Volumes in mL.
    confidence : float
        Expected Dice as the run reported it, NaN if it reported none.
    seconds : float
        Time of the prediction.
    error : str
        Why there is no mask, else empty; such a case counts with Dice 0.
    """

    case: str
    dice: float
    nsd_1mm: float
    nsd_2mm: float
    nsd_3mm: float
    nsd_5mm: float
    hd95_mm: float
    volume_ml: float
    reference_ml: float
    confidence: float = float("nan")
    seconds: float = float("nan")
    error: str = ""

    @property
    def volume_error_ml(self) -> float:
        """Predicted minus reference volume in mL."""
        return self.volume_ml - self.reference_ml


def score_mask(
    case: str,
    mask: NDArray,
    reference: NDArray,
    geometry: Geometry,
    *,
    confidence: float = float("nan"),
    seconds: float = float("nan"),
    error: str = "",
) -> CaseScore:
    """Compare a binary mask with its reference.

    Parameters
    ----------
    case : str
        The patient.
    mask, reference : ndarray of bool, shape (z, y, x)
        Masks on `geometry`.
    geometry : Geometry
        Their common grid.
    confidence, seconds, error
        Carried into the result.

    Examples
    --------
    >>> import numpy as np
    >>> cube = np.zeros((9, 9, 9), bool); cube[3:6, 3:6, 3:6] = True
    >>> score_mask("cube", cube, cube, Geometry((9, 9, 9), (1.0, 1.0, 1.0))).dice
    1.0
    """
    mask, reference = np.asarray(mask, dtype=bool), np.asarray(reference, dtype=bool)
    surface = surface_distances(mask, reference, geometry.spacing_mm)
    return CaseScore(
        case,
        dice=dice(mask, reference),
        nsd_1mm=surface.nsd(1.0),
        nsd_2mm=surface.nsd(2.0),
        nsd_3mm=surface.nsd(3.0),
        nsd_5mm=surface.nsd(5.0),
        hd95_mm=surface.hausdorff(95),
        volume_ml=float(mask.sum()) * geometry.voxel_volume_ml,
        reference_ml=float(reference.sum()) * geometry.voxel_volume_ml,
        confidence=confidence,
        seconds=seconds,
        error=error,
    )
