"""*Confirm slice* with the real worker: a phantom's spoilt mask, and a worker that is killed under way."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from reader import GRID, ORGAN, inside
from test_panel_correct_worker import WorkerReader

pytest_plugins = ["panel_in_host"]  # its fixtures


@pytest.fixture
def reader(person):
    reader = WorkerReader(person.host)
    reader.files = person.files
    return reader


def dice(mask, truth):
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


def mend(reader):
    """Mend the axial slice of the organ's middle with the Segment Editor."""
    mended = reader.now()
    mended[19] = inside(GRID, ORGAN)[19]
    reader.edit(mended)


def press_s(reader):
    from PySide6.QtCore import Qt

    reader.host.press(Qt.Key_S)


@pytest.mark.slow
def test_the_slices_beside_a_mended_one_follow_and_undo_is_exact(reader, host):
    truth = inside(GRID, ORGAN)
    reader.start_with_half()
    start = reader.now()
    mend(reader)
    painted = reader.now()
    press_s(reader)
    reader.let_correct()
    after = reader.now()
    assert (after[19] == painted[19]).all()
    beside = [18, 20]
    assert dice(after[beside], truth[beside]) > dice(painted[beside], truth[beside]) + 0.03, reader.told
    assert dice(after, truth) > dice(painted, truth)
    assert not (after != painted)[[k for k in range(GRID.size_ijk[2]) if abs(k - 19) * 3.0 > 25]].any()
    for expected in (painted, start):
        host.click("undoCorrectionButton")
        assert (reader.now() == expected).all()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="ends processes by POSIX signals")
@pytest.mark.slow
def test_a_worker_killed_under_way_loses_no_slice(reader):
    reader.start_with_half()
    reader.take("include")
    reader.draw("Red", reader.way((36, 27, 19), (40, 27, 19)))  # the worker is there
    mend(reader)
    painted = reader.now()
    pid = reader.logic.jobs.client.worker_pid
    os.kill(pid, signal.SIGSTOP)  # it has the slice and does not answer
    press_s(reader)
    assert reader.session.busy and np.array_equal(reader.now(), painted)
    os.kill(pid, signal.SIGKILL)
    reader.let_correct()
    assert reader.session.error is None and "confirmed" in reader.told
    assert reader.logic.jobs.client.worker_pid != pid
    assert (reader.marked("Slices")[19] == painted[19]).all()
    assert (reader.now() & ~painted).any() and (reader.now()[19] == painted[19]).all()
