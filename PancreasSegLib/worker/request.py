"""What a client asks for and what it gets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.progress import ProgressCallback, ProgressEvent
from PancreasSegLib.volume import Box, Geometry, Volume

if TYPE_CHECKING:
    from PancreasSegLib.inference.result import SegmentationWarning
    from PancreasSegLib.worker.correction_exchange import CorrectionTask


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT as the caller has it.

    Parameters
    ----------
    voxels : ndarray, shape (z, y, x)
        HU, of any numeric type and memory layout; read from another thread, never changed or copied as a whole.
    geometry : Geometry
        Its grid, LPS.
    key : str
        The caller's cheap name of this content, e.g. a node's id and modification time: a scan of a known key,
        type and grid is neither hashed nor sent again.
    """

    voxels: NDArray
    geometry: Geometry
    key: str = ""


class Request:
    """One job; its fields change only inside `WorkerClient.poll`, in the caller's thread.

    Attributes
    ----------
    method : str
        What was asked for, e.g. ``"segment"``.
    done : bool
        Whether it has ended, in one way or another.
    cancelled : bool
        Whether it was cancelled; `error` is then a `CancelledError`.
    progress : ProgressEvent or None
        The last event.
    error : PancreasSegError or None
        Why it failed.
    result : object
        What it gave; None while it is not done, or failed.
    """

    def __init__(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        scan: Scan | None = None,
        *,
        task: CorrectionTask | None = None,
        on_done: Callable[[Request], None] | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> None:
        self.method = method
        self.done = self.cancelled = False
        self.progress: ProgressEvent | None = None
        self.error: PancreasSegError | None = None
        self.result: Any = None
        self.params, self.scan = dict(params or {}), scan
        self.task = task
        self.on_done, self.on_progress = on_done, on_progress
        self.stop = threading.Event()  # set by cancel, obeyed by the client's own thread

    def __repr__(self) -> str:
        state = "cancelled" if self.cancelled else "failed" if self.error else "done" if self.done else "open"
        return f"<Request {self.method}, {state}>"


@dataclass(frozen=True, eq=False)
class SegmentReply:
    """A segmentation as it comes out of the worker.

    Attributes
    ----------
    mask : ndarray of uint8, shape (z, y, x)
        Labels inside `box_ijk`, in memory of its own; shape (0, 0, 0) where nothing was found.
    box_ijk : Box or None
        Where `mask` lies in the scan: the bounding box of all labels; None where nothing was found.
    geometry : Geometry
        The scan's grid.
    labels : dict of str to int
        Meaning of the values in `mask`.
    statistics : dict
        As `Segmentation` has them.
    warnings : list of SegmentationWarning
        Codes and sentences.
    timings : dict of str to float
        Seconds a stage.
    provenance : dict
        Versions, model, device, settings.
    roi : dict or None
        The proposed region as JSON, None where none was made.
    probability : dict of str to Volume
        Foreground probability a label (float16) on the crop's own grid; empty when not asked for.
    """

    mask: NDArray[np.uint8]
    box_ijk: Box | None
    geometry: Geometry
    labels: dict[str, int]
    statistics: dict[str, dict[str, Any]]
    warnings: list[SegmentationWarning]
    timings: dict[str, float]
    provenance: dict[str, Any]
    roi: dict[str, Any] | None
    probability: dict[str, Volume]

    def whole_mask(self) -> NDArray[np.uint8]:
        """Return the mask on the scan's whole grid, shape (z, y, x)."""
        whole = np.zeros(self.geometry.shape_zyx, dtype=np.uint8)
        if self.box_ijk is not None:
            whole[self.box_ijk.slices_zyx] = self.mask
        return whole
