"""The Models section: what a model is, import with its questions, models found on this computer or fetched."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from PancreasSegLib.errors import MissingPackageError, UntrustedModelError

pytest_plugins = ["panel_in_host"]  # its fixtures
OK, CANCEL = 0x400, 0x400000  # of a QMessageBox

MODELS = Path(__file__).resolve().parents[1] / "models"
if str(MODELS) not in sys.path:
    sys.path.append(str(MODELS))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder, and a models folder of its own."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder))
    for name in ("TOTALSEG_WEIGHTS_PATH", "TOTALSEG_HOME_DIR", "nnUNet_results", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def importer(person, home, tmp_path, monkeypatch):
    """A person whose models lie in a folder of its own, with the Models section open."""
    monkeypatch.setenv("PANCREASSEG_MODELS", str(tmp_path / "Modelle ä"))
    person.open()
    return person


def open_models(user) -> list[str]:
    """Open the section and return the models that are offered."""
    user.host.find("modelsCollapsibleButton").collapsed = False
    box = user.host.find("offeredModelComboBox")
    user.wait(lambda: box.count)
    return [box.itemText(number) for number in range(box.count)]


def write_bright_nnunet(folder: Path, **options) -> Path:
    """Write a trained nnU-Net that finds what is brighter than 100 HU."""
    from nnunet_models import moving_state, normalised_by_batches, plans, write_nnunet

    return write_nnunet(folder, plan=normalised_by_batches(plans()), state=moving_state(moved=False), **options)


def test_a_package_is_imported_chosen_and_removed(importer, host, tmp_path):
    from PancreasSegLib.models import default_folder
    from PancreasSegLib.models.checksums import write_checksums

    mine = tmp_path / "Eigenes"
    shutil.copytree(default_folder(), mine)
    metadata = mine / "configs" / "metadata.json"
    metadata.write_text(metadata.read_text("utf-8").replace('"default"', '"mine"'), "utf-8")
    open_models(importer)
    assert not importer.enabled("removeModelButton")[0]
    host.dialogs.paths.append(str(mine))
    host.click("importModelFolderButton")
    importer.wait(lambda: host.message_boxes)
    assert "checksum" in host.message_boxes[0].text
    write_checksums(mine)
    host.dialogs.paths.append(shutil.make_archive(str(tmp_path / "mine"), "zip", mine))
    host.click("importModelButton")
    importer.wait(lambda: "was imported" in importer.status)
    assert host.widget.logic.getParameterNode().model == "mine"
    assert "mine" in host.find("modelComboBox").currentText
    label = host.find("modelLabel").text
    assert "Finds pancreas" in label and " mm." in label and "Licence of the weights" in label
    host.dialogs.answers.append(CANCEL)
    host.click("removeModelButton")
    assert (tmp_path / "Modelle ä" / "mine").is_dir()
    host.click("removeModelButton")
    assert not (tmp_path / "Modelle ä" / "mine").exists()
    assert host.widget.logic.getParameterNode().model == "default"


@pytest.mark.slow
def test_from_totalsegmentators_folder_to_a_corrected_mask(importer, home, host):
    """Found, imported by one click, segmented, corrected with a stroke."""
    from slices import Slices
    from test_panel_correct_worker import WorkerReader

    from PancreasSegLib.phantom import make_phantom
    from PancreasSegPanel.scene.volume_node import add_volume

    write_bright_nnunet(home / ".totalsegmentator/nnunet/results")
    phantom = make_phantom(seed=0, spacing_mm=(2.5, 2.5, 4.0))
    node = add_volume(host.scene, phantom.ct, "CT")
    host.set_node("inputVolumeSelector", node)
    first = open_models(importer)[0]
    assert first.startswith("On this computer: Dataset007_Pancreas") and "TotalSegmentator" in first
    assert "pancreas, cancer" in host.find("offeredModelLabel").text
    host.click("takeModelButton")
    importer.wait(lambda: "was imported" in importer.status)
    assert "sum of pancreas and cancer" in importer.status
    assert "Imported from nnU-Net." in host.find("modelLabel").text
    importer.segment_and_wait()
    assert importer.status.startswith("Pancreas: "), importer.status
    assert "Its last run here took" in host.find("modelLabel").text
    reader = WorkerReader(host)
    reader.geometry, reader.slices = phantom.ct.geometry, Slices(host, node)
    host.click("jumpButton")
    before = reader.now("Pancreas")
    reader.take("exclude")
    reader.draw("Red", reader.slices.line("Red", (-8, 0), (8, 0)))
    assert not reader.now()[reader.marked("Exclude")].any()
    assert (before & ~reader.now()).any(), reader.told
    host.click("undoCorrectionButton")
    assert np.array_equal(reader.now(), before)


def test_a_model_without_a_pancreas_asks_for_the_organ(importer, host, tmp_path):
    from nnunet_models import DATASET

    dataset = {**DATASET, "labels": {"background": 0, "spleen": 1, "liver": 2}}
    model = write_bright_nnunet(tmp_path / "theirs", dataset=dataset)
    open_models(importer)
    host.dialogs.paths.append(str(model))
    host.click("importModelFolderButton")
    box = host.find("importChoiceComboBox")
    importer.wait(lambda: box.visible and box.count)
    assert [box.itemText(number) for number in range(box.count)] == ["spleen", "liver", "All of them"]
    assert "no pancreas" in host.find("importChoiceLabel").text
    box.currentIndex = 1
    host.click("importChoiceButton")
    importer.wait(lambda: "was imported" in importer.status)
    assert "it writes liver" in importer.status
    assert not host.find("importChoiceComboBox").visible


@pytest.mark.slow
def test_of_two_trainings_one_is_chosen_and_the_same_is_replaced_after_a_question(importer, host, tmp_path):
    for trainer in ("nnUNetTrainer__nnUNetPlans__3d_fullres", "nnUNetTrainer_mine__nnUNetPlans__3d_fullres"):
        write_bright_nnunet(tmp_path / trainer, trainer=trainer)
        shutil.copytree(tmp_path / trainer, tmp_path / "both", dirs_exist_ok=True)
    open_models(importer)
    for _again in range(2):
        host.dialogs.paths.append(str(tmp_path / "both"))
        host.click("importModelFolderButton")
        box = host.find("importChoiceComboBox")
        importer.wait(lambda box=box: box.visible and box.count == 2)
        box.currentIndex = 1
        host.click("importChoiceButton")
        importer.wait(lambda: "was imported" in importer.status)
    assert [box.text for box in host.message_boxes][-1].endswith("Replace it?")


def test_a_download_is_asked_for_with_size_and_licence(user, home, host):
    user.open()
    offered = open_models(user)
    box = host.find("offeredModelComboBox")
    box.currentIndex = next(n for n, text in enumerate(offered) if text.startswith("Get: TotalSegmentator 2, abd"))
    assert "234 MB, Apache-2.0" in box.currentText
    assert "0.894" in host.find("offeredModelLabel").text
    assert host.find("takeModelButton").text == "Get…"
    host.dialogs.answers.append(CANCEL)
    host.click("takeModelButton")
    asked = host.message_boxes[-1].text
    assert "234 MB" in asked and "github.com/wasserth" in asked and "Licence: Apache-2.0." in asked
    assert not [request for request in user.client.requests if request.method == "import_model"]
    host.click("takeModelButton")
    assert user.asked("import_model").options["public"] == "totalsegmentator-organs"
    assert host.find("takeModelButton").text == "Cancel"
    host.click("takeModelButton")
    assert user.status == "The import was cancelled." and user.client.cancelled


def test_a_model_that_is_partly_a_program_runs_only_after_consent_in_words(user, home, host, tmp_path):
    user.open()
    open_models(user)
    for consent in (False, True):
        host.dialogs.paths.append(str(tmp_path))
        host.dialogs.answers.append(OK if consent else CANCEL)
        host.click("importModelFolderButton")
        user.answer("import_model", error=UntrustedModelError("model.ts holds code.", "--trust runs it."))
        assert "all your rights" in host.message_boxes[-1].text
        if not consent:
            assert user.status == "Nothing was imported."
    assert user.asked("import_model").options["trust"] is True


def test_without_pytorch_the_import_says_what_to_do(user, home, host, tmp_path, monkeypatch):
    user.open()
    open_models(user)
    monkeypatch.setattr(host.widget.panel.models, "_may_import", lambda: False)
    host.dialogs.paths.append(str(tmp_path))
    host.click("importModelFolderButton")
    user.answer("import_model", error=MissingPackageError("The import of a model needs torch.", "pip install"))
    assert user.status.startswith("To import models of other programs, install PyTorch")
