"""Progress: true shares of the work, never falling, obeying cancellation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PancreasSegLib.errors import CancelledError
from PancreasSegLib.inference import tracker as tracker_module
from PancreasSegLib.inference.tracker import Tracker
from PancreasSegLib.progress import CancelToken, ProgressEvent


@pytest.fixture
def every_event(monkeypatch: pytest.MonkeyPatch) -> list[ProgressEvent]:
    monkeypatch.setattr(tracker_module, "_LEAST_INTERVAL_S", 0.0)
    return []


def test_fraction_is_the_share_of_the_expected_work(every_event):
    tracker = Tracker({"a": 1.0, "b": 3.0}, every_event.append)
    with tracker.stage("a", "first"):
        tracker.done(0.5)
        assert every_event[-1].fraction == pytest.approx(0.125)
    with tracker.stage("b", "second"):
        assert every_event[-1].fraction == pytest.approx(0.25)
        tracker.done(0.5)
        assert every_event[-1].fraction == pytest.approx(0.625)
        assert every_event[-1].stage == "b" and every_event[-1].message == "second"
    assert every_event[-1].fraction == pytest.approx(1.0)


def test_time_left_follows_the_measured_rate(every_event, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(tracker_module.time, "perf_counter", lambda: now[0])
    tracker = Tracker({"a": 1.0, "b": 1.0}, every_event.append)
    with tracker.stage("a", ""):
        now[0] = 4.0  # four times slower than expected
    assert every_event[-1].seconds_left == pytest.approx(4.0)
    assert tracker.timings["a"] == pytest.approx(4.0)


@given(st.lists(st.tuples(st.floats(0.01, 10), st.lists(st.floats(0, 1), max_size=4)), min_size=1, max_size=6))
def test_fraction_never_falls_whatever_is_revised(passes):
    events: list[ProgressEvent] = []
    tracker = Tracker({"s": 1.0, "last": 0.5}, events.append)
    for expected, shares in passes:
        with tracker.stage("s", "", expected):
            for share in shares:
                tracker.done(share)
    with tracker.stage("last", ""):
        pass
    tracker.finish()
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_a_repeated_stage_still_moves_the_fraction(every_event):
    tracker = Tracker({"s": 1.0, "last": 0.1}, every_event.append)
    with tracker.stage("s", "", 1.0):
        pass
    before = every_event[-1].fraction
    with tracker.stage("s", "", 5.0):
        tracker.done(0.5)
        halfway = every_event[-1].fraction
    assert before < halfway < every_event[-1].fraction


def test_a_cancelled_run_stops_at_the_next_step():
    cancel = CancelToken()
    tracker = Tracker({"s": 1.0}, None, cancel)
    with pytest.raises(CancelledError), tracker.stage("s", ""):
        tracker.done(0.1)
        cancel.cancel()
        tracker.done(0.2)
    with pytest.raises(CancelledError), tracker.stage("t", ""):
        pytest.fail("no stage begins after a cancellation")
