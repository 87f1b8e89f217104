"""*Learn from marks* with the real worker: one step, cancelled under way, and a worker that is killed."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from test_panel_correct_worker import WorkerReader

pytest_plugins = ["panel_in_host"]  # its fixtures


@pytest.fixture
def reader(person):
    """Half of an organ, a line over what is missing, a confirmed slice, and a model that can learn."""
    reader = WorkerReader(person.host)
    reader.files = person.files
    reader.start_with_half()
    person.host.widget.logic.getParameterNode().model = "bright"
    person.host.process_events()
    reader.take("include")
    draw(reader, 31)
    confirm_slice(reader)
    return reader


def confirm_slice(reader):
    """Confirm the slice: that is enough to learn from."""
    from PySide6.QtCore import Qt

    reader.host.press(Qt.Key_S)
    reader.let_correct()
    assert "confirmed" in reader.told, reader.told


def draw(reader, row):
    reader.draw("Red", reader.way((36, row, 19), (44, row, 19)))


def learns(reader):
    """Whether the worker has begun to learn."""
    progress = reader.session.learning.progress
    return progress is not None and progress.stage == "learn"


@pytest.mark.slow
def test_it_learns_in_one_step_and_later_lines_work_from_it(reader, host):
    before, marks = reader.now(), reader.marked("Include")
    host.click("learnButton")
    told = []
    reader.session.on_change.append(lambda: told.append(reader.told))
    reader.let_correct()
    after = reader.now()
    assert reader.told.startswith("Learnt from the marks: "), reader.told
    assert any("%" in line for line in told if line.startswith("Learning this patient from the marks")), told
    assert (after != before).any() and after[marks].all()
    learnt = reader.session._segment.state.probability
    assert learnt is not None and learnt.voxels.dtype == np.float16
    draw(reader, 27)
    assert reader.session._segment.state.probability is learnt and reader.session.error is None
    assert not reader.logic.jobs.client.log_path.read_text().count("correction-lost")
    for mask in (after, before):
        host.click("undoCorrectionButton")
        assert (reader.now() == mask).all()
    draw(reader, 27)
    assert reader.session.error is None and reader.now()[reader.marked("Include")].all()


@pytest.mark.slow
def test_cancelled_under_way_it_changes_nothing_and_the_next_line_is_corrected(reader, host):
    before = reader.now()
    host.click("learnButton")
    reader.wait(lambda: learns(reader))
    host.click("learnButton")
    assert not reader.session.busy
    assert (reader.now() == before).all() and "cancelled" in reader.told
    draw(reader, 27)
    assert reader.session.error is None and (reader.now() & ~before).any()
    host.click("undoCorrectionButton")
    assert (reader.now() == before).all()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="ends processes by POSIX signals")
@pytest.mark.slow
def test_a_worker_killed_under_way_is_followed_by_one_that_learns(reader, host):
    before = reader.now()
    pid = reader.logic.jobs.client.worker_pid
    host.click("learnButton")
    reader.wait(lambda: learns(reader))
    os.kill(pid, signal.SIGKILL)
    assert (reader.now() == before).all()
    reader.let_correct()
    assert reader.logic.jobs.client.worker_pid != pid and reader.session.error is None
    assert reader.told.startswith("Learnt from the marks: ") and (reader.now() != before).any()
