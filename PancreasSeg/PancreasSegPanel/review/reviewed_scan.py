"""One scan of a cohort in the scene, with the mask that a reader answers to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Box, Volume
from PancreasSegPanel.scene.ct_node import crop_of, geometry_of, voxels_of
from PancreasSegPanel.scene.segment_on_ct import read_segment
from PancreasSegPanel.scene.segment_writing import new_segmentation, write_segments
from PancreasSegPanel.scene.volume_node import add_volume

if TYPE_CHECKING:
    from PancreasSegLib.cohort.review import OpenedScan
    from PancreasSegPanel.correction.sessions import OpenCorrections

_ORGAN = "pancreas"


@dataclass(frozen=True, eq=False)
class ReviewedScan:
    """What lies in the scene of a scan.

    Attributes
    ----------
    scan : str
        Its id in the cohort.
    ct : vtkMRMLScalarVolumeNode
    segmentation : vtkMRMLSegmentationNode
    segment_id : str
    before : ndarray of bool, shape (z, y, x)
        The mask as it was when it was opened.
    """

    scan: str
    ct: Any
    segmentation: Any
    segment_id: str
    before: NDArray[np.bool_]

    @classmethod
    def show(cls, scene: Any, corrections: OpenCorrections, scan: str, opened: OpenedScan) -> ReviewedScan:
        """Add CT and mask to the scene; corrections work from the probability that the run kept."""
        ct = add_volume(scene, opened.ct, scene.GenerateUniqueName(f"Scan {scan}"))
        segmentation = new_segmentation(scene, ct)
        geometry = geometry_of(ct)
        inside = opened.parts != 0
        box = Box.of_mask(inside) or Box((0, 0, 0), (1, 1, 1))
        mask = inside[box.slices_zyx].astype(np.uint8)
        hu = crop_of(ct, box.slices_zyx)
        written = write_segments(scene, ct, segmentation, mask, box, geometry, {_ORGAN: 1}, hu)
        segment_id = written.segment_ids[_ORGAN]
        if opened.probability is not None:
            corrections.take_probability(segmentation, segment_id, ct, opened.probability)
        return cls(scan, ct, segmentation, segment_id, inside)

    def mask(self) -> NDArray[np.bool_]:
        """Return the segment as it is now, on the CT's grid."""
        now = np.zeros(self.before.shape, bool)
        found = read_segment(self.segmentation, self.segment_id, geometry_of(self.ct))
        if found.box is not None:
            now[found.box.slices_zyx] = found.mask != 0
        return now

    def volume(self) -> Volume:
        """Return a copy of the CT."""
        return Volume(voxels_of(self.ct).copy(), geometry_of(self.ct))

    @property
    def changed(self) -> bool:
        """Whether the mask is another than the one that was opened."""
        return not np.array_equal(self.mask(), self.before)

    def remove(self) -> None:
        """Take both nodes out of the scene."""
        for node in (self.segmentation, self.ct):
            if node.GetScene() is not None:
                node.GetScene().RemoveNode(node)
