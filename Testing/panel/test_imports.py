"""The panel's imports go one way: no file and no folder leads back to itself, types included."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PLACE = Path(__file__).resolve().parents[2] / "PancreasSeg"
PANEL = "PancreasSegPanel"


def imports(folder: Path) -> dict[str, set[str]]:
    """Every module of the panel with those of the panel that it imports, wherever in its text."""
    files = {
        ".".join(path.relative_to(folder).with_suffix("").parts): path for path in (folder / PANEL).rglob("*.py")
    }
    found: dict[str, set[str]] = {name: set() for name in files}
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                module = node.module or ""
                names = [f"{module}.{a.name}" if f"{module}.{a.name}" in files else module for a in node.names]
            found[name] |= {other for other in names if other in files}
    return found


def rooms(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same for folders; a file beside them stands for itself."""
    between: dict[str, set[str]] = {}
    for name, others in found.items():
        between.setdefault(_room(name), set()).update({_room(other) for other in others} - {_room(name)})
    return between


def _room(name: str) -> str:
    return ".".join(name.split(".")[:2])


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_file_leads_back_to_itself():
    found = imports(PLACE)
    assert any(f"{PANEL}.logic" in others for others in found.values())
    assert not circle(found)


def test_no_folder_leads_back_to_itself():
    assert not circle(rooms(imports(PLACE)))


@pytest.mark.parametrize("where", ["top", "function", "types"])
def test_a_circle_is_seen_wherever_the_import_stands(tmp_path, where):
    folder = tmp_path / PANEL / "room"
    folder.mkdir(parents=True)
    before = {"top": "", "function": "def f():\n    ", "types": "if TYPE_CHECKING:\n    "}[where]
    (folder / "a.py").write_text(f"from {PANEL}.room import b\n")
    (folder / "b.py").write_text(f"{before}from {PANEL}.room.a import thing\n")
    assert set(circle(imports(tmp_path))) == {f"{PANEL}.room.a", f"{PANEL}.room.b"}
