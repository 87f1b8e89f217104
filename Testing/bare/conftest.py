"""An environment with ``pip install .`` alone, made once, and the program in it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def python(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment; ``$PANCREASSEG_BARE_PYTHON`` names one that is there already."""
    if chosen := os.environ.get("PANCREASSEG_BARE_PYTHON"):
        return Path(chosen)
    folder = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(folder, with_pip=True)
    found = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    command = [found, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile", project]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"pip install . does not work: {done.stderr.strip().splitlines()[-1:]}")
    return found


@pytest.fixture(scope="session")
def run(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run something with that interpreter: the program, or ``-c`` and a script."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")  # in the checkout its library would be found first

    def start(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        command = [str(python), *(words if words[0] == "-c" else ["-m", "PancreasSegLib", *words])]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(command, cwd=elsewhere, env=kept, capture_output=True, text=True, check=False)

    return start


@pytest.fixture(scope="session")
def demo(run: Callable[..., subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the demonstration has segmented a phantom."""
    folder = tmp_path_factory.mktemp("demo")
    done = run("demo", "--phantom", "--output", folder)
    assert done.returncode == 0, done.stderr
    return folder
