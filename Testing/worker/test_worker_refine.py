"""Corrections in the worker: what the library gives, kilobytes a stroke, and a state that is never lost."""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import pytest
from correction_owner import GRIDS, Owner
from worker_processes import is_alive, wait_until

from PancreasSegLib.errors import CancelledError, CorrectionLostError, MarkError, WorkerError
from PancreasSegLib.refine import Mark
from PancreasSegLib.volume import Box, Geometry
from PancreasSegLib.worker import CorrectionState
from PancreasSegLib.worker.correction_exchange import CorrectionExchange, CorrectionTask


@pytest.mark.parametrize(("grid", "probability"), [("left-handed", False), ("oblique", True)])
def test_it_gives_what_the_library_gives(client, grid, probability):
    owner = Owner(client, GRIDS[grid], f"{grid} {probability}", probability=probability)
    total = owner.add(owner.stroke(0.8))
    assert total.added_ml > 0 and total.seconds > 0
    for share, include in ((0.9, True), (0.2, False), (0.85, False)):
        owner.add(owner.stroke(share, include))
    corner = owner.grid.index_to_lps(owner.box.lower_ijk)
    owner.add(owner.stroke(0.7), Mark.point(corner, owner.grid, include=False))
    box = Box((1, 1, 1), (6, 5, 4))
    region = Mark.of_array(np.ones((3, 4, 5)), owner.grid, include=True, kind="region", box=box)
    change = owner.add(region)
    assert change.box == region.box


def test_only_what_the_worker_lacks_is_sent(client, monkeypatch):
    import PancreasSegLib.worker.correction_exchange as exchange

    sent: list[str] = []
    write, mark = exchange.write_part, exchange.write_mark
    monkeypatch.setattr(exchange, "write_part", lambda *a: sent.append("state") or write(*a))
    monkeypatch.setattr(exchange, "write_mark", lambda *a: sent.append("mark") or mark(*a))
    owner = Owner(client, GRIDS["plain"], "little")
    for share in (0.8, 0.9, 0.7):
        owner.add(owner.stroke(share))
    assert sent == ["state", "mark", "mark", "mark"]
    folder = client.log_path.parent
    assert not [p.name for p in folder.iterdir() if p.name.startswith(("ask-", "reply-"))]
    assert sum(p.name.startswith("scan-") for p in folder.iterdir()) <= 4


def test_undo_and_edits_reach_the_worker_with_the_next_stroke(client):
    owner = Owner(client, GRIDS["plain"], "undo")
    before = owner.state
    owner.add(owner.stroke(0.8))
    owner.return_to(before)
    owner.add(owner.stroke(0.9))
    mask, marks = owner.whole()
    mask[0, 0, :9], marks[0, 0, :9] = 1, 1  # painted elsewhere
    owner.state = CorrectionState(Box.whole(owner.grid), mask, marks, owner.state.probability)
    owner.twin.edit(Box((0, 0, 0), (9, 1, 1)), mask[:1, :1, :9])
    owner.add(owner.stroke(0.75, include=False))


def test_opening_ahead_changes_nothing_and_the_first_stroke_sends_little(client):
    owner = Owner(client, GRIDS["plain"], "ahead")
    change = client.wait(owner.ask())
    assert change.box is None and change.mask.size == 0
    owner.add(owner.stroke(0.8))


def test_two_corrections_in_turn_and_more_than_are_kept(client):
    owners = [Owner(client, GRIDS["plain"], f"owner {n}") for n in range(3)]
    for share in (0.8, 0.9):
        for owner in owners:
            owner.add(owner.stroke(share))


def test_another_scan_under_the_same_name_is_opened_anew(client):
    owner = Owner(client, GRIDS["plain"], "moved")
    owner.add(owner.stroke(0.8))
    elsewhere = Geometry(owner.grid.size_ijk, owner.grid.spacing_mm, (0.0, 0.0, 0.0))
    other = Owner(client, elsewhere, "moved", probability=False)
    other.add(other.stroke(0.8))


def test_a_released_correction_and_scan_are_opened_again(client):
    owner = Owner(client, GRIDS["plain"], "released")
    owner.add(owner.stroke(0.8))
    client.end_correction("released")
    client.end_correction("never opened")
    owner.add(owner.stroke(0.9))
    client.release(owner.scan.key)
    owner.add(owner.stroke(0.7))


def test_a_lost_correction_is_opened_again_by_itself(workers, launcher):
    forgetful = """
    from PancreasSegLib.worker import correction_sessions
    held = correction_sessions.CorrectionSessions._held
    def lose(self, params, volume):
        if params["revision"] == 2:
            self._open.clear()
        return held(self, params, volume)
    correction_sessions.CorrectionSessions._held = lose
    """
    client = workers(launcher(forgetful))
    owner = Owner(client, GRIDS["plain"])
    for share in (0.8, 0.9, 0.7, 0.6):
        owner.add(owner.stroke(share))
    assert client.log_path.read_text().count("correction-lost") == 1


def test_a_worker_that_loses_everything_at_once_is_an_error(tmp_path):
    calls = []

    def lose(params):
        calls.append(params)
        raise CorrectionLostError("Gone.")

    owner = Owner(None, GRIDS["plain"])
    task = CorrectionTask("owner", owner.state, [owner.stroke(0.8)])
    with pytest.raises(CorrectionLostError, match="Gone"):
        CorrectionExchange(tmp_path).ask(task, "hash", owner.grid, lose)
    assert len(calls) == 1 and not list(tmp_path.iterdir())


SLOW = """
from PancreasSegLib.refine import Correction
import time
add = Correction.add
def slowly(self, marks):
    time.sleep(0.8 if len(marks) == 2 else 0)
    return add(self, marks)
Correction.add = slowly
"""


@pytest.mark.skipif(sys.platform == "win32", reason="ends processes by POSIX signals")
def test_killed_half_way_and_asked_again_then_cancelled(workers, launcher):
    client = workers(launcher(SLOW))
    owner = Owner(client, GRIDS["plain"])
    owner.add(owner.stroke(0.8))
    first = workers.note(client)
    marks = owner.stroke(0.9), owner.stroke(0.2, include=False)
    request = owner.ask(*marks)
    assert wait_until(lambda: "refine" in client.log_path.read_text().splitlines()[-1])  # it is at work
    os.kill(first, signal.SIGKILL)
    with pytest.raises(WorkerError, match="stopped unexpectedly"):
        client.wait(request)
    assert not is_alive(first) and not list(client.log_path.parent.glob("ask-*"))
    owner.add(*marks)  # the same request once more is all it takes
    assert workers.note(client) != first
    request = owner.ask(owner.stroke(0.5), owner.stroke(0.4))  # and one that is cancelled is not there afterwards
    assert wait_until(lambda: "refine" in client.log_path.read_text().splitlines()[-1])
    client.cancel(request)
    with pytest.raises(CancelledError):
        client.wait(request)
    owner.add(owner.stroke(0.7))


def test_a_mark_that_cannot_be_used_leaves_the_correction_as_it_was(client):
    owner = Owner(client, GRIDS["plain"], "bad mark")
    owner.add(owner.stroke(0.8))
    large = Geometry((90, 90, 90), (2.0, 2.0, 3.0))
    off = Mark.of_array(np.ones((2, 2, 2)), large, include=True, box=Box((80, 80, 80), (82, 82, 82)))
    with pytest.raises(MarkError):
        client.wait(owner.ask(owner.stroke(0.9), off))
    owner.add(owner.stroke(0.7))


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads memory from /proc")  # noqa: PTH110
def test_thirty_strokes_do_not_grow_the_memory(client):
    owner = Owner(client, Geometry((160, 160, 80), (1.0, 1.0, 2.0)), "memory")
    pages = []
    for number in range(30):
        owner.take(owner.ask(owner.stroke(0.1 + 0.8 * (number % 7) / 7, include=bool(number % 3))))
        pages.append(_resident(client.worker_pid))
    assert max(pages[10:]) - pages[9] < 16 << 20
    files = [p.name for p in client.log_path.parent.iterdir()]
    assert not [name for name in files if name.startswith(("ask-", "reply-"))]


def _resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
