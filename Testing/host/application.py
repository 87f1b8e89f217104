"""``slicer.app``: the Qt application object with the methods of qSlicerApplication that modules use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from PySide6 import QtCore, QtWidgets

from .extensions import ExtensionsManagerModel
from .layout import LayoutManager
from .mrml import MrmlApplication
from .pythonqt import native
from .scene_files import CoreIOManager
from .scripted_module import qSlicerModuleManager
from .views import Views

VERSION = "5.12.3"


@dataclass
class Run:
    """How the application was started, and how often a module had it start anew."""

    testing: bool = False
    restarts: int = 0


@native
class qSlicerApplication(QtWidgets.QApplication):
    """The application."""

    startupCompleted = QtCore.Signal()
    mrmlSceneChanged = QtCore.Signal(object)
    cpp_signals: ClassVar = {
        "startupCompleted()": "startupCompleted",
        "mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged",
    }

    def __init__(self, mrml: MrmlApplication, views: Views, run: Run):
        super().__init__(["PancreasSegTestHost"])
        self._mrml = mrml
        self._module_manager = qSlicerModuleManager()
        self._io_manager = CoreIOManager(mrml)
        self._layout_manager = LayoutManager(mrml, views)
        self._extensions = ExtensionsManagerModel()
        self._run = run
        self.setApplicationName("PancreasSegTestHost")
        self.setOrganizationName("PancreasSegTestHost")
        self.setApplicationVersion(VERSION)
        settings_format = QtCore.QSettings.IniFormat
        QtCore.QSettings.setDefaultFormat(settings_format)
        QtCore.QSettings.setPath(settings_format, QtCore.QSettings.UserScope, str(mrml.folder))
        self._settings = QtCore.QSettings()

    def mrmlScene(self):
        """Return the scene."""
        return self._mrml.scene

    def applicationLogic(self):
        """Return the application logic."""
        return self._mrml.logic

    def moduleLogic(self, name):
        """Return the logic of a C++ module."""
        return self._mrml.module_logics.get(name)

    def moduleManager(self):
        """Return what finds modules."""
        return self._module_manager

    def coreIOManager(self):
        """Return what loads and saves."""
        return self._io_manager

    def ioManager(self):
        """Return what loads and saves."""
        return self._io_manager

    def layoutManager(self):
        """Return what arranges the views."""
        return self._layout_manager

    def settings(self):
        """Return the settings of the host, which end with it."""
        return self._settings

    def userSettings(self):
        """Return the settings of the host, which end with it."""
        return self._settings

    def testingEnabled(self):
        """Say whether the module's own tests run; else it behaves as for a user."""
        return self._run.testing

    def extensionsManagerModel(self):
        """Return what installs extensions."""
        return self._extensions

    def restart(self):
        """Count how often the application would have started anew."""
        self._run.restarts += 1

    def moduleDocumentationUrl(self, name):
        """Return where a module's documentation is."""
        return f"{self.documentationBaseUrl}user_guide/modules/{name.lower()}.html"

    def pauseRender(self):
        """Hold the views back."""
        self._mrml.logic.PauseRender()

    def resumeRender(self):
        """Draw the views again."""
        self._mrml.logic.ResumeRender()

    documentationBaseUrl = QtCore.Property(str, lambda self: "https://slicer.readthedocs.io/en/latest/")
    temporaryPath = QtCore.Property(str, lambda self: str(self._mrml.folder))
    cachePath = QtCore.Property(str, lambda self: str(self._mrml.folder))
    slicerHome = QtCore.Property(str, lambda self: str(self._mrml.folder))
    majorVersion = QtCore.Property(int, lambda self: int(VERSION.split(".")[0]))
    minorVersion = QtCore.Property(int, lambda self: int(VERSION.split(".")[1]))
    revision = QtCore.Property(str, lambda self: "test host")
