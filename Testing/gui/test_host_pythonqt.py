"""The imitated Qt binding behaves like PythonQt where a module can tell."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def qt(host):
    import qt

    return qt


def test_a_wrong_signature_returns_false(qt):
    button = qt.QPushButton("a")
    assert button.connect("clicked(bool)", lambda: None) is True
    assert button.connect("clicked()", lambda: None) is True
    assert button.connect("clicked(int)", lambda: None) is False
    assert button.connect("clicked", lambda: None) is False
    assert button.connect("pressed(bool)", lambda: None) is False
    assert qt.QComboBox().connect("currentIndexChanged(QString)", lambda: None) is False  # gone in Qt 6


def test_selectors_have_the_signatures_of_the_application(host):
    import slicer

    selector = slicer.qMRMLNodeComboBox()
    assert selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: None) is True
    assert selector.connect("currentNodeChanged(vtkMRMLScalarVolumeNode*)", lambda node: None) is False
    assert selector.connect("currentNodeChanged()", lambda: None) is False


def test_a_slot_gets_as_many_arguments_as_it_takes(qt):
    button = qt.QPushButton("a")
    seen = []
    button.connect("clicked(bool)", lambda: seen.append("none"))
    button.connect("clicked(bool)", lambda checked: seen.append(checked))
    button.connect("clicked()", lambda *arguments: seen.append(arguments))
    button.click()
    assert seen == ["none", False, ()]


def test_disconnecting(qt):
    button = qt.QPushButton("a")
    seen = []
    slot = seen.append
    button.connect("clicked(bool)", slot)
    assert button.disconnect("clicked(bool)", slot) is True
    assert button.disconnect("clicked(bool)", slot) is False
    button.click()
    assert seen == []


def test_properties_are_attributes(qt):
    label = qt.QLabel("text")
    assert label.text == "text"
    label.text = "other"
    assert label.text == "other"
    with pytest.raises(TypeError):
        label.text()
    assert label.visible is False
    assert label.isVisible() is False
    table = qt.QTableWidget()
    table.rowCount = 3
    assert table.rowCount == 3
    table.setItem(0, 0, qt.QTableWidgetItem("x"))
    table.horizontalHeader().stretchLastSection = True
    assert table.horizontalHeader().stretchLastSection is True


def test_the_name_is_the_object_name(qt):
    widget = qt.QWidget()
    widget.name = "a"
    assert (widget.objectName, widget.name) == ("a", "a")


@pytest.mark.parametrize("name", ["txet", "setText2", "Text"])
def test_an_unknown_attribute_can_neither_be_read_nor_set(qt, name):
    button = qt.QPushButton("a")
    with pytest.raises(AttributeError):
        getattr(button, name)
    with pytest.raises(AttributeError):
        setattr(button, name, 1)


def test_a_read_only_property_cannot_be_set(qt):
    with pytest.raises(AttributeError):
        qt.QWidget().width = 3


def test_stand_ins_refuse_typos_too(host):
    import ctk
    import slicer

    for widget in (slicer.qMRMLNodeComboBox(), ctk.ctkSliderWidget(), ctk.ctkCollapsibleButton(), slicer.app):
        assert not hasattr(widget, "noSuchThing")
        with pytest.raises(AttributeError):
            widget.noSuchThing = 1
    for thing in (slicer.app.layoutManager(), slicer.modules.volumes, slicer.app.coreIOManager()):
        with pytest.raises(AttributeError):
            thing.noSuchThing = 1


def test_a_class_of_the_module_may_have_attributes(qt):
    class Own(qt.QWidget):
        def __init__(self, number):
            super().__init__()
            self.number = number

    assert Own(number=3).number == 3


def test_constructors_take_no_keywords(qt):
    with pytest.raises(TypeError):
        qt.QPushButton(text="a")
    with pytest.raises(TypeError):
        qt.QTableWidgetItem(text="a")


def test_enumerators_are_integers(qt):
    assert qt.Qt.AlignRight | qt.Qt.AlignVCenter == 0x0082
    assert qt.QMessageBox.Ok == 1024
    assert isinstance(qt.QHeaderView.Stretch, int)


def test_lenient_conversions(qt):
    label, box, bar = qt.QLabel(), qt.QSpinBox(), qt.QProgressBar()
    label.text = None
    assert label.text == "None"
    box.value = np.int64(7)
    bar.value = 41.9
    assert (box.value, bar.value) == (7, 41)


def test_only_qt_is_in_the_module_qt(qt):
    for name in ("Signal", "Slot", "Property", "SIGNAL", "QEnum", "QtWidgets"):
        assert not hasattr(qt, name), name


def test_timers(host, qt):
    seen = []
    timer = qt.QTimer()
    timer.interval = 10
    timer.singleShot = True
    assert timer.connect("timeout()", lambda: seen.append("timer"))
    timer.start()
    qt.QTimer.singleShot(1, lambda: seen.append("once"))
    assert timer.active is True
    host.process_events(until=lambda: len(seen) == 2)
    assert sorted(seen) == ["once", "timer"]
    assert timer.active is False


def test_dynamic_properties_are_attributes(qt):
    widget = qt.QWidget()
    assert not hasattr(widget, "SlicerParameterName")
    widget.setProperty("SlicerParameterName", "a")
    assert widget.SlicerParameterName == "a"


def test_a_modal_dialog_does_not_block(qt):
    with pytest.raises(AssertionError, match="modal"):
        qt.QDialog().exec_()
