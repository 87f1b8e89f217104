"""Where the test host cannot run, its tests are skipped with a reason."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
from host import availability


def test_a_missing_package_is_named(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "PySide6" else find(name))
    assert availability.unavailable().startswith("PySide6-Essentials is not installed")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the wheels bring every library")
def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(availability, "LIBRARIES", ("libc.so.6", "libnot-there.so.1"))
    assert "missing: libnot-there.so.1 " in availability.unavailable()


def test_the_script_tells_by_its_exit_status(project, tmp_path):
    script = project / "Testing" / "host" / "availability.py"
    assert subprocess.run([sys.executable, script], check=False).returncode == 0
    bare = subprocess.run([sys.executable, "-S", "-E", script], capture_output=True, text=True, check=False)
    assert bare.returncode == 1
    assert bare.stderr.startswith("slicer-core is not installed")


def test_asking_imports_neither_qt_nor_slicer(project):
    code = "import sys, host; host.unavailable(); print(sorted({'slicer', 'PySide6', 'vtk'} & set(sys.modules)))"
    answer = subprocess.check_output([sys.executable, "-c", code], cwd=project / "Testing", text=True)
    assert answer.strip() == "[]"
