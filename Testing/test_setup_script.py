"""``.ci/setup``: which PyTorch it takes, what the second call costs, what it says when it cannot."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a bash script")

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# Stands in for the interpreter of the environment: notes what pip is asked for, and answers a dry run with the
# packages named in FAKE_REPORT.
FAKE_PYTHON = """#!/usr/bin/env bash
case "$*" in
  *"pip --disable-pip-version-check install"*)
    printf '%s\\n' "$*" >>"$FAKE_LOG"
    if [[ "$*" == *--report* ]]; then
      [ -n "$FAKE_REPORT" ] || exit 1
      all=$*; report=${all##*--report }; printf '%s' "$FAKE_REPORT" >"${report%% *}"
    fi ;;
  *importlib.metadata*) exit 1 ;;
  -\\ *) exec "$REAL_PYTHON" "$@" ;;
esac
"""
LEAN = '{"install": [{"metadata": {"name": "torch"}}, {"metadata": {"name": "numpy"}}]}'
CUDA = '{"install": [{"metadata": {"name": "torch"}}, {"metadata": {"name": "nvidia-cublas-cu12"}}]}'
TRITON = '{"install": [{"metadata": {"name": "torch"}}, {"metadata": {"name": "triton"}}]}'


@pytest.fixture
def checkout(tmp_path, project):
    """A checkout with a stand-in environment, and a function that runs the script and returns pip's calls."""
    root = tmp_path / "a checkout"
    (root / ".ci").mkdir(parents=True)
    (root / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(project / ".ci" / "setup", root / ".ci" / "setup")
    shutil.copy(project / "pyproject.toml", root)
    python = root / ".venv" / "bin" / "python"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    log = tmp_path / "log"
    tools = tmp_path / "tools"
    tools.mkdir()

    def run(*arguments: str, report: str = "", **settings: str) -> list[str]:
        log.write_text("")
        environment = {
            "PATH": f"{tools}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PANCREASSEG_PYTHON": sys.executable,
            "REAL_PYTHON": sys.executable,
            "FAKE_LOG": str(log),
            "FAKE_REPORT": report,
        }
        subprocess.run(
            ["bash", root / ".ci" / "setup", *arguments],
            env=environment | settings,
            check=True,
            capture_output=True,
        )
        return log.read_text().splitlines()

    run.root, run.tools = root, tools
    return run


def torch_calls(calls: list[str]) -> list[str]:
    return [call for call in calls if "torch==" in call and "--dry-run" not in call]


def test_segmenting_gets_no_torch(checkout):
    calls = checkout(report=CUDA)
    assert not torch_calls(calls)
    assert "--editable" in calls[-1] and calls[-1].endswith(str(checkout.root))


@pytest.mark.parametrize("extras", ["torch", "train", "export", "dicomseg,train", "test"])
def test_what_needs_torch_gets_it_first(checkout, extras):
    calls = checkout(extras, report=CUDA)
    (call,) = torch_calls(calls)
    assert calls.index(call) < len(calls) - 1 and calls[-1].endswith(f"[{extras}]")


def test_pip_own_source_is_used_where_it_brings_no_cuda(checkout):
    (call,) = torch_calls(checkout("train", report=LEAN))
    assert "--index-url" not in call


@pytest.mark.parametrize("report", [CUDA, TRITON, ""])
def test_cpu_index_is_used_where_cuda_would_come_along(checkout, report):
    (call,) = torch_calls(checkout("train", report=report))
    assert f"--index-url {CPU_INDEX}" in call


def test_gpu_gets_the_plain_package_without_asking(checkout):
    smi = checkout.tools / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'GPU 0: something'\n")
    smi.chmod(0o755)
    calls = checkout("train", report=CUDA)
    (call,) = torch_calls(calls)
    assert "--index-url" not in call
    assert not [call for call in calls if "--dry-run" in call]


def test_index_of_the_user_goes_first(checkout):
    (call,) = torch_calls(checkout("train", report=LEAN, PANCREASSEG_TORCH_INDEX="https://example.org/rocm"))
    assert "--index-url https://example.org/rocm" in call


def test_second_call_does_nothing_until_something_changes(checkout):
    assert checkout(report=LEAN)
    assert checkout(report=LEAN) == []
    assert checkout("test", report=LEAN)[-1].endswith("[test]")
    assert checkout(report=LEAN) == []
    with (checkout.root / "pyproject.toml").open("a") as stream:
        stream.write("# changed\n")
    assert checkout(report=LEAN)


def test_no_python_is_one_sentence(tmp_path, project):
    for name in ("bash", "dirname"):
        (tmp_path / name).symlink_to(shutil.which(name))
    answer = subprocess.run(
        [shutil.which("bash"), project / ".ci" / "setup"],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path), "PANCREASSEG_PYTHON": "no-such-python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert answer.stderr.startswith("Python 3.10 or newer is needed")
    assert answer.stderr.count("\n") == 1
    assert not Path(tmp_path, ".venv").exists()
