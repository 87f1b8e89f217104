"""The table of Python packages: what pip installs, what is found to be missing, what is said then."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re

import pytest

from PancreasSegLib.errors import MissingPackageError
from PancreasSegLib.packages import (
    COMMAND_LINE,
    ENGINE,
    EXTRAS,
    TORCH,
    WORKER,
    _numbers,
    missing,
    require,
    sentence_for,
)


def requirements(project, name: str) -> set[str]:
    """Return a list of pyproject.toml as packages with their lowest versions; Python 3.10 has no tomllib."""
    text = re.sub(r"#.*", "", (project / "pyproject.toml").read_text(encoding="utf-8"))
    listed = re.search(rf"^{name} = \[((?:\s*\"[^\"]*\",?)*)\s*\]", text, re.MULTILINE).group(1)
    return {entry.split(",")[0] for entry in re.findall(r'"([^"]+)"', listed)}


def test_the_table_is_what_pip_installs(project):
    assert {package.requirement for package in WORKER + COMMAND_LINE} == requirements(project, "dependencies")
    for name, extra in EXTRAS.items():
        wanted = {package.requirement for package in extra.packages}
        wanted |= {f"PancreasSegLib[{other}]" for other in extra.builds_on}
        assert wanted == requirements(project, name)


def test_the_lowest_torch_is_enough_for_the_newest_monai():
    asked = next(text for text in importlib.metadata.requires("monai") if re.match(r"torch\b", text))
    least = re.search(r">=([\d.]+)", asked).group(1)
    assert _numbers(TORCH.least) >= _numbers(least)


@pytest.fixture
def without(monkeypatch):
    """Hide packages."""

    def hide(*modules: str) -> None:
        found = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n in modules else found(n, *a))

    return hide


def test_what_is_missing_or_too_old_is_found_without_importing_it(without, monkeypatch):
    assert missing(WORKER) == []
    without("openvino")
    assert missing(WORKER) == [ENGINE]
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.9.3" if name == "scipy" else version(name))
    assert [package.distribution for package in missing(WORKER)] == ["scipy", "openvino"]
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.10" if name == "scipy" else version(name))
    assert missing(WORKER) == [ENGINE]


def test_what_the_application_has_built_in_will_do(monkeypatch):
    def nothing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", nothing)
    assert missing(WORKER) == []


def test_a_refusal_names_what_is_missing_and_the_extra_that_brings_it(without):
    without("torch", "yaml")
    with pytest.raises(MissingPackageError) as refused:
        require("train", "Training")
    assert refused.value.message == "Training needs torch and pyyaml, which are not here."
    assert "'.[train]'" in refused.value.hint
    with pytest.raises(MissingPackageError, match=r"needs torch and pyyaml, which are not here\. .*\[torch\]"):
        require("torch", "An import")


@pytest.mark.parametrize(
    ("module", "hint"),
    [("monai.networks", ".[torch]"), ("yaml", ".[torch]"), ("rich", "pip install ."), ("os", "")],
)
def test_a_failed_import_becomes_a_sentence(module, hint):
    said = sentence_for(ImportError("no", name=module))
    assert (hint in said.hint) if hint else said is None
