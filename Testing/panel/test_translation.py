"""Every text that a user reads can be translated: the panel's code is parsed, and what is not is named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PLACE = Path(__file__).resolve().parents[2] / "PancreasSeg"
SENTENCE = re.compile(r"[^\W\d_]{2,}[,.:;]? [^\W\d_]+|[^\W\d_].*[.…!?]$")
"""Two words, or the end of a sentence."""
WORD = re.compile(r"[^\W\d_]")
NOT_TOLD = {"log", "connect", "RuntimeError", "FileNotFoundError", "translator"}
"""Calls whose texts no user reads: the log's, and those of mistakes in the code."""
SHOWN = {"text", "toolTip", "windowTitle", "placeholderText"}
SHOW = {
    "say",
    "_say",
    "error",
    "confirm",
    "setText",
    "setToolTip",
    "addItem",
    "open_file",
    "open_folder",
    "save_file",
}
NO_TEXT = {
    "Binary labelmap",  # names that Slicer's and the library's code goes by
    "Closed surface",
    "PancreasSeg files",
    "--device cpu",
    "--device auto",
    'pancreasseg train --finetune  ""',  # what is typed in a terminal
    "pip download --only-binary=:all: -d FOLDER ",
    r"(cores?) of .*?(?=, [\d.]+ GB free)",
}


def untranslated(code: str) -> list[str]:
    """Return line and text of every literal that is shown as it is written."""
    tree = ast.parse(code)
    passed = set(_passed(tree))
    found = []
    for node in ast.walk(tree):
        texts = list(_shown(node))
        if isinstance(node, (ast.Constant, ast.JoinedStr)) and SENTENCE.search(_text(node)):
            texts.append(node)
        for text in texts:
            if id(text) not in passed and _text(text) not in NO_TEXT:
                passed.add(id(text))
                found.append(f"{text.lineno}: {_text(text)}")
    return found


def _text(node: ast.expr) -> str:
    """Return what is written in a literal, without what is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _passed(tree: ast.AST) -> Iterator[int]:
    """Ids of literals that are translated or not read: docstrings, the log, parts of a longer literal."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield id(node.value)
        elif isinstance(node, ast.Assert) and node.msg is not None:
            yield from map(id, ast.walk(node.msg))
        elif isinstance(node, ast.JoinedStr):
            yield from map(id, node.values)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in ("_", "translate") or name.split(".")[0] in NOT_TOLD:
                yield from map(id, ast.walk(node))


def _shown(node: ast.AST) -> Iterator[ast.expr]:
    """Literals with a letter that are put into a widget, a window or a heading, however short."""
    values: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        attributes = {target.attr for target in node.targets if isinstance(target, ast.Attribute)}
        if attributes & SHOWN or "HEADINGS" in {ast.unparse(target) for target in node.targets}:
            keys = {id(n.slice) for n in ast.walk(node.value) if isinstance(n, ast.Subscript)}
            values = [n for n in ast.walk(node.value) if isinstance(n, ast.expr) and id(n) not in keys]
    elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in SHOW:
        values = list(node.args[:1])
    elif isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Enum" for base in node.bases):
        values = [item.value for item in node.body if isinstance(item, ast.Assign)]
    yield from (value for value in values if WORD.search(_text(value)))


OWN_TEST = ("self_test.py", "self_test_brush.py", "PancreasSeg.py")
"""Their texts are for whoever runs the module's own test."""
READ = sorted(path for path in PLACE.rglob("*.py") if path.name not in OWN_TEST)


@pytest.mark.parametrize("path", READ, ids=lambda path: path.relative_to(PLACE).as_posix())
def test_what_a_user_reads_is_translated(path):
    assert not untranslated(path.read_text("utf-8"))


@pytest.mark.parametrize(
    "code",
    [
        'label.text = "Saving…"',
        'ui.button.text = "Retry" if failed else _("Update")',
        'say(f"The model {name} was imported.")',
        'raise PancreasSegError("There is no CT.", _("Choose one."))',
        'HEADINGS = ("CT", _("State"))',
        'class State(Enum):\n    DONE = "done"',
        'HINT = "Draw a line"',
    ],
)
def test_a_text_that_is_not_is_seen(code):
    assert len(untranslated(code)) == 1


@pytest.mark.parametrize(
    "code",
    [
        '"""What it does."""',
        'log.warning("Not there: %s", error)',
        'say(_("Not there."))',
        'connect(b, "clicked(bool)", f)',
    ],
)
def test_what_nobody_reads_or_is_translated_passes(code):
    assert not untranslated(code)
