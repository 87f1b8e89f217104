"""The probability behind a segment, kept in memory with it: what correction and doubt work from.

A model finds it when it segments; learning from the marks gives another one. It lies on a crop of the CT and goes
where the CT goes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.refine.doubt import doubtful_slices
from PancreasSegLib.volume import Geometry, Volume
from PancreasSegPanel.correction.step import DoubtfulPlace
from PancreasSegPanel.scene.confidence_map import find_confidence_map
from PancreasSegPanel.scene.ct_node import geometry_of, voxels_of
from PancreasSegPanel.scene.pancreas_segment import label_of

if TYPE_CHECKING:
    from PancreasSegLib.worker import CorrectionState

_ORGAN = "pancreas"


class _Placed:
    """A probability, and where the CT was when it was found."""

    def __init__(self, volume: Volume, then: Geometry, ct_id: str = "") -> None:
        self.volume, self.then, self.ct_id = volume, then, ct_id
        self._moved = (then, volume)

    def at(self, now: Geometry) -> Volume:
        """Return it where the CT is now: the same object while the CT stays there, so that it is sent once."""
        if now == self.then:
            return self.volume
        if self._moved[0] != now:
            self._moved = (now, _move(self.volume, self.then, now))
        return self._moved[1]


class FoundProbabilities:
    """What models have found, by segment."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], _Placed] = {}
        self._maps: dict[tuple[str, str], tuple[Geometry, Volume]] = {}

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
        self._found[node.GetID(), segment_id] = _Placed(probability, geometry, ct.GetID())
        self._maps.pop((node.GetID(), segment_id), None)

    def find(self, scene: Any, node: Any, segment_id: str, ct: Any) -> Volume | None:
        """Return the probability where the CT is now, None without one.

        In a scene that was saved with a confidence map, that map is taken.
        """
        key, now = (node.GetID(), segment_id), geometry_of(ct)
        found = self._found.get(key)
        if found is not None:
            same = found.ct_id == ct.GetID() and found.then.size_ijk == now.size_ijk
            return found.at(now) if same else None
        if key not in self._maps or self._maps[key][0] != now:
            shown = _read_map(scene, node, segment_id, ct)
            if shown is None:
                return None
            self._maps[key] = (now, shown)
        return self._maps[key][1]

    def forget(self, node_id: str, segment_id: str | None = None) -> None:
        """Forget one segment of a node, or all of them; a node may also be the CT."""
        keys = {key for key in (*self._found, *self._maps) if key[0] == node_id and segment_id in (None, key[1])}
        for key in keys | {key for key, held in self._found.items() if held.ct_id == node_id}:
            self._found.pop(key, None)
            self._maps.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._found.clear()
        self._maps.clear()


class CorrectionProbability:
    """What goes with a state of one correction; a state without a probability goes with the network's.

    Parameters
    ----------
    ct : vtkMRMLScalarVolumeNode
        What is corrected on.
    network : callable
        Returns what the network has found, None where that is not known.
    """

    def __init__(self, ct: Any, network: Callable[[], Volume | None]) -> None:
        self._ct, self._network = ct, network
        self._learnt_at: WeakKeyDictionary[Volume, Geometry] = WeakKeyDictionary()
        self._moved: _Placed | None = None

    def remember(self, probability: Volume, geometry: Geometry) -> None:
        """Remember where the CT was when a probability was learnt."""
        self._learnt_at[probability] = geometry

    def of(self, state: CorrectionState) -> Volume | None:
        """Return what a state goes with, where the CT is now; None without any."""
        if state.probability is None:
            return self._network()
        now = geometry_of(self._ct)
        then = self._learnt_at.get(state.probability, now)
        if then == now:
            return state.probability
        if self._moved is None or self._moved.volume is not state.probability:
            self._moved = _Placed(state.probability, then)
        return self._moved.at(now)

    def doubtful_places(self, state: CorrectionState, marks: Volume | None) -> list[DoubtfulPlace]:
        """Return where it is in doubt, most doubtful first, without what was marked; empty without any."""
        probability = self.of(state)
        if probability is None:
            return []
        return [DoubtfulPlace.of(place) for place in doubtful_slices(probability, marks=marks)]


def _move(volume: Volume, then: Geometry, now: Geometry) -> Volume:
    """Return a crop of a CT after the CT was moved as a whole; the voxels are shared."""
    turn = now.matrix @ then.matrix.T
    crop = volume.geometry
    origin = now.index_to_lps(then.lps_to_index(crop.origin_lps))
    direction = tuple((turn @ crop.matrix).ravel())
    return Volume(volume.voxels, Geometry(crop.size_ijk, crop.spacing_mm, tuple(origin), direction))


def _read_map(scene: Any, node: Any, segment_id: str, ct: Any) -> Volume | None:
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
