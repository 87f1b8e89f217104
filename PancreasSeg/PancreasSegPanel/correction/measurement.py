"""The figures of a segment while it is corrected: measured again in the background after every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PancreasSegLib.volume import Geometry, Volume
from PancreasSegPanel.scene.ct_node import voxels_of
from PancreasSegPanel.scene.measurement import Measurement, find_measurement, store_measurement
from PancreasSegPanel.scene.pancreas_segment import label_of
from PancreasSegPanel.translation import translator

if TYPE_CHECKING:
    from PancreasSegLib.worker import CorrectionState
    from PancreasSegPanel.work.background import BackgroundJob

_ = translator(__name__)

NOTE = _("Corrected by hand.")


class CorrectedMeasurement:
    """Keeps the measurement that a segmentation carries true to a segment that is corrected.

    A segment that PancreasSeg did not measure is left alone. The model's confidence does not speak of a mask that
    was corrected, so it goes; it comes back when everything is taken back.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
    segment_id : str
    ct : vtkMRMLScalarVolumeNode
    work : callable
        Does a job in another thread, and hands it to a callback when it is done.
    on_renewed : callable
        Called when the figures have changed.
    """

    def __init__(
        self,
        node: Any,
        segment_id: str,
        ct: Any,
        work: Callable[[Callable[[], Any], Callable[[BackgroundJob], None]], Any],
        on_renewed: Callable[[], None],
    ) -> None:
        self._node, self._segment_id, self._ct = node, segment_id, ct
        self._work, self._on_renewed = work, on_renewed
        self._first: tuple[CorrectionState, Measurement | None] | None = None
        self._measured: CorrectionState | None = None
        self._wanted: tuple[CorrectionState, Geometry] | None = None
        self._running = False

    def begin(self, state: CorrectionState) -> None:
        """Take the segment as it is as measured already."""
        self._first, self._measured, self._wanted = (state, self._own()), state, None

    def begin_again(self) -> None:
        """The other thread's work was dropped: the next step begins it again."""
        self._running, self._measured = False, None

    def renew(self, state: CorrectionState, geometry: Geometry) -> None:
        """Measure the segment again if it is another one; returns at once."""
        self._wanted = (state, geometry)
        self._next()

    def _next(self) -> None:
        """Begin to measure what is wanted, unless that is known or another measurement runs."""
        if self._running or self._wanted is None or self._first is None:
            return
        state, geometry = self._wanted
        first, figures = self._first
        if state is self._measured or figures is None or self._own() is None:
            return
        self._measured, self._running = state, True
        crop = None
        if state.box is not None:
            hu = np.array(voxels_of(self._ct)[state.box.slices_zyx])  # a copy: the node may go meanwhile
            crop = Volume(hu, state.box.geometry(geometry))
        self._work(_Measuring(first, state, crop), lambda done: self._take(figures, done))

    def _take(self, first: Measurement, done: BackgroundJob) -> None:
        self._running = False
        begun_anew = self._first is None or self._first[1] is not first
        if done.error is None and not begun_anew and self._own() is not None:
            self._keep(first if done.result is None else _renew(first, done.result))
        self._next()

    def _keep(self, figures: Measurement) -> None:
        if self._own() != figures:
            store_measurement(self._node, figures)
            self._on_renewed()

    def _own(self) -> Measurement | None:
        """Return what the segmentation carries, if it speaks of this segment."""
        segment = self._node.GetSegmentation().GetSegment(self._segment_id)
        figures = find_measurement(self._node)
        return (
            figures if segment is not None and figures is not None and figures.label == label_of(segment) else None
        )


def _renew(first: Measurement, found: dict[str, Any]) -> Measurement:
    extent, centre = found["extent_mm"], found["centre_lps"]
    return replace(
        first,
        volume_ml=found["volume_ml"],
        mean_hu=found["mean_hu"],
        sd_hu=found["sd_hu"],
        extent_mm=tuple(extent) if extent else None,
        centre_lps=tuple(centre) if centre else None,
        confidence=None,
        notes=[*first.notes, *([] if NOTE in first.notes else [NOTE])],
    )


class _Measuring:
    """A job for another thread: figures of a state, None if its mask is that of the first one."""

    def __init__(self, first: CorrectionState, state: CorrectionState, ct: Volume | None) -> None:
        self._first, self._state, self._ct = first, state, ct

    def __call__(self) -> dict[str, Any] | None:
        from PancreasSegLib.postprocess.statistics import label_statistics

        if self._state.same_mask(self._first):
            return None
        if self._ct is None:
            return {"volume_ml": 0.0, "mean_hu": None, "sd_hu": None, "extent_mm": None, "centre_lps": None}
        return label_statistics(self._state.mask != 0, self._ct)
