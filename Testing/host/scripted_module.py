"""``slicer.ScriptedLoadableModule`` and what the application keeps for each scripted module."""

from __future__ import annotations

import importlib.util
import os
import sys
import types
import unittest
from pathlib import Path
from typing import Any, ClassVar

import slicer
from PySide6 import QtCore, QtWidgets

from .mrml_widgets import qMRMLWidget
from .pythonqt import native
from .strict import Strict


class ScriptedLoadableModule:
    """Base of the class that describes a module."""

    def __init__(self, parent: Any) -> None:
        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = ""
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = ""
        parent.acknowledgementText = ""
        if not hasattr(slicer, "selfTests"):
            slicer.selfTests = {}
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename: str) -> str:
        """Return a file below Resources beside the module."""
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)  # noqa: PTH118, PTH120

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        """Return a sentence with a link to the documentation."""
        url = (
            slicer.app.documentationBaseUrl + docPage
            if docPage
            else slicer.app.moduleDocumentationUrl(self.moduleName)
        )
        return f'<p>For more information, see the <a href="{url}">online documentation</a>.</p>'

    def runTest(self, msec: int = 100, **keywords: Any) -> None:
        """Run the class <module>Test."""
        case = getattr(sys.modules[type(self).__module__], self.moduleName + "Test")()
        case.messageDelay = msec
        case.runTest(**keywords)


class ScriptedLoadableModuleWidget:
    """Base of the class that fills a module's panel."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        if parent is None:
            parent = qMRMLWidget()
            parent.setLayout(QtWidgets.QVBoxLayout())
            parent.setMRMLScene(slicer.mrmlScene)
            self.parent = parent
            self.layout = parent.layout()
            self.setup()
            parent.show()
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename: str) -> str:
        """Return a file below Resources beside the module."""
        folder = os.path.dirname(slicer.util.modulePath(self.moduleName))  # noqa: PTH120
        return os.path.join(folder, "Resources", filename)  # noqa: PTH118

    def setup(self) -> None:
        """Make the widgets; overridden."""

    def cleanup(self) -> None:
        """Let go of everything; overridden."""

    def onReload(self) -> None:
        """Load the module's source again."""
        slicer.util.reloadScriptedModule(self.moduleName)

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect(
                "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
            )


class ScriptedLoadableModuleLogic:
    """Base of the class that computes."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:
        """Return the parameter node of this module, made when there is none."""
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node is not None:
                if node.GetAttribute("ModuleName") != self.moduleName:  # closing the scene may have removed it
                    node.SetAttribute("ModuleName", self.moduleName)
                return node
        elif self.getAllParameterNodes():
            return self.getAllParameterNodes()[0]
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list[slicer.vtkMRMLScriptedModuleNode]:
        """Return every parameter node of this module."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:
        """Make a parameter node that is not in the scene yet."""
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base of the class that tests a module inside the application."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.moduleTestNames = [name for name in dir(self) if "test" in name and callable(getattr(self, name))]
        self.messageDelay = 0

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        """Let the application catch up."""
        slicer.app.processEvents()

    def runTest(self) -> None:
        """Run every test method; overridden by most modules."""
        self.setUpClass()
        for name in self.moduleTestNames:
            self.setUp()
            getattr(self, name)()
            self.tearDown()
        self.tearDownClass()


@native
class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The panel of one scripted module, with the Python object that fills it."""

    def __init__(self, module):
        super().__init__()
        self._module = module
        self._self = None
        self._is_entered = False
        self.setObjectName(f"qSlicer{module.name}ModuleWidget")
        QtWidgets.QVBoxLayout(self)

    def self(self):
        """Return the Python object."""
        return self._self

    def reload(self):
        """Make a new Python object from the module's source as it is now in sys.modules."""
        name = self._module.name + "Widget"
        self._self = getattr(sys.modules[self._module.name], name)(self)
        setattr(slicer.modules, name, self._self)
        self._self.setup()

    isEntered = QtCore.Property(bool, lambda self: self._is_entered)

    def enter(self):
        """Tell the Python object that its panel is shown now."""
        self._is_entered = True
        if hasattr(self._self, "enter"):
            self._self.enter()

    def exit(self):
        """Tell the Python object that its panel is left."""
        self._is_entered = False
        if hasattr(self._self, "exit"):
            self._self.exit()


class CoreModule(Strict):
    """A module of the application that is written in C++: here only its logic."""

    def __init__(self, name: str, logic: Any) -> None:
        self.name = name
        self.title = name
        self._logic = logic

    def logic(self) -> Any:
        """Return the module's logic."""
        return self._logic

    def widgetRepresentation(self) -> Any:
        """Refuse: the host has no panels but those of scripted modules."""
        raise NotImplementedError(f"the test host has no panel of the module {self.name}")


class qSlicerScriptedLoadableModule(Strict):
    """A module written in Python; the ``parent`` of its describing class."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.path = str(path)
        self.title = path.stem
        self.categories: list[str] = []
        self.dependencies: list[str] = []
        self.contributors: list[str] = []
        self.helpText = ""
        self.acknowledgementText = ""
        self.icon: Any = None
        self.hidden = False
        self.index = -1
        self.associatedNodeTypes: list[str] = []
        self._widget: Any = None

    def logic(self) -> Any:
        """Return the C++ logic, which a scripted module has too but never uses."""
        return slicer.vtkSlicerScriptedLoadableModuleLogic()

    def load(self) -> Any:
        """Import the module's file as the application does in developer mode, and describe the module."""
        folder = str(Path(self.path).parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        spec = importlib.util.spec_from_file_location(self.name, self.path)
        source = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = source
        spec.loader.exec_module(source)
        instance = getattr(source, self.name)(self)
        setattr(slicer.modules, self.name.lower(), self)
        setattr(slicer.modules, self.name + "Instance", instance)
        setattr(slicer.moduleNames, self.name, self.name)
        if hasattr(instance, "setup"):
            instance.setup()
        return source

    def widgetRepresentation(self) -> Any:
        """Return the module's panel, made when it is first asked for."""
        if self._widget is None:
            self._widget = qSlicerScriptedLoadableModuleWidget(self)
            self._widget.reload()
            self._widget.setMRMLScene(slicer.mrmlScene)
        return self._widget

    def unload(self) -> None:
        """Let the panel clean up, and forget the module."""
        slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(self.name)
        for name in (self.name.lower(), self.name + "Instance", self.name + "Widget"):
            if hasattr(slicer.modules, name):
                delattr(slicer.modules, name)
        if hasattr(slicer.moduleNames, self.name):
            delattr(slicer.moduleNames, self.name)
        sys.modules.pop(self.name, None)
        folder = str(Path(self.path).parent)
        if folder in sys.path:
            sys.path.remove(folder)
        if self._widget is not None:
            self._widget.close()
            self._widget.deleteLater()
            self._widget = None


@native
class qSlicerModuleManager(QtCore.QObject):
    """Finds modules by name."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)
    cpp_signals: ClassVar = {"moduleAboutToBeUnloaded(QString)": "moduleAboutToBeUnloaded"}

    def module(self, name):
        """Return the module with this name, or None."""
        return getattr(slicer.modules, name.lower(), None)

    def modulesNames(self):
        """Return the names of all modules."""
        return tuple(vars(slicer.moduleNames))

    def factoryManager(self):
        """Return what knows the loaded modules."""
        return _FactoryManager()


class _FactoryManager(Strict):
    def loadedModuleNames(self) -> tuple[str, ...]:
        return slicer.app.moduleManager().modulesNames()

    def isLoaded(self, name: str) -> bool:
        return name in self.loadedModuleNames()


def scripted_module() -> types.ModuleType:
    """Return the Python module ``slicer.ScriptedLoadableModule``."""
    module = types.ModuleType("slicer.ScriptedLoadableModule", "Imitated by the test host.")
    classes = (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    )
    module.__all__ = [cls.__name__ for cls in classes]
    for cls in classes:
        setattr(module, cls.__name__, cls)
    return module
