"""Workers with a model that needs no training, and workers with a fault."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from worker_processes import PROJECT, Workers, write_launcher

from PancreasSegLib.volume import Volume
from PancreasSegLib.worker import WorkerClient

sys.path.append(str(PROJECT / "Testing" / "cli"))

from bright_model import make_abdomen, write_bright_model


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """Call it for a client whose private folder lies in `workers.folder`."""
    folder = tmp_path / "shared"
    folder.mkdir()
    made = Workers(folder)
    yield made
    made.finish()


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerClient]:
    """One warm worker for all tests that do it no harm."""
    made = Workers(tmp_path_factory.mktemp("warm"))
    yield made()
    made.finish()


@pytest.fixture(scope="session")
def bright(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a model that marks what is bright."""
    return str(write_bright_model(tmp_path_factory.mktemp("models") / "bright"))


@pytest.fixture(scope="session")
def abdomen() -> Volume:
    """A scan in which that model finds a pancreas."""
    return make_abdomen()[0]


@pytest.fixture(scope="session")
def nothing() -> Volume:
    """A scan in which it finds none."""
    return make_abdomen(pancreas=False)[0]


@pytest.fixture
def launcher(tmp_path: Path) -> Callable[..., Path]:
    """Call it for an interpreter that runs some code before the worker.

    Like ``PythonSlicer`` it starts the true interpreter as a child; with `sibling` another process runs beside it,
    whose id it writes into a file of this name.
    """
    return partial(write_launcher, tmp_path)
