"""Correction with the real worker: the same segment as the library's, a killed worker, thirty strokes."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from strokes import marked, now, paint, whole

from PancreasSegLib.refine import Correction, Mark
from PancreasSegLib.volume import Box, Geometry, Volume

sys.path.append(str(Path(__file__).parents[1] / "worker"))

from worker_processes import PATIENCE_S, is_alive, method_of_the_worker, wait_until, write_launcher

GRID = Geometry((90, 80, 60), (1.5, 1.5, 2.5), (-60.0, 25.0, 310.0))
BLOCK = Box((20, 25, 20), (70, 50, 40))


@pytest.fixture
def correct(scene, tmp_path):
    """Call it for a session on a CT with a bright block, of which a part is segmented."""
    import slicer

    from PancreasSegLib.worker import WorkerClient
    from PancreasSegPanel.logic import PanelLogic
    from PancreasSegPanel.scene.oriented_image import oriented_image
    from PancreasSegPanel.scene.pancreas_segment import BINARY_LABELMAP
    from PancreasSegPanel.scene.patient_axes import ras_from_geometry
    from PancreasSegPanel.scene.volume_node import add_volume

    hu = np.random.default_rng(0).normal(-80, 8, GRID.shape_zyx).astype(np.int16)
    hu[BLOCK.slices_zyx] = np.random.default_rng(1).normal(90, 8, BLOCK.size_ijk[::-1])
    ct = add_volume(scene, Volume(hu, GRID), "CT")
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "organs")
    part = Box(BLOCK.lower_ijk, (45, 50, 40))
    made = slicer.vtkSegment()
    made.SetName("part")
    labelmap = oriented_image(np.ones(part.size_ijk[::-1], np.uint8), part.lower_ijk, ras_from_geometry(GRID))
    made.AddRepresentation(BINARY_LABELMAP, labelmap)
    node.GetSegmentation().AddSegment(made, "part")
    logics = []

    def begin(launcher=None):
        logic = PanelLogic(lambda: WorkerClient(launcher, folder=tmp_path))
        logics.append(logic)
        return logic, logic.correct(node, "part", ct), Volume(hu, GRID)

    yield begin
    for logic in logics:
        client = logic.jobs.client
        logic.close()
        assert wait_until(lambda client=client: client.state == "stopped", 30)
    assert wait_until(lambda: not list(tmp_path.glob("pancreasseg-*")), 20)


def stroke(number, include=True):
    x = 22 + (number * 7) % 46
    line = GRID.index_to_lps([[x, 30, 25 + number % 10], [x, 45, 25 + number % 10]])
    return Mark.stroke(line, GRID, include=include, radius_mm=3.0)


def until(logic, true):
    end = time.monotonic() + PATIENCE_S
    while not true() and time.monotonic() < end:
        logic.turn()
    assert true()


def test_the_segment_is_what_the_library_makes_of_the_strokes(correct):
    logic, session, ct = correct()
    twin = Correction(ct, now(session), propagation=method_of_the_worker())
    session.prepare()
    for number, include in enumerate((True, True, False, True)):
        mark = stroke(number + 3, include)
        session.add([mark])
        session.wait()
        twin.add([mark])
        assert np.array_equal(now(session), twin.mask), number
    painted = stroke(1, include=False)
    paint(session, painted)
    twin.edit(painted.box, twin.mask[painted.box.slices_zyx] & ~painted.voxels)
    mark = stroke(9)
    session.add([mark])
    session.wait()
    twin.add([mark])
    assert np.array_equal(now(session), twin.mask)
    assert not logic.jobs.client.log_path.read_text().count("correction-lost")


SLOW = """
from PancreasSegLib.refine import Correction
import time
add = Correction.add
def slowly(self, marks):
    time.sleep(0.0 if self.ct.geometry.size_ijk[0] < 30 else {seconds})
    return add(self, marks)
Correction.add = slowly
"""


@pytest.mark.skipif(sys.platform == "win32", reason="ends processes by POSIX signals")
def test_a_worker_killed_during_a_correction_loses_no_stroke(correct, tmp_path):
    logic, session, ct = correct(write_launcher(tmp_path, SLOW.format(seconds=0.5)))
    twin = Correction(ct, now(session), propagation=method_of_the_worker())
    marks = [stroke(n, include=bool(n % 3)) for n in (3, 4, 5)]
    for mark in marks:
        session.add([mark])
    until(logic, lambda: logic.jobs.client.worker_pid and _is_refining(logic.jobs.client))
    first = logic.jobs.client.worker_pid
    os.kill(first, signal.SIGKILL)
    assert marked(session)[whole(marks[1], GRID)].all()  # what was drawn is seen all along
    session.wait()
    for mark in marks:
        twin.add([mark])
    assert session.queued == 0 and session.error is None
    assert not is_alive(first) and logic.jobs.client.worker_pid != first
    assert np.array_equal(now(session), twin.mask)
    for _ in marks:
        assert session.undo()
    assert np.array_equal(now(session), Correction(ct, twin_start()).mask)


def twin_start():
    start = np.zeros(GRID.shape_zyx, bool)
    start[Box(BLOCK.lower_ijk, (45, 50, 40)).slices_zyx] = True
    return start


def _is_refining(client):
    lines = client.log_path.read_text().splitlines() if client.log_path else []
    return lines and " refine " in lines[-1] and "took" not in lines[-1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ends processes by POSIX signals")
def test_a_worker_that_dies_every_time_is_told_and_a_retry_brings_all(correct, tmp_path):
    deadly = tmp_path / "deadly"
    deadly.touch()
    fault = f"""
    from pathlib import Path
    from PancreasSegLib.refine import Correction
    import os
    add = Correction.add
    def die(self, marks):
        if Path({str(deadly)!r}).exists():
            os._exit(7)
        return add(self, marks)
    Correction.add = die
    """
    logic, session, ct = correct(write_launcher(tmp_path, fault))
    twin = Correction(ct, now(session), propagation=method_of_the_worker())
    marks = [stroke(3), stroke(4, include=False)]
    for mark in marks:
        session.add([mark])
    until(logic, lambda: session.error is not None)
    assert "stopped unexpectedly" in session.sentence and session.queued == 2
    assert np.array_equal(now(session), twin.mask)
    deadly.unlink()
    session.retry()
    session.wait()
    for mark in marks:
        twin.add([mark])
    assert np.array_equal(now(session), twin.mask)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from /proc")
def test_thirty_strokes_do_not_grow_worker_or_panel(correct):
    logic, session, _ = correct()
    sizes = []
    for number in range(30):
        session.add([stroke(number, include=bool(number % 3))])
        session.wait()
        sizes.append((_resident(os.getpid()), _resident(logic.jobs.client.worker_pid)))
    here, there = (max(column[15:]) - column[14] for column in zip(*sizes, strict=True))
    assert here < 24 << 20 and there < 24 << 20, (here >> 20, there >> 20)
    files = [path.name for path in logic.jobs.client.log_path.parent.iterdir()]
    assert not [name for name in files if name.startswith(("ask-", "reply-"))]
    steps = 0
    while session.undo():
        steps += 1
    assert steps == 30 and np.array_equal(now(session), twin_start())


def _resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
