"""The documentation site builds without a warning and holds every page and every public name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import PancreasSegLib.inference
import PancreasSegLib.metrics
import PancreasSegLib.refine
import PancreasSegLib.roi

PROJECT = Path(__file__).resolve().parents[1]


def test_the_site_builds_and_names_what_is_public(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in (PROJECT / "Resources" / "Docs").glob("*.md"):
        assert (tmp_path / "Docs" / page.stem / "index.html").is_file(), page
    python = (tmp_path / "Docs" / "python" / "index.html").read_text(encoding="utf-8")
    rooms = (PancreasSegLib.inference, PancreasSegLib.metrics, PancreasSegLib.refine, PancreasSegLib.roi)
    names = [(room.__name__, name) for room in rooms for name in room.__all__ if not name.isupper()]
    missing = [name for room, name in names if not re.search(rf'id="{room}\.[\w.]*\.{name}"', python)]
    assert missing == []
    assert ":meth:" not in python and ":class:" not in python
