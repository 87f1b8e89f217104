"""A worker's client that follows the contract and answers only when a test tells it to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import ndimage

from PancreasSegLib.errors import CancelledError, MarkError, PancreasSegError
from PancreasSegLib.inference.result import SegmentationWarning
from PancreasSegLib.progress import ProgressEvent
from PancreasSegLib.refine import Correction
from PancreasSegLib.volume import Box, Geometry, Volume
from PancreasSegLib.worker import CorrectionChange, SegmentReply


@dataclass(eq=False)
class FakeRequest:
    method: str
    scan: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    on_done: Callable | None = None
    on_progress: Callable | None = None
    done: bool = False
    cancelled: bool = False
    progress: ProgressEvent | None = None
    error: PancreasSegError | None = None
    result: Any = None


class FakeClient:
    """Keeps requests in order; what `answer` and `fail` say arrives in the next poll."""

    state = "ready"

    def __init__(self) -> None:
        self.requests: list[FakeRequest] = []
        self.released: list[str] = []
        self.ended: list[str] = []
        self.cancelled: list[FakeRequest] = []
        self.closed = False
        self._arrived: list[Callable[[], None]] = []

    def _ask(self, method, scan=None, on_done=None, on_progress=None, **options) -> FakeRequest:
        request = FakeRequest(method, scan, options, on_done, on_progress)
        self.requests.append(request)
        return request

    def import_model(self, source=None, *, on_done=None, on_progress=None, **what):
        return self._ask("import_model", None, on_done, on_progress, source=source, **what)

    def propose_roi(self, scan, *, on_done=None, on_progress=None):
        return self._ask("propose_roi", scan, on_done, on_progress)

    def forecast(self, scan, model="default", device="auto", roi="auto", *, on_done=None, on_progress=None):
        return self._ask("forecast", scan, on_done, on_progress, model=model, device=device, roi=roi)

    def segment(self, scan, model="default", device="auto", roi="auto", *, allow_empty=False, probability=True,
                on_done=None, on_progress=None):  # fmt: skip
        options = {"model": model, "device": device, "roi": roi, "probability": probability}
        return self._ask("segment", scan, on_done, on_progress, **options)

    def refine(self, scan, session, state, marks=(), *, on_done=None, on_progress=None):
        options = {"session": session, "state": state, "marks": tuple(marks)}
        return self._ask("refine", scan, on_done, on_progress, **options)

    def learn(self, scan, session, state, model="default", device="auto", *, label=None, on_done=None,
              on_progress=None):  # fmt: skip
        options = {"session": session, "state": state, "model": model, "device": device, "label": label}
        return self._ask("learn", scan, on_done, on_progress, **options)

    def end_correction(self, session) -> None:
        self.ended.append(session)

    def devices(self, *, on_done=None):
        return self._ask("devices", None, on_done)

    def cancel(self, request) -> None:
        self.cancelled.append(request)
        self.fail(CancelledError(), request)

    def release(self, scan_key) -> None:
        self.released.append(scan_key)

    def close(self) -> None:
        self.closed = True

    def poll(self) -> None:
        arrived, self._arrived = self._arrived, []
        for arrive in arrived:
            arrive()

    # ------------------------------------------------------------- the test's side

    @property
    def last(self) -> FakeRequest:
        return self.requests[-1]

    def answer(self, result, request=None) -> None:
        request = request or self.last
        self._arrived.append(lambda: self._end(request, result=result))

    def fail(self, error, request=None) -> None:
        request = request or self.last
        self._arrived.append(lambda: self._end(request, error=error))

    def correct(self, request=None) -> None:
        """Answer a correction as the worker does: by the library, from the state that was given."""
        request = request or self.last
        self.answer(corrected(request.scan, **{k: request.options[k] for k in ("state", "marks")}), request)

    def teach(self, request=None) -> None:
        """Answer learning as the worker does: another mask that obeys the marks, and a new probability."""
        request = request or self.last
        state = request.options["state"]
        if state.marks.any():
            self.answer(learnt(request.scan, state), request)
        else:
            self.fail(MarkError("Nothing is marked.", "Mark something first."), request)

    def progress(self, event, request=None) -> None:
        request = request or self.last

        def arrive() -> None:
            request.progress = event
            if request.on_progress is not None:
                request.on_progress(event)

        self._arrived.append(arrive)

    @staticmethod
    def _end(request, result=None, error=None) -> None:
        if request.done:
            return
        request.done, request.result, request.error = True, result, error
        request.cancelled = isinstance(error, CancelledError)
        if request.on_done is not None:
            request.on_done(request)


def blob(geometry: Geometry, box: Box) -> np.ndarray:
    """An ellipsoid that touches all sides of the box, (z, y, x); lopsided, so that no flip goes unseen."""
    k, j, i = (n for n in box.size_ijk[::-1])
    z, y, x = np.ogrid[:k, :j, :i]
    inside = ((z - k / 2 + 0.5) / (k / 2)) ** 2 + ((y - j / 2 + 0.5) / (j / 2)) ** 2 + (
        (x - i / 2 + 0.5) / (i / 2)
    ) ** 2 <= 1
    mask = inside.astype(np.uint8)
    mask[: k // 2, : j // 2, : i // 2] = 0
    return mask


def corrected(scan, state, marks) -> CorrectionChange:
    """What the library makes of a state and marks, which must come without the panel's own flags."""
    assert not state.marks.size or state.marks.max() <= 2
    whole = Box.whole(scan.geometry)
    mask, known = state.within(whole)
    if not marks:
        return CorrectionChange.nothing()
    correction = Correction(Volume(scan.voxels, scan.geometry), mask, state.probability, marks=known)
    change = correction.add(marks)
    return CorrectionChange(
        change.box, change.voxels.astype(np.uint8), change.marks, change.added_ml, change.removed_ml, 0.01
    )


def learnt(scan, state) -> CorrectionChange:
    """An outline that is one voxel wider, far from the marks too, without its lowest slice; marks are truth."""
    assert state.marks.max() <= 2
    mask, marks = state.within(Box.whole(scan.geometry))
    new = ndimage.binary_dilation(mask, np.ones((1, 3, 3)))
    new[np.flatnonzero(mask.any(axis=(1, 2)))[:1]] = False
    new = (new | (marks == 1)) & (marks != 2)
    crop = Box.of_mask(new | (marks > 0)).grown(6.0, scan.geometry)
    probability = Volume((0.05 + 0.9 * new[crop.slices_zyx]).astype(np.float16), crop.geometry(scan.geometry))
    box = Box.of_mask(new != (mask > 0))
    if box is None:
        return CorrectionChange.nothing(6.0, probability)
    voxels = new[box.slices_zyx].astype(np.uint8)
    return CorrectionChange(box, voxels, marks[box.slices_zyx], seconds=6.0, probability=probability)


BOX = Box((8, 12, 10), (22, 24, 19))


def reply(scan, box: Box = BOX, mask: np.ndarray | None = None, **changes) -> SegmentReply:
    """What the worker would answer for a scan."""
    geometry = scan.geometry
    mask = blob(geometry, box) if mask is None else mask
    crop = box.geometry(geometry)
    values = {
        "mask": mask,
        "box_ijk": box,
        "geometry": geometry,
        "labels": {"pancreas": 1},
        "statistics": {
            "pancreas": {
                "volume_ml": float(mask.sum() * geometry.voxel_volume_ml),
                "mean_hu": 45.0,
                "sd_hu": 4.0,
                "extent_mm": [10.0, 20.0, 30.0],
                "centre_lps": [float(v) for v in crop.index_to_lps([n / 2 for n in crop.size_ijk])],
                "confidence": 0.81,
            }
        },
        "warnings": [SegmentationWarning("low-confidence", "The model is unsure.")],
        "timings": {"segment": 1.0},
        "provenance": {"model": {"name": "default", "version": "1"}, "device": "cpu (test)"},
        "roi": None,
        "probability": {"pancreas": Volume((mask * 0.9).astype(np.float16), crop)},
    }
    return SegmentReply(**(values | changes))
