"""A model and scans that every run of the command line can use."""

from __future__ import annotations

from pathlib import Path

import pytest
from bright_model import make_abdomen, write_bright_model

from PancreasSegLib.cli.terminal import verbosity
from PancreasSegLib.io import write_volume


@pytest.fixture(autouse=True)
def fresh_verbosity(monkeypatch):
    monkeypatch.setattr(verbosity, "quiet", False)
    monkeypatch.setattr(verbosity, "debug", False)


@pytest.fixture(scope="session")
def bright(tmp_path_factory) -> Path:
    """The folder of a model that marks what is bright."""
    return write_bright_model(tmp_path_factory.mktemp("models") / "bright")


@pytest.fixture(scope="session")
def abdomen(tmp_path_factory) -> Path:
    """A scan in which that model finds a pancreas."""
    path = tmp_path_factory.mktemp("scans") / "abdomen.nii.gz"
    write_volume(path, make_abdomen()[0])
    return path


@pytest.fixture(scope="session")
def nothing(tmp_path_factory) -> Path:
    """A scan in which it finds none."""
    path = tmp_path_factory.mktemp("scans") / "nothing.nii.gz"
    write_volume(path, make_abdomen(pancreas=False)[0])
    return path
