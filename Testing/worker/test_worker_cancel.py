"""Cancel frees the caller at once in every stage, and ends a worker that does not stop by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from worker_processes import DEAF, SLOW, Workers, is_alive, scan_of, wait_until, write_launcher

from PancreasSegLib.errors import CancelledError
from PancreasSegLib.volume import Geometry
from PancreasSegLib.worker import Scan

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="stops processes by POSIX signals")
LONGEST_CALL_S = 10.0  # a call that waits for the worker hangs; what calls take is in Testing/benchmarks/panel.md


@pytest.fixture(scope="module")
def slow_client(tmp_path_factory):
    """A worker that is slow, for all that do it no harm."""
    made = Workers(tmp_path_factory.mktemp("slow"))
    yield made(write_launcher(tmp_path_factory.mktemp("launcher"), SLOW))
    made.finish()


def cancel_at(client, stage, scan, model):
    """Run a segmentation and cancel it from the callback when a stage is reached; return request and stages."""
    stages: list[str] = []
    ended: list[object] = []

    def on_progress(event):
        stages.append(event.stage)
        if event.stage == stage:
            started = time.perf_counter()
            client.cancel(request)
            assert time.perf_counter() - started < LONGEST_CALL_S

    request = client.segment(scan, model, "cpu", on_progress=on_progress, on_done=ended.append)
    with pytest.raises(CancelledError):
        client.wait(request)
    assert stages[-1] == stage and request.cancelled and request.done and request.result is None
    client.poll()
    assert ended == [request]
    return request


LESS_USUAL = [pytest.param(stage, marks=pytest.mark.slow) for stage in ("localise", "restore")]


@pytest.mark.parametrize("stage", ["propose", *LESS_USUAL, "segment", "measure"])
def test_cancelled_in_a_stage_the_worker_stays(slow_client, bright, abdomen, stage):
    client = slow_client
    client.wait(client.load_model(bright, "cpu"))
    pid = client.worker_pid
    cancel_at(client, stage, scan_of(abdomen, "a"), bright)
    assert wait_until(lambda: client.state == "ready")
    assert client.worker_pid == pid and not list(client.log_path.parent.glob("reply-*"))
    assert client.wait(client.devices()) and client.worker_pid == pid


def test_cancelled_while_the_model_is_loaded(workers, bright, abdomen):
    client = workers()
    cancel_at(client, "load", scan_of(abdomen, "a"), bright)
    assert client.wait(client.segment(scan_of(abdomen, "a"), bright, "cpu")).mask.any()


def test_cancelled_while_the_scan_is_sent(workers, bright):
    client = workers()
    large = Scan(np.zeros((400, 256, 256), np.int16), Geometry((256, 256, 400), (1.0, 1.0, 1.0)))
    cancel_at(client, "send", large, bright)
    assert wait_until(lambda: client.state in ("ready", "stopped"))
    left = [p for p in client.log_path.parent.glob("scan-*.npy") if p.stat().st_size < large.voxels.nbytes]
    assert not left


def test_cancelled_while_it_starts_and_while_it_waits(workers, bright, abdomen):
    client, scan = workers(), scan_of(abdomen, "a")
    requests = [client.segment(scan, bright, "cpu") for _ in range(4)]
    for request in requests[:3]:
        client.cancel(request)
        client.cancel(request)  # twice is once
    client.poll()
    assert [r.done for r in requests] == [True, True, True, False]
    assert client.wait(requests[3]).mask.any()
    client.cancel(requests[3])  # too late: nothing happens
    client.poll()
    assert not requests[3].cancelled and requests[3].result is not None


def test_a_result_that_nobody_has_seen_is_dropped(workers, bright, abdomen):
    client = workers()
    client.wait(client.load_model(bright, "cpu"))
    request = client.segment(scan_of(abdomen), bright, "cpu")
    assert wait_until(lambda: "segment took" in client.log_path.read_text())
    client.cancel(request)
    client.poll()
    assert request.cancelled and request.result is None
    assert client.wait(client.devices()) and not list(client.log_path.parent.glob("reply-*"))


@needs_signals
def test_a_worker_that_does_not_obey_is_killed_with_its_children(workers, launcher, bright, abdomen, tmp_path):
    beside = tmp_path / "sibling"
    fault = DEAF + "\nimport subprocess\nsubprocess.Popen(['sleep', '600'])\n"
    client = workers(launcher(fault, beside))
    client.wait(client.load_model(bright, "cpu"))
    pid, group = workers.note(client), os.getpgid(client.worker_pid)
    assert is_alive(int(beside.read_text())) and group != os.getpgrp()
    cancel_at(client, "propose", scan_of(abdomen, "a"), bright)
    assert wait_until(lambda: client.state == "stopped", 30)  # a second, and what a busy machine adds
    assert wait_until(lambda: not is_alive(pid) and not is_alive(int(beside.read_text())), 10)
    listing = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    assert not [line for line in listing.splitlines() if line.split()[0] == str(group) and "Z" not in line]
    assert not list(client.log_path.parent.glob("reply-*"))
    assert client.wait(client.propose_roi(scan_of(abdomen, "a")))  # with the same scan, which is not written again
    assert client.worker_pid != pid and client.log_path.read_text().count("set_volume took") == 2


@needs_signals
def test_a_worker_that_stands_still_is_killed(workers, abdomen):
    client, scan = workers(), scan_of(abdomen, "a")
    client.wait(client.propose_roi(scan))
    pid = workers.note(client)
    os.kill(pid, signal.SIGSTOP)
    request = client.propose_roi(scan)
    wait_until(lambda: client.state == "busy", 5)
    longest = 0.0
    client.cancel(request)
    while client.state != "stopped":
        started = time.perf_counter()
        client.poll()
        longest = max(longest, time.perf_counter() - started)
        assert request.done
        time.sleep(0.01)
    assert longest < LONGEST_CALL_S and not is_alive(pid)
    assert client.wait(client.propose_roi(scan))


@needs_signals
def test_close_ends_a_worker_that_does_not_obey(workers, launcher, bright, abdomen):
    client = workers(launcher(DEAF))
    client.wait(client.load_model(bright, "cpu"))
    pid, folder = workers.note(client), client.log_path.parent
    stages: list[str] = []
    client.segment(scan_of(abdomen), bright, "cpu", on_progress=lambda e: stages.append(e.stage))
    assert wait_until(lambda: (client.poll(), "propose" in stages)[1])
    started = time.perf_counter()
    client.close()
    assert time.perf_counter() - started < LONGEST_CALL_S
    assert wait_until(lambda: not is_alive(pid) and not folder.exists(), 10)
    assert not Path(folder).exists()
