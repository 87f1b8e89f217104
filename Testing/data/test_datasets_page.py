"""The page on datasets is true: its adapter works as printed, its formats and commands are there."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys

import numpy as np
import pytest
import source_trees as trees
import typer

from PancreasSegLib.cli.app import program
from PancreasSegLib.data import adapters
from PancreasSegLib.data.adapters import SourceOptions, all_adapters
from PancreasSegLib.data.composed_case import compose
from PancreasSegLib.data.label_selection import LabelSelection
from PancreasSegLib.errors import DatasetError


@pytest.fixture(scope="module")
def page(project) -> str:
    return (project / "Resources/Docs/datasets.md").read_text("utf-8")


def test_the_adapter_of_the_page_is_found_as_one_file_and_works(page, tmp_path, monkeypatch):
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    (tmp_path / "hospital.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "PancreasSegLib.data.adapters.hospital", raising=False)
    assert importlib.util.find_spec("PancreasSegLib.data.adapters.hospital")
    source = tmp_path / "source"
    ct, labels = trees.little_abdomen(0)
    trees.write_volume(source / "CT" / "001.nii.gz", ct)
    trees.write_mask(source / "Masks" / "001.nii.gz", labels == 2, ct.geometry)
    found = adapters.survey("hospital", source)
    wanted = LabelSelection.parse(["pancreas"])
    assert np.array_equal(compose(found.cases[0], wanted, wanted.values).mask, labels == 2)
    with pytest.raises(DatasetError, match="no pair of folders CT and Masks"):
        all_adapters()["hospital"].survey(source / "CT", SourceOptions())
    sys.modules.pop("PancreasSegLib.data.adapters.hospital", None)


def test_every_format_is_in_the_table_and_the_help(page):
    in_table = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert set(all_adapters()) <= in_table
    prepare = typer.main.get_command(program()).commands["data"].commands["prepare"]
    assert all(name in prepare.params[0].help for name in all_adapters())


def test_every_option_of_the_commands_is_known_and_in_the_manual(page, project):
    manual = (project / "Resources/Docs/command-line.md").read_text("utf-8")
    commands = typer.main.get_command(program()).commands["data"].commands
    options = {
        name: {option for parameter in commands[name].params for option in parameter.opts if option[:2] == "--"}
        for name in ("inspect", "prepare", "split")
    }
    shared = {"--quiet", "--debug"}
    for name, known in options.items():
        assert not {option for option in known - shared if f"`{option}`" not in manual and option != "--list"}, (
            name
        )
    lines = re.findall(r"^ *pancreasseg data (inspect|prepare|split) ([^\n#]*)", page, re.MULTILINE)
    assert len(lines) >= 9
    for name, rest in lines:
        used = {word for word in shlex.split(rest) if word.startswith("--")}
        assert used <= options[name], (name, rest)
