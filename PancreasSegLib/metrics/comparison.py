"""All metrics of one mask at once."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from PancreasSegLib.metrics.overlap import as_masks, dice, iou, precision, recall, volume_error_ml, volume_ml
from PancreasSegLib.metrics.surface_area import bounding_slices
from PancreasSegLib.metrics.surface_distance import surface_distances


def compare(
    mask: ArrayLike,
    reference: ArrayLike,
    spacing_mm: Sequence[float],
    tolerances_mm: Sequence[float] = (1, 2, 3, 5),
) -> dict[str, float]:
    """Compare a mask with its reference by every metric; the surfaces are measured once.

    Parameters
    ----------
    mask, reference : array, shape (z, y, x)
        Anything but zero is inside.
    spacing_mm : sequence of 3 float
        Along i, j, k.
    tolerances_mm : sequence of float
        Of the normalised surface Dice.

    Returns
    -------
    dict of str to float
        ``dice``, ``iou``, ``precision``, ``recall``, ``nsd_1mm`` and so on, ``hd95_mm``, ``hd_mm``, ``assd_mm``,
        ``volume_ml``, ``reference_ml``, ``volume_error_ml``. Both masks empty: 1, distances 0; one empty: 0,
        distances infinite.

    Raises
    ------
    GeometryError
        If the shapes differ or the spacing is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> cube = np.zeros((9, 9, 9), bool)
    >>> cube[3:6, 3:6, 3:6] = True
    >>> compare(cube, cube, (1, 1, 1))["nsd_3mm"]
    1.0
    """
    a, b = as_masks(mask, reference)
    box = bounding_slices(a | b)
    if box is not None:
        # nothing outside the box counts, and a scan is a hundred times larger
        a, b = a[box], b[box]
    surfaces = surface_distances(a, b, spacing_mm)
    return {
        "dice": dice(a, b),
        "iou": iou(a, b),
        "precision": precision(a, b),
        "recall": recall(a, b),
        **{f"nsd_{tolerance:g}mm": surfaces.nsd(tolerance) for tolerance in tolerances_mm},
        "hd95_mm": surfaces.hausdorff(95),
        "hd_mm": surfaces.hausdorff(100),
        "assd_mm": surfaces.assd(),
        "volume_ml": volume_ml(a, spacing_mm),
        "reference_ml": volume_ml(b, spacing_mm),
        "volume_error_ml": volume_error_ml(a, b, spacing_mm),
    }
