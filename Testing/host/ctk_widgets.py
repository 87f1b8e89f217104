"""Stand-ins for the widgets of CTK that the panel uses.

``cpp_signals`` and ``cpp_slots`` name what the real class offers, by its C++ signature; the value is the attribute
here.
"""

from __future__ import annotations

import types
from typing import ClassVar

from PySide6 import QtCore, QtWidgets

from .pythonqt import native


@native
class ctkCollapsibleButton(QtWidgets.QWidget):
    """A titled section that shows its children only while it is open; a click on the title opens and closes it."""

    HEADER = 26
    contentsCollapsed = QtCore.Signal(bool)
    cpp_signals: ClassVar = {"contentsCollapsed(bool)": "contentsCollapsed"}
    cpp_slots: ClassVar = {"setCollapsed(bool)": "setCollapsed"}

    def __init__(self, *arguments):
        text = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        parents = [a for a in arguments if isinstance(a, QtWidgets.QWidget)]
        super().__init__(*parents)
        self._collapsed = False
        self._closed_by_us = []
        self._title = QtWidgets.QToolButton(self)
        self._title.setToolButtonStyle(QtCore.Qt.ToolButtonTextBesideIcon)
        self._title.setText(text)
        self._title.clicked.connect(self._toggle)
        self.setContentsMargins(0, self.HEADER, 0, 0)
        self._show_state()

    def _toggle(self):
        self.setCollapsed(not self._collapsed)

    def _get_collapsed(self):
        return self._collapsed

    def setCollapsed(self, collapsed):
        """Close or open the section."""
        if bool(collapsed) != self._collapsed:
            self._collapsed = bool(collapsed)
            self._show_state()
            self.contentsCollapsed.emit(self._collapsed)

    def _get_text(self):
        return self._title.text

    def setText(self, text):
        """Set the title."""
        self._title.setText(text)

    collapsed = QtCore.Property(bool, _get_collapsed, setCollapsed)
    text = QtCore.Property(str, _get_text, setText)

    def showEvent(self, event):
        super().showEvent(event)
        self._show_state()

    def resizeEvent(self, event):
        super().resizeEvent(event)
        self._title.setGeometry(0, 0, event.size().width(), self.HEADER - 2)

    def _show_state(self):
        self._title.setArrowType(QtCore.Qt.RightArrow if self._collapsed else QtCore.Qt.DownArrow)
        self.setMaximumHeight(self.HEADER if self._collapsed else 16777215)
        if self._collapsed:
            shown = [c for c in self.children() if c is not self._title and c.isWidgetType() and not c.isHidden()]
            for child in shown:
                child.hide()
            self._closed_by_us += shown
        else:
            for child in self._closed_by_us:
                child.show()
            self._closed_by_us = []


@native
class ctkSliderWidget(QtWidgets.QWidget):
    """A slider and a spin box for one number."""

    valueChanged = QtCore.Signal(float)
    cpp_signals: ClassVar = {"valueChanged(double)": "valueChanged"}
    cpp_slots: ClassVar = {"setValue(double)": "setValue"}
    STEPS = 1000

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal, self)
        self._slider.setRange(0, self.STEPS)
        self._box = QtWidgets.QDoubleSpinBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self._tracking = True
        self._box.setRange(0.0, 99.0)
        self._slider.valueChanged.connect(self._slider_moved)
        self._box.valueChanged.connect(self._box_changed)

    def _slider_moved(self, step):
        low, high = self._box.minimum, self._box.maximum
        self._box.setValue(low + (high - low) * step / self.STEPS)

    def _box_changed(self, value):
        low, high = self._box.minimum, self._box.maximum
        self._slider.blockSignals(True)
        self._slider.setValue(round(self.STEPS * (value - low) / (high - low)) if high > low else 0)
        self._slider.blockSignals(False)
        self.valueChanged.emit(value)

    def _get_value(self):
        return self._box.value

    def setValue(self, value):
        """Set the number, within the range."""
        self._box.setValue(float(value))

    def _get_minimum(self):
        return self._box.minimum

    def setMinimum(self, value):
        """Set the lower end of the range."""
        self._box.setMinimum(float(value))

    def _get_maximum(self):
        return self._box.maximum

    def setMaximum(self, value):
        """Set the upper end of the range."""
        self._box.setMaximum(float(value))

    def _get_single_step(self):
        return self._box.singleStep

    def setSingleStep(self, value):
        """Set the step of one key press."""
        self._box.setSingleStep(float(value))

    def _get_decimals(self):
        return self._box.decimals

    def setDecimals(self, value):
        """Set how many decimals are kept."""
        self._box.setDecimals(int(value))

    def _get_tracking(self):
        return self._tracking

    def setTracking(self, on):
        """Kept for the form's sake: the stand-in always tells every change."""
        self._tracking = bool(on)

    value = QtCore.Property(float, _get_value, setValue)
    minimum = QtCore.Property(float, _get_minimum, setMinimum)
    maximum = QtCore.Property(float, _get_maximum, setMaximum)
    singleStep = QtCore.Property(float, _get_single_step, setSingleStep)
    decimals = QtCore.Property(int, _get_decimals, setDecimals)
    tracking = QtCore.Property(bool, _get_tracking, setTracking)


@native
class ctkRangeWidget(QtWidgets.QWidget):
    """Two numbers, the lower and the upper end of an interval."""

    valuesChanged = QtCore.Signal(float, float)
    cpp_signals: ClassVar = {"valuesChanged(double,double)": "valuesChanged"}
    cpp_slots: ClassVar = {"setValues(double,double)": "setValues"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._low, self._high = QtWidgets.QDoubleSpinBox(self), QtWidgets.QDoubleSpinBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._low)
        layout.addWidget(self._high)
        for box in (self._low, self._high):
            box.setRange(0.0, 99.0)
            box.valueChanged.connect(self._changed)
        self._high.setValue(99.0)

    def _changed(self, _value):
        if self._low.value > self._high.value:
            moved = self.sender()
            other = self._high if moved is self._low else self._low
            other.setValue(moved.value)
        else:
            self.valuesChanged.emit(self._low.value, self._high.value)

    def setValues(self, low, high):
        """Set both ends."""
        self._high.setValue(max(float(high), self._low.value))
        self._low.setValue(float(low))
        self._high.setValue(float(high))

    def setRange(self, low, high):
        """Set what can be chosen."""
        for box in (self._low, self._high):
            box.setRange(float(low), float(high))

    def _get_low(self):
        return self._low.value

    def setMinimumValue(self, value):
        """Set the lower end."""
        self._low.setValue(float(value))

    def _get_high(self):
        return self._high.value

    def setMaximumValue(self, value):
        """Set the upper end."""
        self._high.setValue(float(value))

    def _get_minimum(self):
        return self._low.minimum

    def setMinimum(self, value):
        """Set the least that can be chosen."""
        self.setRange(value, self._low.maximum)

    def _get_maximum(self):
        return self._low.maximum

    def setMaximum(self, value):
        """Set the most that can be chosen."""
        self.setRange(self._low.minimum, value)

    def _get_single_step(self):
        return self._low.singleStep

    def setSingleStep(self, value):
        """Set the step of one key press."""
        for box in (self._low, self._high):
            box.setSingleStep(float(value))

    def _get_decimals(self):
        return self._low.decimals

    def setDecimals(self, value):
        """Set how many decimals are kept."""
        for box in (self._low, self._high):
            box.setDecimals(int(value))

    minimumValue = QtCore.Property(float, _get_low, setMinimumValue)
    maximumValue = QtCore.Property(float, _get_high, setMaximumValue)
    minimum = QtCore.Property(float, _get_minimum, setMinimum)
    maximum = QtCore.Property(float, _get_maximum, setMaximum)
    singleStep = QtCore.Property(float, _get_single_step, setSingleStep)
    decimals = QtCore.Property(int, _get_decimals, setDecimals)


@native
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box with a "don't show again" box, which nobody ticks here."""

    dontShowAgainSettingsKey = QtCore.Property(str, lambda self: "", lambda self, key: None)


WIDGETS = {cls.__name__: cls for cls in (ctkCollapsibleButton, ctkSliderWidget, ctkRangeWidget)}


def ctk_module() -> types.ModuleType:
    """Return the ``ctk`` module, with nothing in it but what the stand-ins cover."""
    module = types.ModuleType("ctk", "CTK's widgets, imitated by the test host.")
    for name, cls in {**WIDGETS, "ctkMessageBox": ctkMessageBox}.items():
        setattr(module, name, cls)
    return module
