"""Tiny model packages, made anew by each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_package import Tiny, written


@pytest.fixture(scope="session")
def tiny() -> type[Tiny]:
    return Tiny


@pytest.fixture(scope="session")
def written_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written tiny package that nobody changes."""
    return written(tmp_path_factory.mktemp("packages") / "tiny").path


@pytest.fixture
def folder(tmp_path: Path, written_once: Path) -> Path:
    """A written tiny package of the test's own."""
    return Path(shutil.copytree(written_once, tmp_path / "tiny"))


@pytest.fixture
def models_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder of the user."""
    home = tmp_path / "user models"
    monkeypatch.setenv("PANCREASSEG_MODELS", str(home))
    return home
