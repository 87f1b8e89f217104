"""``slicer.parameterNodeWrapper``: typed attributes kept in a MRML node, bound to the widgets of a form."""

from __future__ import annotations

import types
from typing import Any, get_type_hints

import slicer
import vtk
from PySide6 import QtWidgets

from . import parameter_types
from .ctk_widgets import ctkSliderWidget
from .mrml_widgets import qMRMLNodeComboBox
from .parameter_types import Choice, Decimals, Maximum, Minimum, Parameter, SingleStep, WithinRange
from .pythonqt import connect, disconnect

PROPERTY = "SlicerParameterName"


class Binding:
    """One parameter shown by one widget.

    Raises
    ------
    RuntimeError
        When the application has no connection of this type to this class of widget, or it lacks an annotation.
    """

    def __init__(self, parameter: Parameter, widget: Any) -> None:
        self.widget = widget
        self._parameter = parameter
        self._slot: Any = None
        self._signal, self._property = self._how()
        if isinstance(widget, (QtWidgets.QAbstractSlider, QtWidgets.QAbstractSpinBox, ctkSliderWidget)):
            self._set_range()

    def _how(self) -> tuple[str, str]:
        """Return the signal that tells a change, and the property with the value."""
        kind, widget = self._parameter.type, type(self.widget)
        if self._parameter.is_node and widget is qMRMLNodeComboBox:
            self.widget.nodeTypes = [kind.__name__]
            return "currentNodeChanged(vtkMRMLNode*)", ""
        if kind is bool and widget is QtWidgets.QCheckBox:
            return "toggled(bool)", "checked"
        if kind is bool and widget is QtWidgets.QPushButton:
            self.widget.checkable = True
            return "toggled(bool)", "checked"
        if kind is int and widget in (QtWidgets.QSlider, QtWidgets.QSpinBox):
            return "valueChanged(int)", "value"
        if kind in (int, float) and widget in (QtWidgets.QDoubleSpinBox, ctkSliderWidget):
            return "valueChanged(double)", "value"
        if widget is QtWidgets.QComboBox and (self._parameter.is_enum or self._choices()):
            self.widget.clear()
            self.widget.addItems([getattr(choice, "name", str(choice)) for choice in self._choices()])
            return "currentIndexChanged(int)", "currentIndex"
        if kind is str and widget is QtWidgets.QLineEdit:
            return "textChanged(QString)", "text"
        if kind is str and widget is QtWidgets.QLabel:
            return "", "text"
        raise RuntimeError(
            f"{self._parameter.name}: no connection of {kind} to {widget.__name__} {self.widget.objectName}"
        )

    def _choices(self) -> list:
        if self._parameter.is_enum:
            return list(self._parameter.type)
        choice = self._parameter.annotation(Choice)
        return list(choice.choices) if choice else []

    def _set_range(self) -> None:
        within = self._parameter.annotation(WithinRange)
        low = within or self._parameter.annotation(Minimum)
        high = within or self._parameter.annotation(Maximum)
        if isinstance(self.widget, (QtWidgets.QSlider, ctkSliderWidget)) and not (low and high):
            raise RuntimeError(f"{self._parameter.name}: a slider needs WithinRange, or Minimum and Maximum")
        integers = isinstance(self.widget, (QtWidgets.QSlider, QtWidgets.QSpinBox))
        limit = 2**31 - 1 if integers else float("inf")
        self.widget.minimum = low.minimum if low else -limit
        self.widget.maximum = high.maximum if high else limit
        decimals, step = self._parameter.annotation(Decimals), self._parameter.annotation(SingleStep)
        if decimals is not None and not integers:
            self.widget.decimals = decimals.value
        if step is not None:
            self.widget.singleStep = step.value

    def on_change(self, slot: Any) -> None:
        """Call ``slot`` without arguments when the user changes the widget."""
        self._slot = slot
        if self._signal and not connect(self.widget, self._signal, slot):
            raise RuntimeError(f"{type(self.widget).__name__} has no signal {self._signal}")

    def release(self) -> None:
        """Stop calling."""
        if self._signal:
            disconnect(self.widget, self._signal, self._slot)

    def read(self) -> Any:
        """Return the value that the widget shows."""
        if not self._property:
            return self.widget.currentNode()
        value = getattr(self.widget, self._property)
        if isinstance(self.widget, QtWidgets.QComboBox):
            return self._choices()[value]
        return self._parameter.type(value)

    def write(self, value: Any) -> None:
        """Show the value."""
        if not self._property:
            self.widget.setCurrentNode(value)
        elif isinstance(self.widget, QtWidgets.QComboBox):
            self.widget.currentIndex = self._choices().index(value)
        elif getattr(self.widget, self._property) != value:  # the cursor of a text box stays where it is
            setattr(self.widget, self._property, value)


class _Wrapper:
    """What the decorator adds to a class of typed attributes."""

    allParameters: dict[str, Parameter]

    def __init__(self, parameterNode: slicer.vtkMRMLScriptedModuleNode) -> None:
        self.parameterNode = parameterNode
        self._bindings: dict[int, dict[str, Binding]] = {}
        self._tags: dict[int, int] = {}
        self._showing = False
        for parameter in self.allParameters.values():
            if not parameterNode.HasParameter(parameter.name):
                parameter.write(parameterNode, parameter.default)

    def getValue(self, name: str) -> Any:
        """Return a parameter by its name."""
        return self._parameter(name).read(self.parameterNode)

    def setValue(self, name: str, value: Any) -> None:
        """Set a parameter by its name."""
        with slicer.util.NodeModify(self.parameterNode):
            self._parameter(name).write(self.parameterNode, value)

    def default(self, name: str) -> Any:
        """Return the default value of a parameter, as the application does: with the value in ``.value``."""
        return parameter_types.Default(self._parameter(name).default)

    def dataType(self, name: str) -> Any:
        """Return the type of a parameter."""
        return self._parameter(name).type

    def _parameter(self, name: str) -> Parameter:
        if name not in self.allParameters:
            raise ValueError(f"There is no parameter {name}, only {', '.join(self.allParameters)}")
        return self.allParameters[name]

    def connectGui(self, gui: Any) -> int:
        """Bind every widget that has the dynamic property SlicerParameterName.

        Parameters
        ----------
        gui
            A widget, or an object whose attributes are widgets (`slicer.util.childWidgetVariables`).

        Returns
        -------
        int
            What `disconnectGui` takes.
        """
        is_widget = getattr(gui, "isWidgetType", lambda: False)()
        widgets = gui.findChildren(QtWidgets.QWidget) if is_widget else list(vars(gui).values())
        named = {w.property(PROPERTY): w for w in widgets if w.property(PROPERTY)}
        return self.connectParametersToGui(named)

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        """Bind parameters to widgets given by name."""
        bindings = {name: Binding(self._parameter(name), widget) for name, widget in mapping.items()}
        tag = len(self._tags)
        while tag in self._tags:
            tag += 1
        self._bindings[tag] = bindings
        for name, binding in bindings.items():
            binding.write(self.getValue(name))
            binding.on_change(self._taker(name, binding))
        self._tags[tag] = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: self._show())
        return tag

    def disconnectGui(self, tag: int) -> None:
        """Undo `connectGui`."""
        for binding in self._bindings.pop(tag, {}).values():
            binding.release()
        if tag in self._tags:
            self.RemoveObserver(self._tags.pop(tag))

    def _taker(self, name: str, binding: Binding) -> Any:
        def take() -> None:
            if not self._showing:
                self.setValue(name, binding.read())

        return take

    def _show(self) -> None:
        if self._showing:
            return
        self._showing = True
        try:
            with slicer.util.NodeModify(self):
                for bindings in list(self._bindings.values()):
                    for name, binding in bindings.items():
                        binding.write(self.getValue(name))
        finally:
            self._showing = False

    def StartModify(self) -> int:
        """Hold events back."""
        return self.parameterNode.StartModify()

    def EndModify(self, previous: int) -> int:
        """Send the events that were held back."""
        return self.parameterNode.EndModify(previous)

    def AddObserver(self, event: int, callback: Any, priority: float = 0.0) -> int:
        """Observe the node."""
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        """Stop observing the node."""
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        """Tell the observers of the node."""
        self.parameterNode.Modified()


def parameterNodeWrapper(cls: type | None = None) -> Any:
    """Class decorator: the annotated attributes become parameters kept in a MRML node."""
    if cls is None:
        return parameterNodeWrapper
    hints = get_type_hints(cls, include_extras=True)
    taken = [name for name in hints if hasattr(_Wrapper, name)]
    if taken:
        raise ValueError(f"reserved name in a parameterNodeWrapper: {', '.join(taken)}")
    own = vars(cls)
    parameters = {n: Parameter(n, hint, (own[n],) if n in own else None) for n, hint in hints.items()}
    methods = {n: v for n, v in own.items() if n not in hints and n not in ("__dict__", "__weakref__", "__init__")}
    properties = {name: _property(name) for name in parameters}
    return type(cls.__name__, (_Wrapper, *cls.__bases__), {**methods, **properties, "allParameters": parameters})


def _property(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


def wrapper_module() -> types.ModuleType:
    """Return the package ``slicer.parameterNodeWrapper``."""
    module = types.ModuleType("slicer.parameterNodeWrapper", "Typed parameter nodes, imitated by the test host.")
    module.parameterNodeWrapper = parameterNodeWrapper
    module.isParameterNodeWrapper = lambda x: (
        isinstance(x, _Wrapper) or (isinstance(x, type) and issubclass(x, _Wrapper))
    )
    module.SlicerParameterNamePropertyName = PROPERTY
    for name in ("WithinRange", "Minimum", "Maximum", "Choice", "Default", "Decimals", "SingleStep"):
        setattr(module, name, getattr(parameter_types, name))
    return module
