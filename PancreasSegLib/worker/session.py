"""What a worker can be asked to do: one method a request, on volumes and models that stay warm."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import WorkerError
from PancreasSegLib.packages import require
from PancreasSegLib.progress import CancelToken, ProgressEvent
from PancreasSegLib.volume import Volume
from PancreasSegLib.worker.arrays import read_volume_array
from PancreasSegLib.worker.parameters import Params, roi_of, value_of
from PancreasSegLib.worker.protocol import INVALID_PARAMS, INVALID_REQUEST, PROTOCOL_VERSION, ProtocolError
from PancreasSegLib.worker.segment_files import write_segmentation
from PancreasSegLib.worker.warm_models import WarmModels

if TYPE_CHECKING:
    from PancreasSegLib.inference import Segmenter
    from PancreasSegLib.worker.correction_sessions import CorrectionSessions

_log = logging.getLogger(__name__)

_LOADING = 0.3  # share of a first run that goes into loading the model


@dataclass
class Running:
    """The request that is being worked on.

    Attributes
    ----------
    number : int or str
        Its id.
    method : str
        What is asked for.
    token : CancelToken
        Set when it is cancelled.
    report : callable
        Takes a `ProgressEvent` and sends it.
    """

    number: Any
    method: str
    report: Callable[[ProgressEvent], None]
    token: CancelToken = field(default_factory=CancelToken)

    def step(self, stage: str, message: str, fraction: float) -> None:
        """Report progress, or raise if the request was cancelled."""
        self.token.check()
        self.report(ProgressEvent(stage, fraction, None, message))

    def after(self, share: float) -> Callable[[ProgressEvent], None]:
        """Return a callback that reports events of a part that begins when `share` of the whole is done."""

        def report(event: ProgressEvent) -> None:
            fraction = share + (1.0 - share) * event.fraction
            self.report(ProgressEvent(event.stage, fraction, event.seconds_left, event.message))

        return report


@dataclass(frozen=True, eq=False)
class _Held:
    volume: Volume
    warnings: list[dict[str, str]]


class Session:
    """The state between requests: the folder, the volumes by hash, the warm models.

    Attributes
    ----------
    folder : Path or None
        The private folder, once the client has said hello.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._volumes: dict[str, _Held] = {}
        self._models = WarmModels()
        self._corrections: CorrectionSessions | None = None
        self._preload: Thread | None = None
        self.methods: dict[str, Callable[[Params, Running], Any]] = {
            "hello": self.hello,
            "load_model": self.load_model,
            "set_volume": self.set_volume,
            "forecast": self.forecast,
            "propose_roi": self.propose_roi,
            "segment": self.segment,
            "refine": self.refine,
            "learn": self.learn,
            "import_model": self.import_model,
            "devices": self.devices,
            "release": self.release,
        }

    def hello(self, params: Params, running: Running) -> Any:
        """Agree on the protocol and learn the folder."""
        from PancreasSegLib._version import __version__

        protocol = value_of(params, "protocol", int)
        if protocol > PROTOCOL_VERSION:
            raise WorkerError(
                f"The client speaks version {protocol} of the protocol, this worker of PancreasSeg {__version__} "
                f"only version {PROTOCOL_VERSION}.",
                "Restart the application, so that both are of the same version.",
            )
        if protocol < 1:
            raise ProtocolError(INVALID_PARAMS, f"There is no version {protocol} of the protocol.")
        folder = Path(value_of(params, "folder", str))
        if not folder.is_dir():
            raise WorkerError(f"The folder {folder} is not there.", "Try again.")
        self.folder = folder
        if self._preload is None:
            self._preload = Thread(target=_start_engine, daemon=True, name="pancreasseg-preload")
            self._preload.start()
        names = [*self.methods, "shutdown"]
        return {"protocol": PROTOCOL_VERSION, "version": __version__, "pid": os.getpid(), "methods": names}

    def load_model(self, params: Params, running: Running) -> Any:
        """Load a model, so that the next run begins at once."""
        segmenter, _ = self._segmenter(params, running, whole=1.0)
        network = segmenter.networks["segmenter"]
        return {
            "model": segmenter.package.name,
            "version": segmenter.package.version,
            "device": segmenter.device,
            "precision": network.precision.name,
            "threads": segmenter.threads,
            "labels": dict(segmenter.package.labels),
        }

    def set_volume(self, params: Params, running: Running) -> Any:
        """Take a scan, or say that its hash is known."""
        from PancreasSegLib.io.hounsfield import without_invalid

        name = value_of(params, "hash", str)
        known = name in self._volumes
        if not known:
            if "array" not in params:
                raise WorkerError(f"The worker does not hold the volume {name}.", "Send it with its array.")
            mapped = read_volume_array(self._folder(), params["array"], mapped=True)
            running.token.check()
            voxels, warnings = without_invalid(mapped.voxels, "the scan")
            source = {"format": "array", "sha256": name, "warnings": warnings}
            self._volumes[name] = _Held(Volume(voxels, mapped.geometry, source), warnings)
        return {"volume": name, "known": known}

    def forecast(self, params: Params, running: Running) -> Any:
        """Say what a run will take."""
        held, roi = self._held(params), roi_of(params)
        segmenter, _ = self._segmenter(params, running)
        running.step("forecast", "looking at the scan", _LOADING)
        forecast = segmenter.forecast(held.volume, roi=roi)
        return {**asdict(forecast), "sentence": forecast.sentence}

    def propose_roi(self, params: Params, running: Running) -> Any:
        """Propose where the pancreas lies."""
        from PancreasSegLib.roi import propose_roi

        held = self._held(params)
        running.step("propose", "finding the region of the pancreas", 0.0)
        proposal = propose_roi(held.volume)
        running.step("propose", "done", 1.0)
        return proposal.to_json()

    def segment(self, params: Params, running: Running) -> Any:
        """Segment a scan; the arrays of the answer lie in the folder."""
        held, roi = self._held(params), roi_of(params)
        segmenter, done = self._segmenter(params, running)
        result = segmenter.segment(
            held.volume,
            roi=roi,
            progress=running.after(done),
            cancel=running.token,
            allow_empty=value_of(params, "allow_empty", bool, False),
        )
        probability = value_of(params, "probability", bool, True)
        answer = write_segmentation(self._folder(), str(running.number), result, probability=probability)
        return {**answer, "warnings": [*held.warnings, *answer["warnings"]]}

    def refine(self, params: Params, running: Running) -> Any:
        """Correct a mask by marks; the arrays of the answer lie in the folder."""
        held = self._held(params)
        running.token.check()
        self._await_engine(running)
        return self._correcting().refine(params, params["volume"], held.volume, self._folder())

    def learn(self, params: Params, running: Running) -> Any:
        """Let a model learn the patient from the marks of a correction; the arrays lie in the folder."""
        held, label = self._held(params), value_of(params, "label", str, None)
        require("torch", "Learning from marks")
        segmenter, done = self._segmenter(params, running)
        from PancreasSegLib.adaptation import PatientLearner

        learn = partial(PatientLearner(segmenter, label).learn, progress=running.after(done), cancel=running.token)
        return self._correcting().learn(params, params["volume"], held.volume, self._folder(), learn)

    def _correcting(self) -> CorrectionSessions:
        from PancreasSegLib.worker.correction_sessions import CorrectionSessions

        if self._corrections is None:
            self._corrections = CorrectionSessions()
        return self._corrections

    def import_model(self, params: Params, running: Running) -> Any:
        """Import a model of another program, from a file or folder or fetched from the catalogue."""
        from PancreasSegLib.worker.model_import import import_model

        self._await_engine(running)
        return import_model(params, running.report, running.token.check)

    def devices(self, params: Params, running: Running) -> Any:
        """List the devices."""
        from PancreasSegLib.worker.devices import list_devices

        self._await_engine(running)
        return list_devices()

    def release(self, params: Params, running: Running) -> Any:
        """Forget a scan with its corrections, or one correction; what is not held is no error."""
        if "session" in params:
            session = value_of(params, "session", str)
            return {"released": self._corrections is not None and self._corrections.release(session)}
        volume = value_of(params, "volume", str)
        if self._corrections is not None:
            self._corrections.release_volume(volume)
        return {"released": self._volumes.pop(volume, None) is not None}

    def _folder(self) -> Path:
        if self.folder is None:
            raise ProtocolError(INVALID_REQUEST, "The first request must be hello.")
        return self.folder

    def _held(self, params: Params) -> _Held:
        name = value_of(params, "volume", str)
        if name not in self._volumes:
            raise WorkerError(f"The worker does not hold the volume {name}.", "Send it with set_volume first.")
        return self._volumes[name]

    def _await_engine(self, running: Running) -> None:
        """Let the import that hello began come to its end: two threads must not import an engine at once."""
        while self._preload is not None and self._preload.is_alive():
            self._preload.join(0.05)
            running.token.check()

    def _segmenter(self, params: Params, running: Running, whole: float = _LOADING) -> tuple[Segmenter, float]:
        """Return the model and the share of the request's work that loading it was."""
        model, device = value_of(params, "model", str, "default"), value_of(params, "device", str, "auto")
        segmenter = self._models.find(model, device)
        if segmenter is not None:
            return segmenter, 0.0
        running.step("load", "starting the engine", 0.0)
        self._await_engine(running)
        running.step("load", "loading the model", 0.6 * whole)
        segmenter = self._models.load(model, device, running.token.check)
        running.step("load", "the model is loaded", whole)
        return segmenter, whole


def _start_engine() -> None:
    """Begin what takes longest while the client still writes the scan."""
    try:
        from PancreasSegLib.inference.device import choose_device
        from PancreasSegLib.inference.engine import engine_of

        engine_of(choose_device("auto").engine).places()
    except Exception as error:  # the request that needs it will say so
        _log.warning("the engine cannot be started: %s", error)
