"""The host's switches: Slicer's own Python, a module's own tests, foreign shortcuts, extensions, languages."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import subprocess
import sys

import pytest
from tiny_module import SOURCE, write_tiny_module


def imports_in_worker(name: str) -> bool:
    """Whether the interpreter that a worker is started with can import a module."""
    python = shutil.which("PythonSlicer")
    return subprocess.run([python, "-s", "-c", f"import {name}"], stderr=subprocess.DEVNULL).returncode == 0


def test_slicers_python_lacks_what_slicer_does_not_ship(host, monkeypatch):
    monkeypatch.setenv("PANCREASSEG_MODELS", "somewhere")
    host.slicer_python.begin()
    assert "PANCREASSEG_MODELS" not in os.environ
    assert importlib.util.find_spec("safetensors") is None
    with pytest.raises(ModuleNotFoundError):
        import safetensors  # noqa: F401
    import numpy
    import SimpleITK

    assert numpy and SimpleITK
    assert not imports_in_worker("safetensors")
    assert imports_in_worker("numpy")


def test_what_is_installed_can_be_imported_here_and_in_the_next_worker(host):
    import slicer

    host.slicer_python.begin()
    slicer.util.pip_install(["safetensors>=0.4.3"])
    assert importlib.util.find_spec("safetensors") is not None
    assert importlib.util.find_spec("monai") is None
    assert imports_in_worker("safetensors")
    assert not imports_in_worker("monai")


def test_the_next_test_has_every_package_again(host):
    import slicer

    before = dict(sys.modules)
    host.slicer_python.begin()
    host.reset()
    assert shutil.which("PythonSlicer") is None
    assert importlib.util.find_spec("safetensors") is not None
    assert {name: module for name, module in sys.modules.items() if name in before} == before
    slicer.util.pip_install(["safetensors"])
    assert host.installations.requests == [["safetensors"]]


def test_a_failing_pip_shows_slicers_window_and_raises(host):
    import slicer

    host.installations.fails = True
    with pytest.raises(subprocess.CalledProcessError):
        slicer.util.pip_install(["safetensors"])
    assert [box.text for box in host.message_boxes] == ["Package installation failed."]


TESTS = """
class TinyTest(ScriptedLoadableModuleTest):
    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        raise AssertionError("CTest does not call it")

    def test_b(self):
        assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")

    def test_a(self):
        slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
        assert slicer.app.testingEnabled()
        assert not slicer.util.getModuleWidget("Tiny").parent.isEntered
"""


def test_a_modules_own_tests_run_alone_and_in_the_order_of_their_names(host, tmp_path):
    log = io.StringIO()
    result = host.run_module_tests(write_tiny_module(tmp_path / "m", source=SOURCE + TESTS), log)
    assert result.wasSuccessful(), log.getvalue()
    said = log.getvalue()
    assert 0 < said.index("test_a") < said.index("test_b")


def test_a_panel_knows_whether_it_is_entered(host, tmp_path):
    host.module(write_tiny_module(tmp_path / "m"))
    assert host.widget.parent.isEntered is True
    host.leave_module()
    assert host.widget.parent.isEntered is False


def test_a_key_that_two_shortcuts_have_reaches_neither_as_activated(host, tmp_path):
    import qt

    host.module(write_tiny_module(tmp_path / "m"))
    foreign = host.add_foreign_shortcuts("S")
    host.press(qt.Qt.Key_S)
    assert foreign == ["S"]
    heard = []
    own = qt.QShortcut(qt.QKeySequence("S"), host.window)
    own.connect("activated()", lambda: heard.append("activated"))
    own.connect("activatedAmbiguously()", lambda: heard.append("ambiguous"))
    for _ in range(2):
        host.press(qt.Qt.Key_S)
    assert heard == ["ambiguous"]  # Qt takes turns
    assert foreign == ["S"]
    own.setParent(None)
    own.deleteLater()


def test_extensions_and_restarts_are_recorded(host):
    import slicer

    model = slicer.app.extensionsManagerModel()
    model.interactive = False
    assert not model.isExtensionInstalled("PyTorch")
    assert model.installExtensionFromServer("PyTorch", False)
    assert model.isExtensionInstalled("PyTorch")
    slicer.util.restart()
    assert (model.requests, host.run.restarts) == ([("PyTorch", False)], 1)


def test_texts_are_translated_by_file_and_context(host, tmp_path):
    host.translations.words[("Tiny", "Tiny")] = "Winzig"
    host.module(write_tiny_module(tmp_path / "m"))
    import slicer

    assert slicer.modules.tiny.title == "Winzig"
