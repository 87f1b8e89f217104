"""The panel without Qt: the real MRML of slicer-core, and a worker's client that answers when the test says so."""

from __future__ import annotations

import sys
import types
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

MISSING = "" if find_spec("slicer_core") else "slicer-core is not installed (it comes with the extra 'test')"


class SkippedModule(pytest.Module):
    """A test file that cannot be imported here."""

    def collect(self):
        pytest.skip(f"the panel cannot be tested: {MISSING}", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    return SkippedModule.from_parent(parent, path=module_path) if MISSING else None


PANEL = str(Path(__file__).resolve().parents[2] / "PancreasSeg")
if PANEL not in sys.path:
    sys.path.append(PANEL)

import fake_worker  # noqa: E402
from body_phantom import body  # noqa: E402

from PancreasSegLib.volume import Geometry  # noqa: E402

if "slicer.i18n" not in sys.modules:  # the wheel has none; the test host brings its own
    sys.modules["slicer.i18n"] = types.ModuleType("slicer.i18n")
    sys.modules["slicer.i18n"].translate = lambda context, text: text  # type: ignore[attr-defined]


@pytest.fixture
def scene(monkeypatch):
    """An empty scene that the panel takes for the application's."""
    import slicer

    scene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    segmentations = slicer.vtkSlicerSegmentationsModuleLogic()  # brings its node classes and conversions
    segmentations.SetMRMLApplicationLogic(application)
    segmentations.SetMRMLScene(scene)
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    monkeypatch.setattr(slicer, "modules", types.SimpleNamespace(), raising=False)
    views = types.SimpleNamespace(pauseRender=application.PauseRender, resumeRender=application.ResumeRender)
    monkeypatch.setattr(slicer, "app", views, raising=False)
    yield scene
    scene.Clear(True)


@pytest.fixture
def client(monkeypatch):
    """A client that answers at poll() after `answer()`, and learns from however little."""
    monkeypatch.setattr("PancreasSegPanel.correction.learning.enough", lambda marked_ml: marked_ml > 0)
    return fake_worker.FakeClient()


@pytest.fixture
def logic(scene, client):
    from PancreasSegPanel.logic import PanelLogic

    logic = PanelLogic(lambda: client)
    yield logic
    logic.close()


ROTATION = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
GRIDS = {
    "axial": np.eye(3),
    "left-handed": np.diag([1.0, 1.0, -1.0]),
    "coronal": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
    "oblique": ROTATION,
    "oblique and left-handed": ROTATION @ np.diag([-1.0, 1.0, 1.0]),
}


@pytest.fixture(params=list(GRIDS))
def grid(request) -> Geometry:
    """Grids of every kind; each is large enough to pass for an abdominal CT."""
    return Geometry((40, 36, 32), (3.0, 3.0, 4.0), (-60.0, 25.0, 310.0), tuple(GRIDS[request.param].ravel()))


@pytest.fixture
def axial() -> Geometry:
    return Geometry((40, 36, 32), (3.0, 3.0, 4.0), (-60.0, 25.0, 310.0))


@pytest.fixture
def add_ct(scene):
    """Add a CT on a grid to the scene."""
    from PancreasSegPanel.scene.volume_node import add_volume

    def add(geometry: Geometry, name: str = "CT"):
        return add_volume(scene, body(geometry), name)

    return add


@pytest.fixture
def start(logic, client, add_ct):
    """Segment a CT with the fake worker and begin to correct it."""
    from test_segment_writing import segment

    return lambda geometry: logic.correct(segment(logic, client, add_ct(geometry)).segmentation)


@pytest.fixture
def begun(start, logic, client):
    """Begin to correct a segment, with two strokes that are applied."""
    from strokes import INSIDE, OUTSIDE, answer, stroke

    def begin(geometry):
        session = start(geometry)
        for centre, include in ((OUTSIDE, True), (INSIDE, False)):
            session.add([stroke(session, centre, include, radius_mm=5)])
            answer(logic, client)
        return session

    return begin
