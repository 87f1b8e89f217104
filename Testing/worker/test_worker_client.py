"""The client in the caller's thread: callbacks, no waiting, little memory, any surroundings."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from worker_processes import PROJECT, private_folders, scan_of, wait_until

from PancreasSegLib.errors import OutputError
from PancreasSegLib.volume import Geometry
from PancreasSegLib.worker import Scan, WorkerClient, arrays
from PancreasSegLib.worker.environment import import_problem, worker_command, worker_environment


def test_importing_it_imports_nothing_heavy():
    code = "import sys, PancreasSegLib.worker; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout
    assert not {"torch", "monai", "scipy", "SimpleITK", "skimage"} & set(loaded.split())


def test_nothing_starts_before_the_first_request(tmp_path):
    client = WorkerClient(folder=tmp_path)
    client.poll()
    client.release("a")
    assert client.state == "stopped" and client.log_path is None and client.worker_pid is None
    client.close()
    client.poll()
    assert not list(tmp_path.iterdir())


def test_callbacks(client, bright, abdomen, caplog):
    told: list[object] = []
    thread = threading.get_ident()

    def on_progress(event):
        assert threading.get_ident() == thread
        told.append(event)
        raise RuntimeError("a callback that fails")

    def on_done(request):
        assert threading.get_ident() == thread and request.done
        told.append(request)
        raise RuntimeError("another")

    first = client.segment(scan_of(abdomen, "c"), bright, "cpu", on_progress=on_progress, on_done=on_done)
    second = client.devices(on_done=told.append)
    assert not first.done and not told  # nothing before poll
    with caplog.at_level(logging.ERROR):
        assert client.wait(second)
    assert told[-2:] == [first, second] and first.result.mask.any()
    events = told[:-2]
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0 and first.progress == events[-1]
    stages = list(dict.fromkeys(event.stage for event in events))
    assert [s for s in stages if s != "load"] == ["send", "propose", "localise", "segment", "restore", "measure"]
    assert {record.exc_info[1].args[0] for record in caplog.records} == {"a callback that fails", "another"}


def test_a_callback_may_ask_again(client, abdomen):
    answers: list[object] = []

    def again(request):
        answers.append(request.result)
        if len(answers) < 3:
            client.devices(on_done=again)
        client.poll()

    client.devices(on_done=again)
    assert wait_until(lambda: (client.poll(), len(answers) == 3)[1])
    assert answers[0] == answers[1] or answers[0][0]["name"] == "auto"


def test_wait_gives_up_and_the_request_goes_on(client, abdomen):
    request = client.propose_roi(scan_of(abdomen))
    with pytest.raises(TimeoutError):
        client.wait(request, 0.0)
    assert client.wait(request)


def test_no_call_waits(workers, abdomen, monkeypatch):
    """Hashing and writing 130 MB, and the start of the process, all beside the caller."""
    client = workers()
    voxels = np.zeros((250, 512, 512), np.int16)
    voxels[:] = np.arange(512)
    large = Scan(voxels, Geometry((512, 512, 250), (0.8, 0.8, 1.0)), "large")
    threads: dict[str, set[int]] = {}

    def note(owner, name):
        original = getattr(owner, name)

        def noted(*args, **options):
            threads.setdefault(name, set()).add(threading.get_ident())
            return original(*args, **options)

        monkeypatch.setattr(owner, name, noted)

    note(arrays, "_parts")
    note(subprocess.Popen, "__init__")
    tracemalloc.start()
    requests = [client.propose_roi(large), client.propose_roi(scan_of(abdomen, "small"))]
    assert wait_until(lambda: (client.poll(), requests[1].done)[1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert requests[0].done and requests[1].result
    assert peak < 0.1 * voxels.nbytes
    client.release("large")
    client.cancel(client.propose_roi(large))
    client.close()
    assert set(threads) == {"_parts", "__init__"}
    assert not any(threading.get_ident() in of for of in threads.values())


def test_surroundings_that_would_break_a_python(workers, abdomen, monkeypatch, tmp_path):
    (tmp_path / "numpy.py").write_text("raise ImportError('the wrong numpy')")
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONNOUSERSITE", "1")
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.chdir(tmp_path)
    client = workers()
    assert client.wait(client.propose_roi(scan_of(abdomen)))


def test_slicers_library_folders_are_left_out(tmp_path):
    own, slicers = str(tmp_path / "cuda"), str(tmp_path / "Slicer" / "lib")
    base = {"SLICER_HOME": str(tmp_path / "Slicer"), "LD_LIBRARY_PATH": os.pathsep.join([slicers, own])}
    found = worker_environment(
        base | {"QT_PLUGIN_PATH": slicers, "PythonHome": "x", "PYTHONDONTWRITEBYTECODE": "1"}
    )
    assert found["LD_LIBRARY_PATH"] == own and "QT_PLUGIN_PATH" not in found and "PythonHome" not in found
    assert found["PYTHONUTF8"] == "1" and found["PYTHONDONTWRITEBYTECODE"] == "1"


def test_another_interpreter_gets_no_paths_of_this_one(tmp_path):
    other = worker_command(tmp_path / "python")
    assert other[0] == str(tmp_path / "python") and len(other) == 5
    assert len(worker_command(sys.executable)) == 5  # named, it finds its own: a long list is too long for Windows
    assert set(worker_command(None)[5:]) == {str(Path(p).absolute()) for p in sys.path if p}


def test_what_an_interpreter_cannot_import_is_said_in_pythons_words(tmp_path):
    assert import_problem(None, ["json", "numpy"]) == ""
    assert import_problem(sys.executable, ["json", "no_such_module"]).endswith("No module named 'no_such_module'")
    assert "no-such-python" in import_problem(tmp_path / "no-such-python", ["json"])


def test_a_library_that_lies_elsewhere(tmp_path, abdomen):
    """As an extension carries it: beside packages that are not for this Python, in a folder with an odd name."""
    home = tmp_path / "Größe (x86) 膵" / "qt-scripted-modules"
    home.mkdir(parents=True)
    (home / "PancreasSegLib").symlink_to(PROJECT / "PancreasSegLib", target_is_directory=True)
    (home / "torch.py").write_text("raise ImportError('the wrong torch')")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from PancreasSegLib.worker import WorkerClient\n"
        "client = WorkerClient(folder=Path(sys.argv[2])); print(client.wait(client.devices())); client.close()"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONUTF8": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", script, home, tmp_path], capture_output=True, encoding="utf-8", env=environment
    )
    assert "auto" in answer.stdout, answer.stderr
    assert not private_folders(tmp_path)


@pytest.mark.parametrize("name", ["Müller 膵臓 ü", "a b'c\"d", "x" * 200])
def test_folders_with_odd_names(workers, abdomen, tmp_path, name):
    if sys.platform == "win32" and '"' in name:
        pytest.skip("no such name on Windows")
    folder = tmp_path / name
    if name.startswith("x"):
        folder = folder / name / name
    client = workers(folder=folder)
    assert client.wait(client.propose_roi(scan_of(abdomen)))
    client.close()
    assert wait_until(lambda: not list(folder.iterdir()), 20)


STRAY = """
import os, sys
os.write(1, b"a launcher says hello, without the end of the line")
import PancreasSegLib.roi
propose = PancreasSegLib.roi.propose_roi
def chatty(volume):
    print("print")
    sys.__stdout__.write("more\\n")
    os.write(1, b'{"jsonrpc": "2.0", "id": 3, "result": "forged"}\\n')
    os.system("echo a child of the worker")
    os.write(1, b"x" * (1 << 23))
    return propose(volume)
PancreasSegLib.roi.propose_roi = chatty
"""


def test_stray_prints_go_into_the_log(workers, launcher, abdomen):
    client = workers(launcher(STRAY))
    assert client.wait(client.propose_roi(scan_of(abdomen)))["reasons"]
    log = client.log_path.read_text()
    assert all(word in log for word in ("print", "more", "forged", "a child of the worker"))


def test_a_full_disk(workers, abdomen, monkeypatch):
    import PancreasSegLib.worker.scan_store as scan_store

    def full(path, voxels, on_share):
        raise OSError(28, "No space left on device")

    client = workers()
    with monkeypatch.context() as patch:
        patch.setattr(scan_store, "write_array", full)
        with pytest.raises(OutputError, match="No space left on device") as raised:
            client.wait(client.propose_roi(scan_of(abdomen, "a")))
    assert "TMPDIR" in raised.value.hint
    assert client.wait(client.propose_roi(scan_of(abdomen, "a")))
