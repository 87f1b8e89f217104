"""Where models and caches of a user lie on each operating system."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from PancreasSegLib.user_folders import cache_folder, data_folder


@pytest.mark.parametrize(
    ("platform", "data", "cache"),
    [
        ("linux", ".local/share/PancreasSeg", ".cache/PancreasSeg"),
        ("darwin", "Library/Application Support/PancreasSeg", "Library/Caches/PancreasSeg"),
        ("win32", "AppData/Local/PancreasSeg", "AppData/Local/PancreasSeg/Cache"),
    ],
)
def test_the_usual_folders_of_a_system(platform, data, cache, monkeypatch):
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert data_folder() == Path.home() / data
    assert cache_folder() == Path.home() / cache


def test_what_the_user_has_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "dätä"))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/folders/do/not/count")
    assert data_folder() == tmp_path / "dätä" / "PancreasSeg"
    assert cache_folder() == Path.home() / ".cache" / "PancreasSeg"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert data_folder() == tmp_path / "PancreasSeg"
