"""The segment that is corrected: what it is now, and writing a part of it as one step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Box, Geometry
from PancreasSegLib.worker import CorrectionState
from PancreasSegPanel.scene.ct_node import crop_of, geometry_of
from PancreasSegPanel.scene.masking import protection
from PancreasSegPanel.scene.oriented_image import oriented_image
from PancreasSegPanel.scene.pancreas_segment import Snapshot, begin_work, restore, snapshot
from PancreasSegPanel.scene.segment_editor_history import save_state
from PancreasSegPanel.scene.segment_on_ct import frame_of, lies_on, read_segment, stamp_of, write_segment
from PancreasSegPanel.translation import translator

_ = translator(__name__)

_MOVED_MM = 1e-3


@dataclass(frozen=True, eq=False)
class PartWritten:
    """What was written inside a box.

    Attributes
    ----------
    mask : ndarray of uint8, shape (z, y, x)
        What is there now: protected voxels keep what they were.
    left_out : int
        Voxels that are protected.
    reasons : list of str
        What protects them.
    original : Snapshot or None
        The segment as it was, if it had to be brought onto the CT's grid.
    """

    mask: NDArray[np.uint8]
    left_out: int = 0
    reasons: list[str] = field(default_factory=list)
    original: Snapshot | None = None


class CorrectionTarget:
    """One segment.

    Parameters
    ----------
    scene : vtkMRMLScene
    node : vtkMRMLSegmentationNode
    segment_id : str
    ct : vtkMRMLScalarVolumeNode
    """

    def __init__(self, scene: Any, node: Any, segment_id: str, ct: Any) -> None:
        self._scene, self._node, self._segment_id, self._ct = scene, node, segment_id, ct
        geometry = geometry_of(ct)
        self._size, self._frame = geometry.size_ijk, frame_of(node, geometry)
        self._stamp: tuple[Any, ...] = ()

    @property
    def is_there(self) -> bool:
        """Whether node, segment and CT are still in the scene."""
        return (
            self._scene.GetNodeByID(self._node.GetID() or "") is self._node
            and self._scene.GetNodeByID(self._ct.GetID() or "") is self._ct
            and self._node.GetSegmentation().GetSegment(self._segment_id) is not None
        )

    def problem(self) -> str:
        """Return why it cannot be corrected any more, empty while it can."""
        if not self.is_there:
            return _("The segment or its CT is gone; the correction has ended.")
        geometry = geometry_of(self._ct)
        moved = np.abs(frame_of(self._node, geometry) - self._frame).max() > _MOVED_MM
        if geometry.size_ijk != self._size or moved:
            return _("CT and segmentation were moved apart; the correction has ended.")
        return ""

    def lies_on(self, geometry: Geometry) -> bool:
        """Whether the segment's voxels are those of the CT's grid."""
        return lies_on(self._node, self._segment_id, geometry)

    def read(self, geometry: Geometry) -> CorrectionState:
        """Return the segment as it is now, as a state without marks."""
        self._stamp = stamp_of(self._node, self._segment_id)
        found = read_segment(self._node, self._segment_id, geometry)
        return CorrectionState(found.box, found.mask, np.zeros_like(found.mask))

    def read_if_changed(self, geometry: Geometry) -> CorrectionState | None:
        """Return the segment as it is now if it was touched since it was read or written here, else None."""
        return None if stamp_of(self._node, self._segment_id) == self._stamp else self.read(geometry)

    def write(
        self, geometry: Geometry, box: Box, mask: NDArray[np.uint8], before: NDArray[np.uint8]
    ) -> PartWritten:
        """Write what differs from `before` inside a box, as one step of the Segment Editor.

        Parameters
        ----------
        geometry : Geometry
            The CT's grid in the world.
        box : Box
            Where.
        mask, before : ndarray of uint8, shape (z, y, x)
            What shall be there, and what is.
        """
        like = oriented_image(np.zeros_like(mask), box.lower_ijk, frame_of(self._node, geometry))
        kept = protection(
            self._scene,
            self._node,
            like,
            self._ct,
            crop_of(self._ct, box.slices_zyx),
            {self._segment_id},
            ours_too=True,
        )
        wanted = mask != before
        left_out = int(np.count_nonzero(wanted & kept.voxels))
        written = np.where(kept.voxels, before, mask).astype(np.uint8)
        original = None
        if not self.lies_on(geometry):
            original = snapshot(self._node, [self._segment_id])
        if original is not None or not np.array_equal(written, before):
            self._put(geometry, box, written)
        return PartWritten(written, left_out, kept.reasons if left_out else [], original)

    def put_back(self, geometry: Geometry, box: Box, mask: NDArray[np.uint8], original: Snapshot | None) -> None:
        """Write a part as it was, whatever is protected by now: it takes nothing from any other segment."""
        if original is None:
            self._put(geometry, box, mask)
            return
        save_state(self._scene, self._node)
        restore(self._scene, original)
        self._stamp = stamp_of(self._node, self._segment_id)

    def _put(self, geometry: Geometry, box: Box, mask: NDArray[np.uint8]) -> None:
        save_state(self._scene, self._node)
        changing = self._node.StartModify()
        try:
            write_segment(self._node, self._segment_id, geometry, box, mask)
            begin_work(self._node, self._segment_id)
        finally:
            self._node.EndModify(changing)
        self._stamp = stamp_of(self._node, self._segment_id)
