"""What the README and the manual page say is there, is there."""

from __future__ import annotations

import re

import pytest
import typer

from PancreasSegLib.cli.app import program

DOCUMENTS = [
    "README.md",
    "Resources/Docs/cohorts.md",
    "Resources/Docs/command-line.md",
    "Resources/Docs/datasets.md",
    "Resources/Docs/evaluation.md",
    "Resources/Docs/training.md",
]


@pytest.fixture(scope="module")
def commands():
    return typer.main.get_command(program()).commands


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_that_is_named_exists(project, commands, document):
    text = (project / document).read_text("utf-8")
    named = set(
        re.findall(r"^\s*pancreasseg ([a-z][a-z-]+)|`pancreasseg ([a-z][a-z-]+)", text, flags=re.MULTILINE)
    )
    names = {first or second for first, second in named}
    assert names
    assert names <= set(commands)


@pytest.mark.parametrize("command", ["segment", "evaluate"])
def test_every_option_is_in_the_manual(project, commands, command):
    text = (project / "Resources/Docs/command-line.md").read_text("utf-8")
    options = {option for parameter in commands[command].params for option in parameter.opts if option[:2] == "--"}
    assert len(options) > 10
    assert not {option for option in options if f"`{option}`" not in text}


def test_every_command_has_help_and_the_shared_options(commands):
    def leaves(group, path=()):
        for name, command in group.items():
            if hasattr(command, "commands"):
                yield from leaves(command.commands, (*path, name))
            else:
                yield (*path, name), command

    for name, command in leaves(commands):
        assert command.help, name
        assert {"quiet", "debug"} <= {parameter.name for parameter in command.params}, name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(project, document):
    page = project / document
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
