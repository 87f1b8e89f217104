"""Processes that prepare cases end with the one that started them, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="ends processes by POSIX signals")
def test_no_worker_outlives_a_killed_parent(tmp_path):
    script = tmp_path / "prepare.py"
    script.write_text(
        textwrap.dedent("""
        import os, sys, time
        from types import SimpleNamespace
        from PancreasSegLib.data.case_work import work_on

        def work(case):
            print(os.getpid(), flush=True)
            time.sleep(600)

        if __name__ == "__main__":
            cases = [SimpleNamespace(name=str(n)) for n in range(2)]
            list(work_on(cases, work, stage="x", workers=2, progress=None, cancel=None))
        """)
    )
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until = time.monotonic() + 20
    alive = workers
    while alive and time.monotonic() < until:
        alive = [pid for pid in alive if os.path.exists(f"/proc/{pid}")]  # noqa: PTH110
        time.sleep(0.1)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    assert not alive
