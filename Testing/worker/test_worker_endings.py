"""Crashes of the worker and of its owner: a sentence, a fresh start, and nothing left behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from worker_processes import DEAF, is_alive, private_folders, scan_of, wait_until

from PancreasSegLib.errors import MissingPackageError, OutOfMemoryError, PancreasSegError, WorkerError
from PancreasSegLib.storage.temporary_folder import is_abandoned, sweep
from PancreasSegLib.worker import WorkerClient
from PancreasSegLib.worker.private_folder import private_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ends processes by POSIX signals")

OWNER = """
import sys, time
import numpy as np
from pathlib import Path
from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.volume import Geometry
from PancreasSegLib.worker import Scan, WorkerClient
client = WorkerClient(sys.argv[2] or None, folder=Path(sys.argv[1]))
try:
    client.wait(client.load_model("no such model", "cpu"))  # the quickest answer of all
except PancreasSegError:
    pass
print(client.worker_pid, client.log_path.parent, flush=True)
{then}
"""


def start_owner(folder: Path, then: str, python: Path | str = "") -> tuple[subprocess.Popen, int, Path]:
    """Start a script that owns a worker; return it, the worker's id and the private folder."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(then=then), folder, python], stdout=subprocess.PIPE, encoding="utf-8"
    )
    pid, _, path = owner.stdout.readline().strip().partition(" ")
    return owner, int(pid), Path(path)


def crash(client, bright, abdomen, how):
    """Start a segmentation and do something to the worker half-way; return the error."""
    done: list[int] = []

    def on_progress(event):
        if event.stage == "propose" and not done:
            done.append(client.worker_pid)
            how(client.worker_pid)

    request = client.segment(scan_of(abdomen, "a"), bright, "cpu", on_progress=on_progress)
    with pytest.raises(WorkerError) as raised:
        client.wait(request)
    assert done and request.error is raised.value and not request.cancelled
    return raised.value


def test_killed_half_way(workers, launcher, bright, abdomen):
    client = workers(launcher(DEAF))
    client.wait(client.load_model(bright, "cpu"))
    first = workers.note(client)
    error = crash(client, bright, abdomen, lambda pid: os.kill(pid, signal.SIGKILL))
    assert "stopped unexpectedly" in error.message and "segment " in error.message
    assert "memory" in error.hint and "\n" not in error.message
    assert client.state == "stopped" and not is_alive(first)
    assert not list(client.log_path.parent.glob("reply-*"))
    assert client.wait(client.forecast(scan_of(abdomen, "a"), bright, "cpu"))["sentence"]
    assert workers.note(client) != first


def test_crashed_with_last_words(workers, launcher, bright, abdomen):
    fault = """
    from PancreasSegLib.inference import tracker
    begin = tracker.Tracker.done
    def done(self, share):
        if self._stage == "segment":
            import os
            os.write(1, b"cudnn: the card is gone\\n")
            os.abort()
        begin(self, share)
    tracker.Tracker.done = done
    """
    client = workers(launcher(fault))
    with pytest.raises(WorkerError, match="the card is gone") as raised:
        client.wait(client.segment(scan_of(abdomen, "a"), bright, "cpu"))
    assert "Fatal Python error: Aborted" in raised.value.message
    assert str(client.log_path) in raised.value.hint
    assert client.wait(client.propose_roi(scan_of(abdomen, "a")))


def test_it_dies_while_nothing_is_asked_of_it(workers, abdomen):
    client = workers()
    client.wait(client.propose_roi(scan_of(abdomen, "a")))
    first = workers.note(client)
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: client.state == "stopped")
    assert client.wait(client.propose_roi(scan_of(abdomen, "a")))
    assert client.worker_pid != first


def test_what_the_library_raises_becomes_a_sentence(workers, launcher, abdomen):
    fault = """
    import PancreasSegLib.roi
    faults = iter([
        MemoryError(),
        ModuleNotFoundError("No module named monai", name="monai"),
        ValueError("odd"),
        FileNotFoundError(2, "No such file", "weights"),
    ])
    propose = PancreasSegLib.roi.propose_roi
    def fail(volume):
        fault = next(faults, None)
        if fault is not None:
            raise fault
        return propose(volume)
    PancreasSegLib.roi.propose_roi = fail
    """
    client = workers(launcher(fault))
    for number, (error, sentence) in enumerate(
        [
            (OutOfMemoryError, "memory"),
            (MissingPackageError, "package monai"),
            (PancreasSegError, "ValueError: odd"),
            (PancreasSegError, "weights"),
        ],
        1,
    ):
        with pytest.raises(error, match=sentence):
            client.wait(client.propose_roi(scan_of(abdomen)))
        assert client.log_path.read_text().count("Traceback") == number
    assert client.wait(client.propose_roi(scan_of(abdomen)))


def test_no_such_interpreter(workers, tmp_path):
    client = workers(tmp_path / "no python")
    with pytest.raises(WorkerError, match="could not be started"):
        client.wait(client.devices())
    assert client.state == "stopped"


def test_an_interpreter_that_lacks_a_package(workers, launcher):
    client = workers(launcher("sys.modules['numpy'] = None\n"))
    with pytest.raises(WorkerError, match=r"could not start.*numpy") as raised:
        client.wait(client.devices())
    assert "Install" in raised.value.hint


def test_no_folder_can_be_made(workers, tmp_path):
    (tmp_path / "file").write_text("")
    client = workers(folder=tmp_path / "file" / "below")
    with pytest.raises(WorkerError, match="No folder"):
        client.wait(client.devices())


def test_the_owner_is_killed(tmp_path):
    owner, pid, folder = start_owner(tmp_path, "time.sleep(600)")
    assert is_alive(pid) and folder.is_dir()
    owner.kill()
    owner.wait()
    assert wait_until(lambda: not is_alive(pid), 30)
    assert wait_until(lambda: not folder.exists(), 10)


def test_the_owner_is_killed_while_the_worker_works(tmp_path, launcher, bright):
    then = f"""
sys.path.append({str(Path(__file__).parents[1] / "cli")!r})
from bright_model import make_abdomen
ct = make_abdomen()[0]
stages = []
client.segment(Scan(ct.voxels, ct.geometry), {bright!r}, "cpu", on_progress=lambda e: stages.append(e.stage))
while "propose" not in stages:
    client.poll()
    time.sleep(0.02)
print("working", flush=True)
time.sleep(600)
"""
    owner, pid, folder = start_owner(tmp_path, then, launcher(DEAF))
    assert owner.stdout.readline().strip() == "working"
    owner.kill()
    owner.wait()
    assert wait_until(lambda: not is_alive(pid) and not folder.exists(), 30)


def test_a_fork_of_the_owner_does_not_keep_it(tmp_path):
    """The fork holds the pipe and the lock, so only the owner's process number tells."""
    then = "import os\nif os.fork() == 0:\n    time.sleep(600)\nprint('forked', flush=True)\ntime.sleep(600)"
    owner, pid, folder = start_owner(tmp_path, then)
    owner.stdout.readline()
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    forks = [int(line.split()[0]) for line in listing.splitlines() if line.split()[1] == str(owner.pid)]
    try:
        owner.kill()
        owner.wait()
        assert wait_until(lambda: not is_alive(pid), 30)
    finally:
        for fork in set(forks) - {pid}:
            os.kill(fork, signal.SIGKILL)
    assert wait_until(lambda: is_abandoned(folder) or not folder.exists(), 10)
    sweep(tmp_path)
    assert not folder.exists()


@pytest.mark.parametrize("then", ["raise KeyboardInterrupt", "client.close()", "del client"])
def test_the_owner_ends(tmp_path, then):
    owner, pid, folder = start_owner(tmp_path, then)
    owner.wait(60)
    assert wait_until(lambda: not is_alive(pid) and not folder.exists(), 10)


def test_a_client_that_is_forgotten(tmp_path, abdomen):
    client = WorkerClient(folder=tmp_path)
    client.wait(client.propose_roi(scan_of(abdomen)))
    pid, folder = client.worker_pid, client.log_path.parent
    del client
    gc.collect()
    assert wait_until(lambda: not is_alive(pid) and not folder.exists(), 20)


def test_folders_of_the_dead_are_swept_and_those_of_the_living_stay(tmp_path):
    script = (
        "import sys, time; from pathlib import Path\n"
        "from PancreasSegLib.worker.private_folder import private_folder\n"
        "folder = private_folder(Path(sys.argv[1])); print(folder.path, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script, tmp_path]
    owners = [subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") for _ in range(2)]
    try:
        dead, alive = (Path(owner.stdout.readline().strip()) for owner in owners)
        (dead / "scan-1.npy").write_bytes(b"voxels")
        stranger = tmp_path / "other"
        stranger.mkdir()
        (tmp_path / "pancreasseg-link").symlink_to(stranger)
        owners[0].kill()
        owners[0].wait()
        mine = private_folder(tmp_path)
        assert not dead.exists() and alive.is_dir() and mine.path.is_dir() and stranger.is_dir()
        sweep(tmp_path)
        assert mine.path.is_dir() and not is_abandoned(mine.path)
        mine.remove()
        assert private_folders(tmp_path) == sorted([alive, tmp_path / "pancreasseg-link"])
    finally:
        for owner in owners:
            owner.kill()
            owner.wait()
