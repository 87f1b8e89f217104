"""The extension's install step, run by CMake with stand-ins for its macros, and imports from what it installs."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stand_in_slicer import MODULES, write_stand_in

PROJECT = Path(__file__).resolve().parents[2]


def _program(name: str) -> str:
    """Return CMake or Ninja: the one that pip installed beside this Python, else the system's."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed (pip install '.[test]' brings it)")
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Configure and install the extension; return Slicer's folder of scripted modules."""
    folder = tmp_path_factory.mktemp("extension")
    slicer, build, prefix = write_stand_in(folder / "slicer"), folder / "build", folder / "installed"
    cmake = _program("cmake")
    # The extension compiles nothing, so any program passes for a compiler.
    anything = shutil.which("true") or sys.executable
    compilers = [f"-DCMAKE_{lang}_COMPILER{x}" for lang in ("C", "CXX") for x in (f"={anything}", "_FORCED=1")]
    ninja = f"-DCMAKE_MAKE_PROGRAM={_program('ninja')}"
    configure = [cmake, "-S", PROJECT, "-B", build, "-G", "Ninja", ninja, f"-DSlicer_DIR={slicer}", *compilers]
    for command in (configure, [cmake, "--install", build, "--prefix", prefix]):
        run = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        assert run.returncode == 0, run.stdout + run.stderr
    return prefix / MODULES


def _files(folder: Path, below: str) -> set[str]:
    found = {path.relative_to(folder).as_posix() for path in (folder / below).rglob("*") if path.is_file()}
    return {name for name in found if not any(part == "__pycache__" or part[0] == "." for part in name.split("/"))}


def test_every_file_of_the_library_and_the_form_is_installed(installed):
    assert _files(installed, "PancreasSegLib") == _files(PROJECT, "PancreasSegLib")
    wanted = {name for name in _files(PROJECT, "Resources") if name.endswith((".ui",)) or "/Icons/" in name}
    assert "Resources/Icons/PancreasSeg.png" in wanted
    assert "Resources/UI/PancreasSeg.ui" in wanted
    assert _files(installed, "Resources") == {name for name in wanted if not name.endswith(".svg")}


def test_every_file_of_the_module_is_installed_and_nothing_else(installed):
    module = {name.removeprefix("PancreasSeg/") for name in _files(PROJECT, "PancreasSeg")} - {"CMakeLists.txt"}
    assert "PancreasSeg.py" in module
    found = {name for name in _files(installed, ".") if not name.startswith(("PancreasSegLib/", "Resources/"))}
    assert found == module


def _run_there(installed: Path, code: str) -> str:
    """Run code with the installed folder alone on the path, in a process that cannot see the checkout."""
    script = f"import sys; sys.path.insert(0, {str(installed)!r})\n{code}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    # -I: neither the current folder nor this checkout's editable install may stand in for a missing file
    finder = "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
    script = script.replace("\n", "\n" + finder, 1)
    run = subprocess.run(
        [sys.executable, "-I", "-c", script],
        capture_output=True,
        encoding="utf-8",
        cwd=installed,
        env=environment,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_installed_library_is_whole(installed):
    code = """
import json, pathlib, PancreasSegLib
from PancreasSegLib.models import find_package, verify_package
from PancreasSegLib.roi.statistics import location_statistics
package = find_package("default")
verify_package(package.path)
print(json.dumps([PancreasSegLib.__file__, str(package.path), bool(location_statistics())]))
"""
    library, package, statistics = json.loads(_run_there(installed, code))
    assert Path(library).is_relative_to(installed)
    assert Path(package).is_relative_to(installed)
    assert statistics


def test_the_installed_panel_imports_without_torch_or_qt(installed):
    if importlib.util.find_spec("slicer") is None:
        pytest.skip("slicer-core is not installed, so the names of slicer that the panel imports are absent")
    folder = installed / "PancreasSegPanel"
    names = [
        path.relative_to(installed).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for path in sorted(folder.rglob("*.py"))
    ]
    for name in names:
        assert importlib.util.cache_from_source(name)  # a name that Python can import
    code = f"""
import ast, pathlib
for path in pathlib.Path({str(folder)!r}).rglob("*.py"):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        single = getattr(node, "module", "") or ""
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [single]
        bad = [name for name in names if name.split(".")[0] in ("torch", "monai", "SimpleITK")]
        assert not bad, (path, bad)
print("fine")
"""
    assert _run_there(installed, code).strip() == "fine"
