"""What the panel has others do: the worker, and one more thread for plain Python; answers come at `poll`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PancreasSegPanel.scene.ct_node import scan_of
from PancreasSegPanel.scene.region_node import box_of_region
from PancreasSegPanel.work.background import Background

if TYPE_CHECKING:
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegLib.volume import Box, Geometry
    from PancreasSegLib.worker import Request, WorkerClient
    from PancreasSegPanel.work.background import BackgroundJob

POLL_S = 0.01


class WorkerJobs:
    """Asks, awaits and gives up; whoever needs the worker is handed this.

    Parameters
    ----------
    make_client : callable
        Gives the worker's client, asked for at the first job and again after `close`.
    process_events : callable, optional
        Keeps the application alive while a script waits.

    Attributes
    ----------
    on_work : callable
        Called when there is something to wait for.
    """

    def __init__(
        self, make_client: Callable[[], WorkerClient], process_events: Callable[[], None] | None = None
    ) -> None:
        self._make_client = make_client
        self._process_events = process_events or (lambda: None)
        self._client: WorkerClient | None = None
        self._beside: dict[Request, WorkerClient] = {}
        self._open: list[Request] = []
        self._keys: dict[str, str] = {}
        self.background = Background()
        self.on_work: Callable[[], None] = lambda: None

    @property
    def client(self) -> WorkerClient:
        """The worker's client; nothing starts before its first request."""
        if self._client is None:
            self._client = self._make_client()
        return self._client

    @property
    def pending(self) -> bool:
        """Whether answers are awaited, or the client still ends what was given up."""
        at_work = any(client.state in ("starting", "busy", "stopping") for client in self._clients)
        return bool(self._open or self.background.open or at_work)

    @property
    def _clients(self) -> list[WorkerClient]:
        return [*([self._client] if self._client is not None else []), *self._beside.values()]

    def poll(self) -> None:
        """Take what has arrived; never blocks."""
        self.background.poll()
        if self._open:
            for client in self._clients:
                client.poll()
            self._open = [request for request in self._open if not request.done]

    def turn(self) -> None:
        """Wait a moment while the application stays alive: what scripts do until an answer is there."""
        self._process_events()
        self.poll()
        time.sleep(POLL_S)

    def close(self) -> None:
        """Give up everything and end the worker; the next job starts a new one."""
        self.cancel_all()
        self.background.drop()
        clients, self._client = self._clients, None
        self._open.clear()
        self._keys.clear()
        self._beside.clear()
        for client in clients:
            client.close()

    # ------------------------------------------------------------------ asking, giving up

    def do(
        self,
        work: Callable[[], Any],
        on_done: Callable[[BackgroundJob], None] | None = None,
        *,
        keep: bool = False,
    ) -> BackgroundJob:
        """Queue work for the other thread; what is to be kept is done even if the scene is closed meanwhile."""
        job = self.background.submit(work, on_done, keep=keep)
        self.on_work()
        return job

    def await_answer(self, request: Request) -> Request:
        """Await the answer to what the client was asked."""
        self._open.append(request)
        self.on_work()
        return request

    def cancel(self, request: Request) -> None:
        """Give up a request."""
        client = self._beside.get(request, self._client)
        if not request.done and client is not None:
            client.cancel(request)

    def cancel_all(self) -> None:
        """Give up all requests."""
        for request in self._open:
            self.cancel(request)
        self.on_work()

    # ------------------------------------------------------------------ CTs that the worker holds

    def scan(self, ct: Any) -> Any:
        """Return a CT as the worker takes it; the former content of the same node is forgotten there."""
        scan = scan_of(ct)
        former = self._keys.get(ct.GetID())
        if former is not None and former != scan.key and self._client is not None:
            self._client.release(former)
        self._keys[ct.GetID()] = scan.key
        return scan

    def forget(self, node_id: str) -> None:
        """Let the worker forget a CT that left the scene."""
        key = self._keys.pop(node_id, None)
        if key is not None and self._client is not None:
            self._client.release(key)

    def forget_all(self) -> None:
        """Let the worker forget all CTs."""
        for node_id in list(self._keys):
            self.forget(node_id)

    # ------------------------------------------------------------------ questions

    def ask_devices(self, on_done: Callable[[Request], None]) -> Request:
        """Ask for the devices."""
        return self.await_answer(self.client.devices(on_done=on_done))

    def forecast(
        self, ct: Any, model: str, device: str, region: Any | None, on_done: Callable[[Request], None]
    ) -> Request:
        """Ask what a run will take; the model is loaded on the way, so that the first click is a warm one.

        Raises
        ------
        PancreasSegError
            If the CT or the region cannot be used.
        """
        scan = self.scan(ct)
        roi = roi_of(region, scan.geometry)
        return self.await_answer(self.client.forecast(scan, model, device, roi, on_done=on_done))

    def propose_region(
        self,
        ct: Any,
        on_done: Callable[[Request], None],
        on_progress: Callable[[ProgressEvent], None] | None = None,
    ) -> Request:
        """Ask for the region from HU thresholds."""
        request = self.client.propose_roi(self.scan(ct), on_done=on_done, on_progress=on_progress)
        return self.await_answer(request)

    def segment(
        self,
        scan: Any,
        model: str,
        device: str,
        roi: Box | str,
        on_done: Callable[[Request], None],
        on_progress: Callable[[ProgressEvent], None] | None = None,
        *,
        probability: bool = True,
    ) -> Request:
        """Ask for a mask; the reply goes to `on_done` as it is."""
        request = self.client.segment(
            scan, model, device, roi, probability=probability, on_done=on_done, on_progress=on_progress
        )
        return self.await_answer(request)

    def import_model(
        self, on_done: Callable[[Request], None], on_progress: Callable[[ProgressEvent], None], **what: Any
    ) -> Request:
        """Import a model; see `PancreasSegLib.worker.WorkerClient.import_model`.

        A worker of its own does it and ends with it: no CT waits for a download, and the memory is given back.
        """
        client = self._make_client()

        def end(request: Request) -> None:
            self._beside.pop(request, None)
            client.close()
            on_done(request)

        request = client.import_model(on_done=end, on_progress=on_progress, **what)
        self._beside[request] = client
        return self.await_answer(request)

    def end_correction(self, name: str) -> None:
        """Let the worker forget a correction."""
        if self._client is not None:
            self._client.end_correction(name)


def roi_of(region: Any | None, geometry: Geometry) -> Box | str:
    """Return where the worker is to look: a box, or all that it finds itself."""
    return "auto" if region is None else box_of_region(region, geometry)
