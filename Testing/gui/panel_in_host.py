"""The panel in the test host: with a worker that answers when the test says so, or with the real one.

PYTEST_DONT_REWRITE: the test files import it before pytest takes it as their plugin.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
MODULE = PROJECT / "PancreasSeg" / "PancreasSeg.py"
for _folder in (PROJECT / "PancreasSeg", PROJECT / "Testing" / "panel", PROJECT / "Testing" / "cli"):
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))

import fake_worker  # noqa: E402
from body_phantom import body  # noqa: E402
from fake_worker import BOX, learnt, reply  # noqa: E402

from PancreasSegLib.volume import Geometry  # noqa: E402

__all__ = ["BOX", "PanelUser", "learnt", "reply"]
PATIENCE_S = 180.0  # for something that must come; a busy machine is no failure


class PanelUser:
    """A person in front of the panel.

    Attributes
    ----------
    host : Host
        The test host.
    client : FakeClient or None
        The worker's stand-in; None with the real worker.
    """

    def __init__(self, host: Any, client: Any = None) -> None:
        self.host, self.client = host, client

    def open(self) -> None:
        """Go to the module."""
        self.host.module(MODULE)

    @property
    def panel(self) -> Any:
        return self.host.widget.panel

    @property
    def logic(self) -> Any:
        return self.host.widget.logic.panel_logic

    @property
    def status(self) -> str:
        return self.host.find("statusLabel").text

    @property
    def can_segment(self) -> bool:
        return self.host.find("segmentButton").enabled

    def enabled(self, *names: str) -> list[bool]:
        return [bool(self.host.find(name).enabled) for name in names]

    def wait(self, until: Any, timeout: float = PATIENCE_S) -> None:
        self.host.process_events(until, timeout)

    def asked(self, method: str) -> Any:
        """Wait until the worker was asked for something that is not answered yet, and return the request."""

        def found() -> list[Any]:
            return [r for r in self.client.requests if r.method == method and not r.done]

        self.wait(found, 10)
        return found()[-1]

    def answer(self, method: str, result: Any = None, error: Any = None) -> None:
        """Let the worker answer, and the panel take it."""
        request = self.asked(method)
        if error is not None:
            self.client.fail(error, request)
        else:
            self.client.answer(result, request)
        self.wait(lambda: request.done, 10)
        self.host.process_events()

    def segment(self, **changes: Any) -> None:
        """Click Segment and let the worker answer."""
        self.host.click("segmentButton")
        request = self.asked("segment")
        self.answer("segment", reply(request.scan, **changes))

    def segment_and_wait(self) -> None:
        """Click Segment and wait for the real worker."""
        self.host.click("segmentButton")
        self.wait(lambda: self.can_segment)

    def segmentations(self) -> list[Any]:
        import slicer

        return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")

    def table(self, name: str = "resultsTable") -> dict[str, list[str]]:
        """Return a table's rows by their headings (or by the first column)."""
        table = self.host.find(name)
        rows = {}
        for row in range(table.rowCount):
            cells = [table.item(row, column) for column in range(table.columnCount)]
            texts = [cell.text() if cell is not None else "" for cell in cells]
            header = table.verticalHeaderItem(row)
            if name == "resultsTable":
                rows[header.text()] = texts
            else:
                rows[texts[0]] = texts[1:]
        return rows


@pytest.fixture
def user(host, monkeypatch):
    """The panel, opened by `open()`, with a worker that answers when the test says so, and learns from a line."""

    from PancreasSegPanel.work import worker_client

    client = fake_worker.FakeClient()
    monkeypatch.setattr(worker_client, "make_client", lambda: client)
    monkeypatch.setattr("PancreasSegPanel.correction.learning.enough", lambda marked_ml: marked_ml > 0)
    return PanelUser(host, client)


@pytest.fixture
def axial():
    return Geometry((40, 36, 32), (3.0, 3.0, 4.0), (-60.0, 25.0, 310.0))


@pytest.fixture
def add_ct(host):
    """Add a CT to the scene."""

    from PancreasSegPanel.scene.volume_node import add_volume

    return lambda geometry, name="CT": add_volume(host.scene, body(geometry), name)


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """A models folder with the model that marks what is bright."""
    from bright_model import write_bright_model

    folder = tmp_path_factory.mktemp("Modelle für Übungen")
    write_bright_model(folder / "bright")
    return folder


@pytest.fixture
def person(host, models, monkeypatch, tmp_path):
    """The panel with a worker of its own, whose files are all in `tmp_path`."""
    monkeypatch.setenv("PANCREASSEG_MODELS", str(models))
    from PancreasSegLib.worker import WorkerClient
    from PancreasSegPanel.work import worker_client

    files = tmp_path / "Arbeit ü"
    files.mkdir()
    monkeypatch.setattr(worker_client, "make_client", lambda: WorkerClient(folder=files))
    person = PanelUser(host)
    person.files = files
    yield person
    host.unload_module()
    until = time.monotonic() + 20
    while list(files.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not list(files.iterdir()), "the worker left files behind"
