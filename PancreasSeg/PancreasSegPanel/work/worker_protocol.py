"""What the panel needs of the worker's client; a test gives a stand-in with the same names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from PancreasSegLib.errors import PancreasSegError
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegLib.refine import Mark
    from PancreasSegLib.volume import Box, Geometry, Volume
    from PancreasSegLib.worker import CorrectionState

OnDone = Callable[["RequestLike"], None]
OnProgress = Callable[["ProgressEvent"], None]


class RequestLike(Protocol):
    """One job; ``done`` and what follows from it change only inside ``poll()``."""

    method: str
    done: bool
    cancelled: bool
    progress: ProgressEvent | None
    error: PancreasSegError | None
    result: Any


class WarningLike(Protocol):
    """Something the user should know about a result."""

    code: str
    sentence: str


class ReplyLike(Protocol):
    """The answer to ``segment``; ``mask`` is cropped to ``box_ijk``."""

    mask: NDArray
    box_ijk: Box | None
    geometry: Geometry
    labels: Mapping[str, int]
    statistics: Mapping[str, Mapping[str, Any]]
    warnings: Sequence[WarningLike]
    timings: Mapping[str, float]
    provenance: Mapping[str, Any]
    roi: Mapping[str, Any] | None
    probability: Mapping[str, Volume]


class ClientLike(Protocol):
    """The worker's client: every call returns at once, answers arrive in ``poll()``."""

    state: str

    def propose_roi(
        self, scan: Any, *, on_done: OnDone | None = None, on_progress: OnProgress | None = None
    ) -> RequestLike:
        """Ask for the region from HU thresholds."""

    def forecast(
        self, scan: Any, model: str, device: str = "auto", roi: Any = "auto", *, on_done: OnDone | None = None
    ) -> RequestLike:
        """Ask what a run will take."""

    def segment(
        self,
        scan: Any,
        model: str = "default",
        device: str = "auto",
        roi: Any = "auto",
        *,
        allow_empty: bool = False,
        probability: bool = True,
        on_done: OnDone | None = None,
        on_progress: OnProgress | None = None,
    ) -> RequestLike:
        """Ask for a mask."""

    def refine(
        self,
        scan: Any,
        session: str,
        state: CorrectionState,
        marks: Sequence[Mark] = (),
        *,
        on_done: OnDone | None = None,
    ) -> RequestLike:
        """Ask what marks change; the result is a :class:`CorrectionChange`."""

    def learn(
        self,
        scan: Any,
        session: str,
        state: CorrectionState,
        model: str = "default",
        device: str = "auto",
        *,
        label: str | None = None,
        on_done: OnDone | None = None,
        on_progress: OnProgress | None = None,
    ) -> RequestLike:
        """Ask a copy of a model to learn from all marks; the result is a :class:`CorrectionChange`."""

    def end_correction(self, session: str) -> None:
        """Forget a correction."""

    def devices(self, *, on_done: OnDone | None = None) -> RequestLike:
        """Ask which devices there are."""

    def cancel(self, request: RequestLike) -> None:
        """Give up a request; it is done and cancelled at the next poll."""

    def release(self, scan_key: str) -> None:
        """Forget a scan."""

    def poll(self) -> None:
        """Run the callbacks of what has arrived."""

    def close(self) -> None:
        """End the worker."""
