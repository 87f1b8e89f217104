"""A scripted module in the host: clicks, selectors, parameters, scene events, reload, errors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from tiny_module import FORM, SOURCE, write_tiny_module


@pytest.fixture
def volume(host):
    import slicer

    return slicer.util.addVolumeFromArray(np.zeros((4, 5, 6), np.int16), name="CT äöü")


@pytest.fixture
def tiny(host, tmp_path):
    return host.module(write_tiny_module(tmp_path / "Modül"))


def test_a_click_reaches_the_slot_and_the_slot_sees_the_scene(host, volume, tiny):
    host.set_node("volumeSelector", volume)
    host.click("goButton")
    assert host.widget.connected is True
    assert host.widget.calls == ["enter", "go"]
    assert host.find("stateLabel").text == "Volume: CT äöü"


def test_keys_reach_buttons_and_shortcuts(host, volume, tiny):
    import qt

    host.set_node("volumeSelector", volume)
    host.press(qt.Qt.Key_Space, name="goButton")
    assert host.widget.calls == ["enter", "go"]
    host.press(qt.Qt.Key_Return, qt.Qt.ControlModifier, name="goButton")
    assert host.widget.calls == ["enter", "go", "go"]


def test_what_a_user_cannot_click_is_not_clicked(host, tiny):
    host.find("goButton").enabled = False
    with pytest.raises(AssertionError, match="disabled"):
        host.click("goButton")
    with pytest.raises(AssertionError, match="hidden"):
        host.click("thoroughBox")  # the section is closed
    host.find("section").collapsed = False
    host.process_events()
    host.click("thoroughBox")
    assert host.widget.parameters.thorough is True


def test_parameters_and_widgets_follow_each_other(host, volume, tiny):
    parameters = host.widget.parameters
    parameters.smoothing = 0.25
    assert host.find("smoothingSlider").value == 0.25
    host.find("smoothingSlider").value = 0.75
    assert parameters.smoothing == 0.75
    parameters.volume = volume
    assert host.find("volumeSelector").currentNode() is volume
    host.set_node("volumeSelector", None)
    assert parameters.volume is None
    with pytest.raises(ValueError):
        parameters.smoothing = 1.5
    with pytest.raises(TypeError):
        parameters.note = None


def test_the_parameter_node_survives_saving_and_loading_the_scene(host, volume, tiny, tmp_path):
    host.set_node("volumeSelector", volume)
    host.widget.parameters.smoothing = 0.125
    host.widget.parameters.note = "größer"
    path = tmp_path / "szene ä.mrb"
    host.save_scene(path)
    host.close_scene()
    assert host.widget.parameters.volume is None
    host.load_scene(path)
    parameters = host.widget.parameters
    assert (parameters.smoothing, parameters.note) == (0.125, "größer")
    assert parameters.volume.GetName() == "CT äöü"
    assert host.find("volumeSelector").currentNode().GetName() == "CT äöü"


def test_closing_the_scene_tells_the_module_and_empties_the_selector(host, volume, tiny):
    host.set_node("volumeSelector", volume)
    host.close_scene()
    assert host.widget.calls == ["enter", "closing", "closed"]
    assert host.find("volumeSelector").currentNode() is None


def test_a_removed_node_leaves_the_selector(host, volume, tiny):
    host.set_node("volumeSelector", volume)
    host.scene.RemoveNode(volume)
    assert host.find("volumeSelector").currentNode() is None
    assert host.widget.parameters.volume is None


def test_an_exception_in_a_slot_is_collected(host, tiny):
    host.click("failButton")
    assert len(host.slot_errors) == 1
    assert "ValueError: broken slot" in host.slot_errors[0]
    host.slot_errors.clear()


def test_a_program_that_took_the_hook_for_exceptions_hides_no_slot_error(host, monkeypatch):
    """As typer does when a command runs in the same process."""
    monkeypatch.setattr(sys, "excepthook", lambda *_: None)
    host.reset()
    sys.excepthook(ValueError, ValueError("broken slot"), None)
    assert "ValueError: broken slot" in host.slot_errors[0]
    host.slot_errors.clear()


@pytest.mark.slow
def test_the_fixture_fails_a_test_that_leaves_a_slot_error(project, tmp_path):
    gui = project / "Testing" / "gui"
    folder = tmp_path / "gui"
    folder.mkdir()
    shutil.copy(gui / "conftest.py", folder)
    shutil.copy(gui / "tiny_module.py", folder)
    (folder / "test_it.py").write_text(
        "from tiny_module import write_tiny_module\n"
        "def test_it(host, tmp_path):\n"
        "    host.module(write_tiny_module(tmp_path / 'm'))\n"
        "    host.click('failButton')\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gui\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(folder)],
        env={**os.environ, "PYTHONPATH": str(project / "Testing")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "1 passed, 1 error" in run.stdout, run.stdout + run.stderr
    assert "broken slot" in run.stdout


def test_an_exception_in_an_observer_is_collected(host, volume):
    import vtk

    volume.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: 1 / 0)
    volume.Modified()
    assert "ZeroDivisionError" in host.slot_errors[0]
    host.slot_errors.clear()


def test_leaving_entering_and_reloading(host, tiny):
    host.leave_module()
    host.enter_module()
    first = host.widget
    assert first.calls == ["enter", "exit", "enter"]
    host.reload_module()
    assert host.widget is not first
    assert host.widget.parameters.note == "none"
    assert host.find("goButton").isVisible()
    host.close_scene()
    assert first.calls == ["enter", "exit", "enter"]  # the old one lets go of the scene
    assert host.widget.calls == ["closing", "closed"]


def test_an_unknown_class_in_a_form_is_refused(host, tmp_path):
    form = FORM.replace("ctkSliderWidget", "ctkNoSuchWidget")
    with pytest.raises(RuntimeError, match="ctkNoSuchWidget"):
        host.module(write_tiny_module(tmp_path / "m", form=form))


def test_a_connection_of_the_form_that_does_not_exist_is_refused(host, tmp_path):
    form = FORM.replace("<slot>setMRMLScene(vtkMRMLScene*)", "<slot>setMrmlScene(vtkMRMLScene*)")
    with pytest.raises(RuntimeError, match="setMrmlScene"):
        host.module(write_tiny_module(tmp_path / "m", form=form))


def test_a_parameter_that_fits_no_widget_is_refused(host, tmp_path):
    source = SOURCE.replace("Annotated[float, WithinRange(0, 1)] = 0.5", "float = 0.5")
    with pytest.raises(RuntimeError, match="slider needs"):
        host.module(write_tiny_module(tmp_path / "m", source=source))


def test_waiting_for_something_that_does_not_happen_ends(host):
    with pytest.raises(TimeoutError):
        host.process_events(until=lambda: False, timeout=0.1)


def test_a_blocked_event_loop_is_measured_and_named(host):
    import qt

    def block_everything():
        time.sleep(0.3)

    host.gaps.reset()
    qt.QTimer.singleShot(20, block_everything)
    start = time.monotonic()
    host.process_events(until=lambda: time.monotonic() > start + 0.5)
    assert host.gaps.longest >= 0.3
    assert "block_everything" in host.gaps.blocker
    assert host.gaps.busiest < host.gaps.longest  # it slept


def test_work_in_a_slot_is_told_apart_from_waiting(host):
    import qt

    def work():
        end = time.thread_time() + 0.25
        while time.thread_time() < end:
            pass

    host.gaps.reset()
    qt.QTimer.singleShot(20, work)
    host.process_events(until=lambda: host.gaps.busiest > 0.2)
    assert 0.2 < host.gaps.busiest <= host.gaps.longest
    assert "work" in host.gaps.blocker


def test_the_test_s_own_time_is_no_gap(host):
    host.gaps.reset()
    asked = []

    def slow_condition():
        asked.append(time.sleep(1.5))
        return True

    host.process_events(until=slow_condition)
    assert asked and host.gaps.longest < 1.5


def test_message_boxes_are_recorded_and_answered(host):
    import qt
    import slicer

    slicer.util.errorDisplay("It broke.", windowTitle="Pancreas", detailedText="why")
    box = host.message_boxes[0]
    assert (box.text, box.title, box.detailed_text, box.icon) == (
        "It broke.",
        "Pancreas",
        "why",
        qt.QMessageBox.Critical,
    )
    assert slicer.util.confirmOkCancelDisplay("Sure?") is True
    host.dialogs.answers.append(qt.QMessageBox.Cancel)
    assert slicer.util.confirmOkCancelDisplay("Sure?") is False
    assert len(host.message_boxes) == 3


def test_file_dialogs_return_what_the_test_says(host):
    import qt

    host.dialogs.paths.extend(["/a/b.zip", ""])
    assert qt.QFileDialog.getOpenFileName(None, "Import", "", "*.zip") == "/a/b.zip"
    assert qt.QFileDialog.getSaveFileName(None, "Export") == ""
    with pytest.raises(AssertionError, match="no answer"):
        qt.QFileDialog.getExistingDirectory(None, "Folder")


def test_the_next_test_finds_a_fresh_application(host, tiny):
    import slicer

    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    assert not host.message_boxes
    assert host.widget.calls == ["enter"]
