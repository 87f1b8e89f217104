"""The figures of a segment while it is corrected: measured again in the background after every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PancreasSegLib.volume import Geometry, Volume
from PancreasSegPanel.ct_node import voxels_of
from PancreasSegPanel.measurement import Measurement, keep, kept
from PancreasSegPanel.own_segment import label_of

if TYPE_CHECKING:
    from PancreasSegLib.worker import CorrectionState
    from PancreasSegPanel.background import BackgroundJob

NOTE = "Corrected by hand."


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

    def begin(self, state: CorrectionState) -> None:
        """Take the segment as it is as measured already."""
        self._first, self._measured = (state, self._own()), state

    def renew(self, state: CorrectionState, geometry: Geometry) -> None:
        """Measure the segment again if it is another one; returns at once."""
        if state is self._measured or self._first is None or self._own() is None:
            return
        self._measured = state
        first, figures = self._first
        if figures is None:
            return
        crop = None
        if state.box is not None:
            hu = np.array(
                voxels_of(self._ct)[state.box.slices_zyx]
            )  # the node may go while the other thread reads
            crop = Volume(hu, state.box.geometry(geometry))
        job = _Measuring(first, state, crop)
        self._work(job, lambda done: self._take(state, figures, done))

    def _take(self, state: CorrectionState, first: Measurement, done: BackgroundJob) -> None:
        if done.error is not None or state is not self._measured or self._own() is None:
            return  # corrected again meanwhile
        found = done.result
        if found is None:
            self._keep(first)
            return
        extent, centre = found["extent_mm"], found["centre_lps"]
        notes = [*first.notes, *([] if NOTE in first.notes else [NOTE])]
        figures = replace(
            first,
            volume_ml=found["volume_ml"],
            mean_hu=found["mean_hu"],
            sd_hu=found["sd_hu"],
            extent_mm=tuple(extent) if extent else None,
            centre_lps=tuple(centre) if centre else None,
            confidence=None,
            notes=notes,
        )
        self._keep(figures)

    def _keep(self, figures: Measurement) -> None:
        if self._own() != figures:
            keep(self._node, figures)
            self._on_renewed()

    def _own(self) -> Measurement | None:
        """Return what the segmentation carries, if it speaks of this segment."""
        segment = self._node.GetSegmentation().GetSegment(self._segment_id)
        figures = kept(self._node)
        return (
            figures if segment is not None and figures is not None and figures.label == label_of(segment) else None
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
