"""Source of a small scripted module for the host's own tests, written to a folder as a user would have it."""

from __future__ import annotations

from pathlib import Path

SOURCE = """
from typing import Annotated

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin


@parameterNodeWrapper
class TinyParameters:
    volume: slicer.vtkMRMLScalarVolumeNode
    thorough: bool = False
    smoothing: Annotated[float, WithinRange(0, 1)] = 0.5
    note: str = "none"


class Tiny(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Tiny")


class TinyWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.calls = []
        self.parameters = None
        self.tag = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        form = slicer.util.loadUI(self.resourcePath("UI/Tiny.ui"))
        self.layout.addWidget(form)
        self.ui = slicer.util.childWidgetVariables(form)
        form.setMRMLScene(slicer.mrmlScene)
        self.logic = TinyLogic()
        self.connected = self.ui.goButton.connect("clicked(bool)", self.onGo)
        self.ui.failButton.connect("clicked(bool)", self.onFail)
        self.shortcut = qt.QShortcut(qt.QKeySequence("Ctrl+Return"), form)
        self.shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
        self.shortcut.connect("activated()", self.onGo)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onClosing)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onClosed)
        self.bind()

    def bind(self):
        self.parameters = TinyParameters(self.logic.getParameterNode())
        self.tag = self.parameters.connectGui(self.ui)

    def onGo(self):
        self.calls.append("go")
        self.ui.stateLabel.text = f"Volume: {self.ui.volumeSelector.currentNode().GetName()}"

    def onFail(self, checked):
        raise ValueError("broken slot")

    def onClosing(self, caller, event):
        self.calls.append("closing")
        self.parameters.disconnectGui(self.tag)

    def onClosed(self, caller, event):
        self.calls.append("closed")
        self.bind()

    def enter(self):
        self.calls.append("enter")

    def exit(self):
        self.calls.append("exit")

    def cleanup(self):
        self.removeObservers()


class TinyLogic(ScriptedLoadableModuleLogic):
    pass
"""

FORM = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0">
 <class>Tiny</class>
 <widget class="qMRMLWidget" name="Tiny">
  <layout class="QVBoxLayout">
   <item><widget class="qMRMLNodeComboBox" name="volumeSelector">
     <property name="nodeTypes">
      <stringlist notr="true"><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
     <property name="noneEnabled"><bool>true</bool></property>
     <property name="SlicerParameterName" stdset="0"><string>volume</string></property>
   </widget></item>
   <item><widget class="ctkCollapsibleButton" name="section">
     <property name="text"><string>More</string></property>
     <property name="collapsed"><bool>true</bool></property>
     <layout class="QFormLayout">
      <item row="0" column="0"><widget class="QCheckBox" name="thoroughBox">
       <property name="text"><string>Thorough</string></property>
       <property name="SlicerParameterName" stdset="0"><string>thorough</string></property>
      </widget></item>
      <item row="1" column="0"><widget class="ctkSliderWidget" name="smoothingSlider">
       <property name="SlicerParameterName" stdset="0"><string>smoothing</string></property></widget></item>
     </layout></widget></item>
   <item><widget class="QPushButton" name="goButton">
     <property name="text"><string>Go</string></property></widget></item>
   <item><widget class="QPushButton" name="failButton">
     <property name="text"><string>Fail</string></property></widget></item>
   <item><widget class="QLabel" name="stateLabel">
     <property name="text"><string>Idle</string></property></widget></item>
  </layout>
 </widget>
 <connections>
  <connection><sender>Tiny</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
   <receiver>volumeSelector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>
 </connections>
</ui>
"""


def write_tiny_module(folder: Path, source: str = SOURCE, form: str = FORM) -> Path:
    """Write the module below a folder and return the path of its Python file."""
    (folder / "Resources" / "UI").mkdir(parents=True)
    (folder / "Resources" / "UI" / "Tiny.ui").write_text(form, encoding="utf-8")
    path = folder / "Tiny.py"
    path.write_text(source, encoding="utf-8")
    return path
