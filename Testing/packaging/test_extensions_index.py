"""The description for the Extensions Index, and what its reviewers look at in the repository."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CMAKE = (PROJECT / "CMakeLists.txt").read_text(encoding="utf-8")
# The fields of version 1.0.1 of Slicer's schema of catalog entries.
FIELDS = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}


def description() -> dict:
    return json.loads((PROJECT / "Resources" / "PancreasSeg.json").read_text(encoding="utf-8"))


def extension(field: str) -> str:
    found = re.search(rf'set\(EXTENSION_{field} "([^"]+)"\)', CMAKE)
    assert found, f"EXTENSION_{field} is not set"
    return found.group(1)


def test_description_follows_the_schema():
    entry = description()
    assert {"$schema", "category", "scm_url"} <= set(entry) <= set(FIELDS)
    assert all(isinstance(value, FIELDS[name]) for name, value in entry.items())
    assert entry["tier"] in (1, 3)  # 5 is for extensions with a developer of Slicer itself behind them
    assert entry["scm_url"].startswith("https://")
    assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.1.json#")


def test_description_and_cmake_agree():
    entry = description()
    assert re.search(r"project\(PancreasSeg\)", CMAKE)  # the name of the description's file
    assert extension("CATEGORY") == entry["category"]
    assert extension("DEPENDS").split() == entry["build_dependencies"]
    assert entry["scm_url"].removesuffix(".git") == extension("HOMEPAGE")
    assert (
        Path(entry["scm_url"]).stem == "SlicerPancreasSeg"
    )  # "Slicer" leads the repository's name, not the extension's


def test_icon_is_a_png_of_128_pixels():
    name = extension("ICONURL").split("/main/")[1]
    content = (PROJECT / name).read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (128, 128)


def test_screenshots_exist():
    for url in extension("SCREENSHOTURLS").split():
        assert (PROJECT / url.split("/main/")[1]).is_file()


def test_readme_has_what_reviewers_ask_for():
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    for heading in ("## In 3D Slicer", "### Tutorial", "## Licence, data and citation"):
        assert heading in text
    assert re.search(r"!\[[^\]]+\]\(Resources/Screenshots/", text)
    assert (PROJECT / "LICENSE").is_file()
