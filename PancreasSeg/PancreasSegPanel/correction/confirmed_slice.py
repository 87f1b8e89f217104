"""A slice that the reader confirms: what was seen of it, and whether it still is so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from PancreasSegLib.errors import MarkError
from PancreasSegLib.volume import Box, Geometry
from PancreasSegPanel.messages import slice_place
from PancreasSegPanel.scene.mark_map import BY_HAND
from PancreasSegPanel.scene.patient_axes import flip
from PancreasSegPanel.translation import translator

if TYPE_CHECKING:
    from PancreasSegLib.refine import Mark
    from PancreasSegLib.worker import CorrectionState
    from PancreasSegPanel.correction.state import SegmentCorrection
    from PancreasSegPanel.scene.mark_map import Drawn

_ = translator(__name__)

CHANGED = _("The slice has changed since it was confirmed.")
CHANGED_HINT = _("Look at it again, and press S once more.")


def confirm(segment: SegmentCorrection, waiting: Drawn, axis: int, index: int, geometry: Geometry) -> Mark:
    """Return the mark that confirms a slice as the segment shows it.

    Parameters
    ----------
    segment : SegmentCorrection
        The segment, and what a preview would make of it.
    waiting : sequence of (Box, ndarray of bool, int)
        What was marked and is not in the segment yet.
    axis, index : int
        The CT's axis (0 i, 1 j, 2 k) across the slice, and which slice it is.
    geometry : Geometry
        The CT's grid.

    Raises
    ------
    MarkError
        If the slice lies beside the CT or far from the organ, if a preview would change it, or if something was
        drawn in it that is not in the segment yet.
    """
    mark = _of_state(segment.state, axis, index, geometry)
    if not is_as_seen(mark, segment.current):
        raise MarkError(_("The preview changes this slice."), _("Accept (A) or reject (R) it first."))
    values = mark.values
    for box, voxels, value in waiting:
        shared = box.intersection(mark.box)
        if value & BY_HAND or shared.is_empty:
            continue  # of another slice: the newer word counts
        here = voxels[shared.slices_in(box)]
        if (here & (values[shared.slices_in(mark.box)] != value)).any():
            raise MarkError(
                _("What was drawn in this slice is not in the segment yet."),
                _("Let it be corrected (Ctrl+U), look at the slice, then confirm it."),
            )
    return mark


def _of_state(state: CorrectionState, axis: int, index: int, geometry: Geometry) -> Mark:
    """Return the mark of a slice; only its neighbourhood is looked at, a whole CT would take a while."""
    from PancreasSegLib.refine import Mark

    lower, upper = [0, 0, 0], list(geometry.size_ijk)
    lower[axis], upper[axis] = index - 2, index + 3
    slab = Box((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2])).clipped(geometry)
    if slab.is_empty:  # beside the CT, as the library says then
        slab = Box((0, 0, 0), (1, 1, 1))
    first = index - slab.lower_ijk[axis]
    mark = Mark.of_slice(state.within(slab)[0], slab.geometry(geometry), axis=axis, index=first)
    return Mark("slice", True, slab.part(mark.box), mark.voxels)


def is_as_seen(mark: Mark, state: CorrectionState) -> bool:
    """Whether a slice is still what it was when it was confirmed."""
    return bool(np.array_equal(state.within(mark.box)[0] > 0, mark.voxels))


def place_of(mark: Mark, geometry: Geometry) -> str:
    """Return where a slice lies, as the slice views write it: ``S 34.5 mm``."""
    axis = int(np.argmin(mark.box.size_ijk))
    middle = (np.add(mark.box.lower_ijk, mark.box.upper_ijk) - 1) / 2
    return slice_place(flip(tuple(geometry.index_to_lps(middle))), flip(tuple(geometry.matrix[:, axis])))
