"""Turns the Qt event loop, as PySide6 does or as 3D Slicer does, and measures how long it was blocked.

PySide6 lets other Python threads run while Qt waits for events. 3D Slicer does not: its event loop keeps Python's
interpreter lock (GIL), so that a thread advances only while the main thread runs Python code that gives it away.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import PySide6
from PySide6 import QtCore, QtWidgets

TICK_MS = 5
AWAKE_MS = 50  # the loop that keeps the GIL turns at least as often, so that its caller can look at a condition
SAMPLED_AFTER = 0.08  # seconds without a tick after which the main thread is looked at


class EventLoopGaps:
    """The longest time without a turn of the event loop, by a timer of 5 ms.

    Only the time counts in which the application would run its event loop: inside `process_events` and while a
    click is handled. What the test itself does in between does not count.

    Attributes
    ----------
    longest
        Seconds from one turn of the loop to the next. On a machine that is busy otherwise this is also the time in
        which the process did not get a processor.
    busiest
        Most seconds of processor time that the main thread took from one turn to the next: what the module itself
        did, whatever else the machine does. It misses waiting, e.g. for a lock or for Python's interpreter lock.
    blocker
        The Python stack in the longest gap that was looked at, as text; empty when none was long enough.
    keeps_gil
        Whether the loop turns as in 3D Slicer. Nothing is measured then: a watch would give the GIL away itself.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self.busiest = 0.0
        self.blocker = ""
        self._blocked_for = 0.0
        self._last: float | None = None
        self._last_busy = 0.0
        self._timer = QtCore.QTimer()
        self._timer.setTimerType(QtCore.Qt.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._main_thread = threading.get_ident()
        self._ended, self._watching = threading.Event(), threading.Event()
        self._watching.set()
        self._awake = QtCore.QTimer()  # without a slot: no Python runs
        self._awake.setInterval(AWAKE_MS)
        self._sampler = threading.Thread(target=self._sample, name="event loop watch", daemon=True)
        self._sampler.start()

    @property
    def keeps_gil(self) -> bool:
        """Whether the loop turns as in 3D Slicer."""
        return not self._watching.is_set()

    @keeps_gil.setter
    def keeps_gil(self, on: bool) -> None:
        if on:
            _turn_in_qt()  # raises where that cannot be done
            self._watching.clear()
            self._awake.start()
        else:
            self._watching.set()
            self._awake.stop()

    def turn(self) -> None:
        """Wait for an event and let Qt handle what there is."""
        flags = QtCore.QEventLoop.AllEvents | QtCore.QEventLoop.WaitForMoreEvents
        if self.keeps_gil:
            _turn_in_qt()(int(flags))
        else:
            QtCore.QEventLoop().processEvents(flags)

    def reset(self) -> None:
        """Forget what was measured."""
        self.longest = 0.0
        self.busiest = 0.0
        self.blocker = ""
        self._blocked_for = 0.0

    def close(self) -> None:
        """End the watch."""
        self.keeps_gil = False
        self._ended.set()
        self._timer.stop()

    @contextmanager
    def running(self) -> Any:
        """Measure while the block lets the event loop run, or handles one event of it."""
        if self._last is not None or self.keeps_gil:  # inside another one, or nothing is measured
            yield
            return
        self._last, self._last_busy = time.perf_counter(), time.thread_time()
        self._timer.start()
        try:
            yield
        finally:
            self._tick()
            self._last = None
            self._timer.stop()

    def excluded(self, function: Callable[[], Any]) -> Any:
        """Call a function of the test whose own time must not count."""
        start, start_busy = time.perf_counter(), time.thread_time()
        result = function()
        if self._last is not None:
            self._last += time.perf_counter() - start
            self._last_busy += time.thread_time() - start_busy
        return result

    def _tick(self) -> None:
        if self._last is None:
            return
        now, busy = time.perf_counter(), time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self.busiest = max(self.busiest, busy - self._last_busy)
        self._last, self._last_busy = now, busy

    def _sample(self) -> None:
        while not self._ended.wait(0.02):
            self._watching.wait()
            last = self._last
            blocked = 0.0 if last is None else time.perf_counter() - last
            if blocked > max(SAMPLED_AFTER, self._blocked_for):
                frame = sys._current_frames().get(self._main_thread)
                if frame is not None:
                    self._blocked_for = blocked
                    self.blocker = "".join(traceback.format_stack(frame)[-8:])


def process_events(gaps: EventLoopGaps, until: Callable[[], Any] | None, timeout: float) -> None:
    """Run the event loop until a condition holds, or once through what is waiting.

    Raises
    ------
    TimeoutError
        When the condition does not hold within ``timeout`` seconds.
    """
    end = time.monotonic() + timeout
    with gaps.running():
        if until is None:
            QtWidgets.QApplication.processEvents()
            return
        while not gaps.excluded(until):
            if time.monotonic() > end:
                raise TimeoutError(f"waited {timeout:g} s in vain")
            gaps.turn()


@functools.cache
def _turn_in_qt() -> Callable[[int], None]:
    """Return ``QCoreApplication::processEvents`` of Qt itself, called as a C function that keeps the GIL.

    Raises
    ------
    OSError, AttributeError
        Where Qt's library or its function has another name (it was tried on Linux).
    """
    library = ctypes.PyDLL(str(Path(PySide6.__file__).parent / "Qt" / "lib" / "libQt6Core.so.6"))
    turn = library["_ZN16QCoreApplication13processEventsE6QFlagsIN10QEventLoop17ProcessEventsFlagEE"]
    turn.argtypes, turn.restype = [ctypes.c_int], None
    return turn
