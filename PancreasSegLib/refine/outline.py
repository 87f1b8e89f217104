"""Outline an organ anew by a probability that has changed as a whole, with all that was marked as truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.refine.evidence import Window
from PancreasSegLib.refine.propagation import REACH_MM, applied, walked
from PancreasSegLib.refine.task import Task
from PancreasSegLib.refine.work_grid import WorkGrid
from PancreasSegLib.volume import Box, Volume

_WEIGHT = 0.3
"""Of probability and mask against the neighbours; more than for a mark, or many marks would pull from far away."""


def outlined_anew(
    ct: Volume, probability: Volume, mask: NDArray[np.bool_], marks: NDArray[np.uint8]
) -> tuple[Box, NDArray[np.bool_]]:
    """Return the organ inside a box: random walks from all marks, with the probability and the mask as priors.

    The mask has a say because marks have been carried into it already; a voxel far from it and from every mark is
    added only where its neighbours are.

    Parameters
    ----------
    ct : Volume
        HU.
    probability : Volume
        Of the organ, 0 to 1, on any grid.
    mask : ndarray of bool, shape (z, y, x)
        The organ as it is outlined now, on the CT's grid.
    marks : ndarray of uint8, shape (z, y, x)
        0 none, 1 included, 2 excluded; mask and marks are not both empty.

    Returns
    -------
    box : Box
        Around mask and marks, on the CT's grid.
    voxels : ndarray of bool, shape (z, y, x)
        The organ inside it.
    """
    around = Box.of_mask(mask | (marks != 0))
    assert around is not None
    box = around.grown(REACH_MM, ct.geometry)
    task = Task(ct, probability, mask, marks, box, marks[box.slices_zyx])
    grid = WorkGrid.around(box, ct.geometry, 0.0)
    window = Window.of(grid, task)
    found = walked(window, _WEIGHT)
    return box, applied(found, window.mask, grid, box, mask[box.slices_zyx])
