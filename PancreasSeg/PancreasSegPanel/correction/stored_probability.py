"""The probability behind a segment, kept in memory with it: what correction and doubt work from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.volume import Geometry, Volume
from PancreasSegPanel.scene.confidence_map import find_confidence_map
from PancreasSegPanel.scene.ct_node import geometry_of, voxels_of
from PancreasSegPanel.scene.pancreas_segment import label_of

_ORGAN = "pancreas"


@dataclass(frozen=True, eq=False)
class _Kept:
    ct_id: str
    geometry: Geometry
    probability: Volume


class KeptProbabilities:
    """Probability crops by segment."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._moved: dict[tuple[str, str], tuple[Geometry, Volume]] = {}

    def put(self, node: Any, segment_id: str, ct: Any, geometry: Geometry, probability: Volume) -> None:
        """Keep what a run found.

        Parameters
        ----------
        node, segment_id
            The segment that was made from it.
        ct : vtkMRMLScalarVolumeNode
            What was segmented.
        geometry : Geometry
            The CT's grid in the world at that time.
        probability : Volume
            Foreground probability on the crop's own grid.
        """
        key = (node.GetID(), segment_id)
        self._kept[key] = _Kept(ct.GetID(), geometry, probability)
        self._moved.pop(key, None)

    def of(self, scene: Any, node: Any, segment_id: str, ct: Any) -> Volume | None:
        """Return the probability where the CT is now, None without one.

        In a scene that was saved with a confidence map, that map is taken. The same object is returned as long as
        the CT stays where it is.
        """
        key = (node.GetID(), segment_id)
        now = geometry_of(ct)
        if key in self._moved and self._moved[key][0] == now:
            return self._moved[key][1]
        kept = self._kept.get(key)
        found: Volume | None = None
        if kept is not None and kept.ct_id == ct.GetID() and kept.geometry.size_ijk == now.size_ijk:
            found = kept.probability if kept.geometry == now else moved(kept.probability, kept.geometry, now)
        elif kept is None:
            found = _from_map(scene, node, segment_id, ct)
        if found is not None:
            self._moved[key] = (now, found)
        return found

    def forget(self, node_id: str, segment_id: str | None = None) -> None:
        """Forget one segment of a node, or all of them; a node may also be the CT."""
        for kept in (self._kept, self._moved):
            for key in [key for key in kept if key[0] == node_id and segment_id in (None, key[1])]:
                del kept[key]
        for key in [key for key, held in self._kept.items() if held.ct_id == node_id]:
            del self._kept[key]
            self._moved.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._moved.clear()


def moved(volume: Volume, then: Geometry, now: Geometry) -> Volume:
    """Return a crop of a CT after the CT was moved as a whole; the voxels are shared."""
    turn = now.matrix @ then.matrix.T
    crop = volume.geometry
    origin = now.index_to_lps(then.lps_to_index(crop.origin_lps))
    direction = tuple((turn @ crop.matrix).ravel())
    return Volume(volume.voxels, Geometry(crop.size_ijk, crop.spacing_mm, tuple(origin), direction))


def _from_map(scene: Any, node: Any, segment_id: str, ct: Any) -> Volume | None:
    """Return the probability of a confidence map that was saved with the scene."""
    segment = node.GetSegmentation().GetSegment(segment_id)
    if segment is None or label_of(segment) != _ORGAN:
        return None
    shown = find_confidence_map(scene, ct)
    if shown is None:
        return None
    try:
        voxels = np.clip(np.nan_to_num(voxels_of(shown)), 0.0, 1.0).astype(np.float16)
        return Volume(voxels, geometry_of(shown))
    except PancreasSegError:
        return None
