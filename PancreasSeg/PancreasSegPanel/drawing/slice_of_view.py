"""Which slice of the CT a slice view shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from PancreasSegLib.errors import MarkError
from PancreasSegLib.volume import Geometry
from PancreasSegPanel.scene.patient_axes import lps_from_ras
from PancreasSegPanel.translation import translator

_ = translator(__name__)

OBLIQUE_DEG = 3.0
"""A view that is turned further against the CT shows parts of several slices."""


def slice_of_view(
    slice_to_ras: ArrayLike, geometry: Geometry, organ_ras: ArrayLike | None = None, view: str = "shown"
) -> tuple[int, int]:
    """Return the CT's axis across the slice that a view shows, and the number of that slice.

    Parameters
    ----------
    slice_to_ras : array_like, shape (4, 4)
        The view's plane.
    geometry : Geometry
        The CT's grid in the world.
    organ_ras : array_like, shape (3,), optional
        Where a view that is turned a little is looked at; its middle by default. RAS in mm.
    view : str
        Name of the view.

    Raises
    ------
    MarkError
        If the view is turned against the CT's slices, rows and columns.

    Examples
    --------
    >>> plane = np.diag([-1.0, 1.0, 1.0, 1.0]); plane[2, 3] = 11.0
    >>> slice_of_view(plane, Geometry((40, 40, 20), (1.0, 1.0, 2.5)))
    (2, 4)
    """
    plane = np.asarray(slice_to_ras, dtype=np.float64)
    normal, middle = lps_from_ras(plane[:3, 2]), lps_from_ras(plane[:3, 3])
    along = geometry.matrix.T @ (normal / np.linalg.norm(normal))
    axis = int(np.argmax(np.abs(along)))
    turned = float(np.degrees(np.arccos(min(1.0, abs(along[axis])))))
    if turned > OBLIQUE_DEG:
        raise MarkError(
            _("The slice view {view} is turned against the CT's slices by {turned:.0f}°.").format(
                view=view, turned=turned
            ),
            _("Press Rotate to volume plane in its bar, or take another view."),
        )
    if organ_ras is not None:  # where the line across the slices through the organ meets the plane
        organ = lps_from_ras(organ_ras)
        across = geometry.matrix[:, axis]
        middle = organ + ((middle - organ) @ normal) / (across @ normal) * across
    return axis, round(float(geometry.lps_to_index(middle)[axis]))
