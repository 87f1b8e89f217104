"""Loads a form: stock widgets from Qt, CTK's and qMRML's from the stand-ins; what is unknown raises."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import ctk_widgets, mrml_widgets
from .pythonqt import connect, has_method, native

STAND_INS = {**ctk_widgets.WIDGETS, **mrml_widgets.WIDGETS}


@native
class QUiLoader(QtUiTools.QUiLoader):
    """The form loader of the application."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._unknown: list[str] = []

    def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
        """Make a widget by the name of its class; called by Qt for each widget of a form."""
        if class_name in STAND_INS:
            widget = STAND_INS[class_name](parent)
            widget.setObjectName(name)
            return widget
        if class_name in self.availableWidgets():
            return super().createWidget(class_name, parent, name)
        self._unknown.append(class_name)  # raised by load(): Qt would swallow it here
        return QtWidgets.QWidget(parent)

    def load(self, device: Any, parent: Any = None) -> Any:
        """Load a form from an open device."""
        form = ElementTree.fromstring(bytes(device.readAll()))
        links = _taken_connections(form)
        self._unknown = []
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(form))
        buffer.open(QtCore.QIODevice.ReadOnly)
        widget = super().load(buffer, parent)
        if self._unknown:
            raise RuntimeError(f"The test host has no stand-in for {', '.join(sorted(set(self._unknown)))}")
        for link in links:
            _link(widget, *link)
        return widget


def _taken_connections(form: ElementTree.Element) -> list[tuple[str, str, str, str]]:
    """Remove the connections from a form, which Qt could not make between stand-ins, and return them."""
    links = []
    for section in form.findall("connections"):
        for entry in section.findall("connection"):
            links.append(tuple(entry.findtext(tag, "") for tag in ("sender", "signal", "receiver", "slot")))
        form.remove(section)
    return links


def _link(root: Any, sender: str, signal: str, receiver: str, slot: str) -> None:
    source, target = (
        root if root.objectName == name else root.findChild(QtCore.QObject, name) for name in (sender, receiver)
    )
    for end, name, signature in ((source, sender, signal), (target, receiver, slot)):
        if end is None or not has_method(end, signature):
            raise RuntimeError(f"The form connects {name}.{signature}, which does not exist")
    connect(source, signal, getattr(target, slot.partition("(")[0]))
