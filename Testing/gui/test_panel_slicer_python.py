"""The panel with nothing but the packages that 3D Slicer ships, and their installation."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import types
from importlib.metadata import version
from pathlib import Path

import pytest
from panel_in_host import PROJECT, PanelUser, fake_worker

from PancreasSegLib.packages import ENGINE, EXTRAS

pytest_plugins = ["panel_in_host"]  # its fixtures
CANCEL = 0x00400000  # QMessageBox.Cancel


@pytest.fixture
def person(host, add_ct, axial, monkeypatch):
    """A person with a CT in a 3D Slicer that was just installed, on a computer without a GPU."""
    add_ct(axial)
    host.slicer_python.begin()
    monkeypatch.syspath_prepend(str(PROJECT / "PancreasSeg"))
    monkeypatch.setattr("PancreasSegPanel.setup.installation.has_gpu", lambda: False)
    yield PanelUser(host)
    host.unload_module()


@pytest.fixture
def newcomer(person, monkeypatch):
    """The same, with a worker that answers when the test says so."""
    person.client = fake_worker.FakeClient()
    monkeypatch.setattr("PancreasSegPanel.work.worker_client.make_client", lambda: person.client)
    return person


def test_every_module_of_the_panel_is_imported_with_slicers_packages(host, monkeypatch):
    host.slicer_python.begin()
    monkeypatch.syspath_prepend(str(PROJECT / "PancreasSeg"))
    panel = importlib.import_module("PancreasSegPanel")
    names = [found.name for found in pkgutil.walk_packages(panel.__path__, "PancreasSegPanel.")]
    assert len(names) > 60
    for name in names:
        importlib.import_module(name)
    importlib.import_module("PancreasSegLib.worker")
    model_list = importlib.import_module("PancreasSegPanel.form.model_list")
    assert [choice.name for choice in model_list.model_choices()] == ["default"]


def test_it_opens_and_says_what_is_missing_why_and_how_large_it_is(newcomer, host):
    newcomer.open()
    assert host.find("modelComboBox").currentText.startswith("Default (version")
    assert "voxels" in host.find("inputCheckLabel").text
    assert host.find("installFrame").isVisible()
    assert "openvino (about 60 MB)" in host.find("installLabel").text
    assert not host.find("installLaterButton").isVisible()
    assert not newcomer.can_segment
    assert host.find("segmentButton").toolTip == "Install openvino first (above)."
    host.leave_module()
    host.enter_module()
    host.close_scene()
    assert not host.message_boxes


def test_one_wheel_installed_by_a_click_is_all_that_segmenting_correcting_and_saving_load(
    person, host, models, monkeypatch, tmp_path
):
    from bright_model import make_abdomen

    from PancreasSegPanel.scene.volume_node import add_volume
    from PancreasSegPanel.setup.self_test_brush import check_brush

    host.close_scene()
    ct = add_volume(host.scene, make_abdomen()[0], "CT")
    monkeypatch.setenv("PANCREASSEG_MODELS", str(models))
    person.open()
    host.widget.logic.getParameterNode().model = "bright"
    host.click("installButton")
    (arguments,) = host.installations.requests
    assert arguments[0] == ENGINE.requirement
    assert not {"torch", "monai"} & {argument.split("=")[0].rstrip(">") for argument in arguments}
    import numpy

    assert f"numpy=={numpy.__version__}" in arguments  # Slicer's own build stays
    assert [box.text for box in host.message_boxes] == [
        "Download openvino (about 60 MB) and install it into Slicer's own Python?"
    ]
    assert not host.find("installFrame").isVisible()
    assert person.status == "Installed."
    person.wait(lambda: "core" in host.find("deviceComboBox").itemText(0))
    person.segment_and_wait()
    assert person.status.startswith("Pancreas: "), person.status
    assert person.logic.jobs.client.log_path.is_relative_to(host.application.temporaryPath)
    (segmentation,) = person.segmentations()
    assert check_brush(host.widget, ct, segmentation).startswith("The brush excluded")
    host.save_scene(tmp_path / "scene.mrml")
    assert list(tmp_path.rglob("*.seg.nrrd"))
    assert not {"torch", "monai", "openvino"} & set(sys.modules)
    libraries = Path(f"/proc/{person.logic.jobs.client.worker_pid}/maps")
    if libraries.exists():  # where the system tells what a process has loaded
        assert "openvino" in libraries.read_text("utf-8") and "torch" not in libraries.read_text("utf-8")


def test_cancel_is_quiet(newcomer, host):
    newcomer.open()
    host.dialogs.answers.append(CANCEL)
    host.click("installButton")
    assert len(host.message_boxes) == 1 and not host.installations.requests
    assert newcomer.status == "Nothing was installed."
    host.dialogs.paths.append("")
    host.click("installFolderButton")
    assert len(host.message_boxes) == 1


def test_a_failing_pip_shows_one_window_slicers_own(newcomer, host):
    newcomer.open()
    host.installations.fails = True
    host.click("installButton")
    assert [box.text for box in host.message_boxes][1:] == ["Package installation failed."]
    assert "openvino could not be installed. Check the network" in host.find("installLabel").text
    assert newcomer.status == "openvino could not be installed."
    assert not newcomer.can_segment


def test_what_was_installed_but_cannot_be_imported_is_said_with_the_reason(newcomer, host):
    newcomer.open()
    broken = Path(host.slicer_python.folder) / "openvino.py"
    broken.write_text("raise ImportError('libtbb.so.12: cannot open shared object file')\n", "utf-8")
    host.click("installButton")
    assert "ImportError: libtbb.so.12: cannot open shared object file" in host.find("installLabel").text
    assert host.find("installFrame").isVisible()
    assert not newcomer.can_segment
    assert "libtbb" in host.find("segmentButton").toolTip
    broken.unlink()
    host.click("installButton")
    assert not host.find("installFrame").isVisible()
    assert newcomer.can_segment


def test_wheels_of_a_folder_are_installed_without_network(newcomer, host, tmp_path):
    newcomer.open()
    folder = tmp_path / "Räder"
    folder.mkdir()
    host.dialogs.paths.append(str(folder))
    host.click("installFolderButton")
    assert "holds no wheel files. Fill it" in host.find("installLabel").text
    (folder / "openvino.whl").touch()
    host.dialogs.paths.append(str(folder))
    host.click("installFolderButton")
    (arguments,) = host.installations.requests
    assert arguments[:4] == ["--no-index", "--find-links", str(folder), ENGINE.requirement]
    assert newcomer.can_segment and not host.message_boxes


@pytest.fixture
def with_engine(newcomer, host):
    """The same person after the first installation."""
    host.slicer_python.install(["openvino"])
    return newcomer


@pytest.fixture
def gpu(with_engine, monkeypatch):
    """The driver of an NVIDIA GPU."""
    monkeypatch.setattr("PancreasSegPanel.setup.installation.has_gpu", lambda: True)


@pytest.fixture
def extension(with_engine, host, monkeypatch):
    """The extension PyTorch, loaded; what it was asked to install can be imported."""
    asked = []

    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation=False, torchVersionRequirement=None):
            asked.append((askConfirmation, torchVersionRequirement))
            host.slicer_python.install(["torch"])
            return types.ModuleType("torch")

    module = types.ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    monkeypatch.setattr("PancreasSegPanel.setup.installation.import_problem", lambda python, modules: "")
    return asked


def test_without_a_gpu_pytorch_is_not_mentioned(with_engine, host):
    with_engine.open()
    assert not host.find("installFrame").isVisible()
    assert with_engine.can_segment


def test_for_a_gpu_pytorch_is_offered_and_may_be_declined_for_good(with_engine, gpu, host):
    with_engine.open()
    assert host.find("installFrame").isVisible() and with_engine.can_segment
    names = ", ".join(package.distribution for package in EXTRAS["torch"].packages)
    assert f"install {names} (about 3 GB)" in host.find("installLabel").text
    host.click("installLaterButton")
    assert not host.find("installFrame").isVisible()
    host.leave_module()
    host.enter_module()
    assert not host.find("installFrame").isVisible()


def test_pytorch_comes_through_its_extension_and_the_rest_suits_it(with_engine, gpu, extension, host):
    with_engine.open()
    host.click("installButton")
    torch, *rest = EXTRAS["torch"].packages
    assert extension == [(False, f">={torch.least}")]
    (arguments,) = host.installations.requests
    assert arguments[: len(rest)] == [package.requirement for package in rest]
    assert f"torch=={version('torch')}" in arguments


def test_the_extension_is_offered_and_slicer_started_anew(with_engine, gpu, host):
    with_engine.open()
    host.click("installButton")
    model = host.application.extensionsManagerModel()
    assert (model.requests, model.interactive) == ([("PyTorch", False)], False)
    assert len(host.message_boxes) == 2 and "not saved" in host.message_boxes[1].text
    assert host.run.restarts == 1
    host.dialogs.answers.append(CANCEL)
    host.click("installButton")  # it is there, but Slicer was not started anew
    assert len(host.message_boxes) == 3 and host.run.restarts == 1


def test_an_extension_that_cannot_be_had_is_a_sentence(with_engine, gpu, host):
    with_engine.open()
    host.application.extensionsManagerModel().reachable = False
    host.click("installButton")
    assert "The extension PyTorch could not be installed. Check the network" in with_engine.status
    assert host.run.restarts == 0 and with_engine.can_segment


def test_learning_asks_for_pytorch_first(with_engine, extension, host):
    with_engine.open()
    learn = host.widget.panel.correct.learn
    host.dialogs.answers.append(CANCEL)
    assert not learn._may_learn()
    assert with_engine.status == "Nothing was installed." and not extension
    assert learn._may_learn()
    assert extension and host.installations.requests
