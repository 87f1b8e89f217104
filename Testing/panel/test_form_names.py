"""The form and the code that uses it: names are the same on both sides."""

from __future__ import annotations

import ast
from pathlib import Path
from xml.etree import ElementTree

PROJECT = Path(__file__).resolve().parents[2]
FORM = PROJECT / "Resources" / "UI" / "PancreasSeg.ui"
PANEL = PROJECT / "PancreasSeg" / "PancreasSegPanel"
ACTS = ("Button", "CheckBox", "ComboBox", "Selector", "Slider", "LineEdit", "Table", "Label")


def named() -> dict[str, str]:
    """Return the class of every widget of the form by its name."""
    return {widget.get("name", ""): widget.get("class", "") for widget in ElementTree.parse(FORM).iter("widget")}


def used() -> set[str]:
    """Return the names that the panel's code asks the form for."""
    names = set()
    for path in PANEL.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("ui", "self._ui", "self.ui"):
                names.add(node.attr)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                names.add(node.value)  # tools name their buttons
    return names


def test_names_are_unique():
    names = [widget.get("name") for widget in ElementTree.parse(FORM).iter("widget")]
    assert len(names) == len(set(names))


def test_what_the_code_asks_for_is_in_the_form():
    asked = {
        node.attr
        for path in PANEL.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("ui", "self._ui", "self.ui")
    }
    assert not asked - set(named())


def test_what_can_be_clicked_does_something():
    form = ElementTree.parse(FORM)
    bound = {
        w.get("name") for w in form.iter("widget") if w.find("property[@name='SlicerParameterName']") is not None
    }
    captions = {label.get("name") for label in form.iter("widget") if label.get("class") == "QLabel"}
    idle = {name for name in named() if name.endswith(ACTS)} - used() - bound - captions
    sections = {name for name, kind in named().items() if kind == "ctkCollapsibleButton"}
    assert not idle - sections


def test_the_tab_key_reaches_what_can_be_used():
    stops = {stop.text for stop in ElementTree.parse(FORM).iter("tabstop")}
    buttons = {
        name for name, kind in named().items() if kind in ("QPushButton", "QCheckBox", "QComboBox", "QLineEdit")
    }
    assert not buttons - stops
    assert not stops - set(named())
