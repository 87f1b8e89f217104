"""Saving a training case by mouse and keyboard, in the test host."""

from __future__ import annotations

import json
import time

import pytest

from PancreasSegLib.data import count_cases, read_provenance

pytest_plugins = ["panel_in_host"]  # its fixtures


@pytest.fixture
def form(user, add_ct, axial, host):
    """The form with a segmented CT."""
    add_ct(axial)
    user.open()
    user.segment()
    host.find("trainingCaseCollapsibleButton").collapsed = False
    return user


def press_save(form, host):
    host.click("saveTrainingCaseButton")
    form.wait(lambda: not form.panel.training_case.busy)


def label(host):
    return host.find("trainingCaseLabel").text


def fill(host, name, text):
    from PySide6.QtCore import Qt

    host.find(name).setText(text)
    host.find(name).setFocus()
    host.press(Qt.Key_Return)


def test_nothing_can_be_saved_before_there_is_a_segment(user, add_ct, axial, host):
    add_ct(axial)
    user.open()
    assert user.enabled("saveTrainingCaseButton") == [False]
    user.segment()
    assert user.enabled("saveTrainingCaseButton") == [True]


def test_a_case_is_saved_and_the_form_says_where_and_what_next(form, host, tmp_path):
    import slicer

    folder = tmp_path / "my cases"
    fill(host, "trainingFolderLineEdit", str(folder))
    form.wait(lambda: "No case is in the folder" in label(host))
    fill(host, "readerNameLineEdit", "A. Reader")
    press_save(form, host)
    assert count_cases(folder) == (1, 0)
    record = next(iter(read_provenance(folder).values()))
    assert (record.reader, record.state) == ("A. Reader", "accepted")
    assert "to learn from: 1;" in label(host)
    assert str(folder) in form.status
    command = f'pancreasseg train --finetune default "{folder}"'
    assert host.find("finetuneCommandLineEdit").text == command
    host.click("copyFinetuneCommandButton")
    assert slicer.app.clipboard().text() == command
    host.find("trainingCaseCollapsibleButton").collapsed = True
    host.find("trainingCaseCollapsibleButton").collapsed = False
    form.wait(lambda: label(host) == "Cases in the folder to learn from: 1; rejected: 0.")
    assert host.find("finetuneCommandLineEdit").text == command
    assert form.enabled("saveTrainingCaseButton") == [True]


def test_it_asks_for_a_folder_once(form, host, tmp_path):
    host.dialogs.paths.append("")
    host.click("saveTrainingCaseButton")
    assert not form.panel.training_case.busy
    host.dialogs.paths.append(str(tmp_path / "cases"))
    press_save(form, host)
    assert [kind for kind, _ in host.dialogs.file_dialogs] == ["folder", "folder"]
    assert count_cases(tmp_path / "cases") == (1, 0)


def test_it_asks_before_it_replaces(form, host, tmp_path):
    from PySide6.QtWidgets import QMessageBox

    fill(host, "trainingFolderLineEdit", str(tmp_path))
    fill(host, "readerNameLineEdit", "first")
    press_save(form, host)
    host.find("caseStateComboBox").currentIndex = 1
    fill(host, "readerNameLineEdit", "second")
    host.dialogs.answers.append(QMessageBox.Cancel)
    press_save(form, host)
    assert "Replace it?" in host.dialogs.message_boxes[-1].text
    assert count_cases(tmp_path) == (1, 0)
    assert "Nothing was saved" in label(host)
    host.dialogs.answers.append(QMessageBox.Ok)
    press_save(form, host)
    assert count_cases(tmp_path) == (0, 1)
    assert "replaced as rejected" in label(host)
    assert not host.find("finetuneCommandLineEdit").isVisible()


def test_folder_and_reader_are_remembered_but_not_in_the_scene(form, host, tmp_path):
    import slicer

    fill(host, "trainingFolderLineEdit", str(tmp_path / "secret_folder"))
    fill(host, "readerNameLineEdit", "Secret Reader")
    press_save(form, host)
    scene = tmp_path / "scene.mrml"
    host.scene.SetURL(str(scene))
    host.scene.SetRootDirectory(str(tmp_path))
    host.scene.Commit(str(scene))
    text = scene.read_text(errors="replace")
    assert "Secret Reader" not in text
    assert "secret_folder" not in text
    settings = slicer.app.userSettings()
    assert settings.value("PancreasSeg/Reader") == "Secret Reader"
    assert settings.value("PancreasSeg/TrainingFolder") == str(tmp_path / "secret_folder")


def test_a_folder_of_something_else_is_refused_with_a_sentence(form, host, tmp_path):
    (tmp_path / "thesis.docx").write_text("")
    fill(host, "trainingFolderLineEdit", str(tmp_path))
    form.wait(lambda: "not empty" in label(host))
    press_save(form, host)
    assert "not empty" in host.dialogs.message_boxes[-1].text
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.docx"]
    (tmp_path / "thesis.docx").unlink()
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "liver": 1}, "training": []}))
    press_save(form, host)
    assert "another kind of dataset" in host.dialogs.message_boxes[-1].text


def test_the_window_lives_while_a_case_is_written(form, host, tmp_path, monkeypatch):
    from PancreasSegPanel.correction import training_case

    right = training_case.save_training_case
    going_on = []

    def slow(*arguments, **options):
        while not going_on:
            time.sleep(0.01)
        return right(*arguments, **options)

    monkeypatch.setattr(training_case, "save_training_case", slow)
    fill(host, "trainingFolderLineEdit", str(tmp_path / "cases"))
    host.click("saveTrainingCaseButton")
    assert label(host) == "Saving…"
    assert form.enabled("saveTrainingCaseButton") == [False]
    host.scene.Clear(False)  # a closed scene loses no case
    host.process_events()
    going_on.append(True)
    form.wait(lambda: not form.panel.training_case.busy)
    assert count_cases(tmp_path / "cases") == (1, 0)
    assert form.enabled("saveTrainingCaseButton") == [False]  # nothing is left to save


def test_a_fine_tuned_model_is_in_the_list_when_the_module_is_shown_again(form, host, tmp_path, monkeypatch):
    from bright_model import write_bright_model

    monkeypatch.setenv("PANCREASSEG_MODELS", str(tmp_path / "models"))
    combo = host.find("modelComboBox")
    before = [combo.itemText(number) for number in range(combo.count)]
    write_bright_model(tmp_path / "models" / "bright")
    form.panel.exit()
    form.panel.enter()
    after = [combo.itemText(number) for number in range(combo.count)]
    assert [text for text in after if text not in before] == ["bright (version 1), not measured"]


@pytest.mark.slow
def test_from_the_click_to_a_new_model_in_the_list(host, tmp_path, monkeypatch):
    """The real worker and the default model: segment a phantom, save it, learn, find the new model."""
    import shlex

    from panel_in_host import PanelUser

    from PancreasSegLib.cli.app import run
    from PancreasSegLib.phantom import make_phantom
    from PancreasSegPanel.scene.volume_node import add_volume

    monkeypatch.setenv("PANCREASSEG_MODELS", str(tmp_path / "models"))
    add_volume(host.scene, make_phantom(seed=0, spacing_mm=(2.5, 2.5, 4.0)).ct, "Phantom")
    user = PanelUser(host)
    user.open()
    user.segment_and_wait()
    host.find("trainingCaseCollapsibleButton").collapsed = False
    fill(host, "trainingFolderLineEdit", str(tmp_path / "cases"))
    press_save(user, host)
    record = next(iter(read_provenance(tmp_path / "cases").values()))
    assert record.model["name"] == "default"
    assert record.volume_ml["pancreas"] > 20
    command = shlex.split(host.find("finetuneCommandLineEdit").text)
    settings = [f"output={tmp_path / 'runs'}", "steps=1", "device=cpu", "--threads", "1"]
    assert run([*command[1:], *settings]) == 0
    user.panel.exit()
    user.panel.enter()
    combo = host.find("modelComboBox")
    texts = [combo.itemText(number) for number in range(combo.count)]
    assert any(text.startswith("default-finetuned (version ") and "+" in text for text in texts)
