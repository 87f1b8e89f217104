"""The event loop that keeps Python's interpreter lock, as 3D Slicer's does."""

from __future__ import annotations

import sys
import threading
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Qt's own loop is called by its name on Linux")

TICK_S = 0.05


@pytest.fixture
def steps(host):
    """Run the loop for half a second, with a tick of 50 ms that may sleep; return a thread's steps meanwhile."""
    import qt

    def count(nap_s: float = 0.0) -> int:
        taken, ended = [0], threading.Event()

        def work() -> None:
            while not ended.is_set():
                taken[0] += 1
                time.sleep(0)  # gives the lock away, as reading a file does

        timer = qt.QTimer()
        timer.setInterval(int(1000 * TICK_S))
        timer.connect("timeout()", lambda: time.sleep(nap_s))
        timer.start()
        thread = threading.Thread(target=work)
        thread.start()
        until = time.monotonic() + 0.5
        host.process_events(lambda: time.monotonic() > until)
        ended.set()
        timer.stop()
        host.keeps_gil = False
        thread.join()
        return taken[0]

    return count


def test_a_thread_runs_beside_pysides_loop(steps):
    assert steps() > 200


def test_a_thread_advances_once_a_tick_where_the_loop_keeps_the_lock(host, steps):
    host.keeps_gil = True
    assert steps() < 40


def test_a_tick_that_sleeps_gives_the_lock_away(host, steps):
    host.keeps_gil = True
    assert steps(0.005) > 200


def test_timers_and_clicks_work_where_the_loop_keeps_the_lock(host):
    import qt

    host.keeps_gil = True
    heard = []
    button = qt.QPushButton("Press", host.window)
    button.connect("clicked(bool)", heard.append)
    qt.QTimer.singleShot(20, button.click)
    host.process_events(lambda: heard, 5)
    assert heard == [False]
    button.deleteLater()


def test_the_next_test_gets_the_usual_loop(host):
    host.keeps_gil = True
    host.reset()
    assert not host.keeps_gil
