"""The probability that a correction works from: learnt from its marks, else what the network has found."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from PancreasSegLib.refine.doubt import doubtful_slices
from PancreasSegPanel.correction.step import DoubtfulPlace
from PancreasSegPanel.correction.stored_probability import moved
from PancreasSegPanel.scene.ct_node import geometry_of

if TYPE_CHECKING:
    from PancreasSegLib.volume import Geometry, Volume
    from PancreasSegLib.worker import CorrectionState


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
        self._moved: tuple[Volume, Geometry, Volume] | None = None

    def learnt(self, probability: Volume, geometry: Geometry) -> None:
        """Remember where the CT was when a probability was learnt."""
        self._learnt_at[probability] = geometry

    def of(self, state: CorrectionState) -> Volume | None:
        """Return what a state goes with, where the CT is now; None without any.

        The same object is returned as long as the CT stays where it is, so that it is sent once.
        """
        if state.probability is None:
            return self._network()
        now = geometry_of(self._ct)
        then = self._learnt_at.get(state.probability, now)
        if then == now:
            return state.probability
        if self._moved is None or self._moved[0] is not state.probability or self._moved[1] != now:
            self._moved = (state.probability, now, moved(state.probability, then, now))
        return self._moved[2]

    def doubtful_places(self, state: CorrectionState, marks: Volume | None) -> list[DoubtfulPlace]:
        """Return where it is in doubt, most doubtful first, without what was marked; empty without any."""
        probability = self.of(state)
        if probability is None:
            return []
        return [DoubtfulPlace.of(place) for place in doubtful_slices(probability, marks=marks)]
