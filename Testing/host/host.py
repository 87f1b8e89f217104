"""The test host: one application for one process."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtTest, QtWidgets

from . import pythonqt, scene_files, slicer_module
from .application import Run, qSlicerApplication
from .dialogs import Dialogs, MessageBox
from .event_loop import EventLoopGaps, process_events
from .mouse import Mouse
from .mrml import MrmlApplication
from .packages import Installations
from .scripted_module import qSlicerScriptedLoadableModule
from .slicer_python import SlicerPython
from .translations import Translations
from .views import Views
from .window import HostWindow

NNINTERACTIVE = ("P", "B", "L", "S", "E", "R", "T", "V", "Delete", "Ctrl+Z")
"""Keys that nnInteractive leaves on the main window once its module was opened."""
_host: Host | None = None


def start_host() -> Host:
    """Return the host of this process, started when it is not yet running, with an empty scene."""
    global _host
    if _host is None:
        _host = Host()
    else:
        _host.reset()
    return _host


class Host:
    """A window with one module's panel and four views, on a real MRML scene.

    Attributes
    ----------
    scene
        The MRML scene.
    application
        What modules see as ``slicer.app``.
    run
        How it was started, and how often it would have started anew.
    gaps
        How long the event loop was blocked.
    slot_errors
        Tracebacks of exceptions in slots and observers, which the application would only print. Clear it in a test
        that expects one; the fixture fails a test that leaves any.
    mouse
        Presses and moves over the slice views.
    dialogs
        Message boxes and file dialogs: what was shown, and what to answer.
    installations
        What the module asked pip to install.
    slicer_python
        Switches to what 3D Slicer's own Python can import, in this process and in the worker.
    translations
        Texts in another language.
    """

    def __init__(self) -> None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        if sys.platform.startswith("linux"):
            os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
        self.slot_errors: list[str] = []
        self._previous_hook = sys.excepthook
        self._collect_slot_errors()
        self._folder = scene_files.temporary_folder()
        pythonqt.use_pythonqt_semantics()
        slicer_module.remove_leaked_names()
        self._mrml = MrmlApplication(self._folder)
        self.gaps = EventLoopGaps()
        self._views = Views(self._mrml, self.gaps)
        self.scene = self._mrml.scene
        self.run = Run()
        self.application = qSlicerApplication(self._mrml, self._views, self.run)
        self.slicer_python = SlicerPython(Path(self._folder))
        self.installations = Installations(self.slicer_python)
        self.translations = Translations()
        slicer_module.fill(self._mrml, self.application, self.installations, self.translations)
        self.dialogs = Dialogs()
        self.dialogs.install()
        self.mouse = Mouse(self._views, self.gaps, self.process_events)
        self.window = HostWindow()
        self.window.show()
        self._module: qSlicerScriptedLoadableModule | None = None
        self._foreign_shortcuts: list[Any] = []

    def _collect_slot_errors(self) -> None:
        """See what leaves a slot; a command-line program that ran in this process may have taken the hook."""
        sys.excepthook = self._slot_failed

    def _slot_failed(self, kind: type, error: BaseException, trace: Any) -> None:
        self.slot_errors.append("".join(traceback.format_exception(kind, error, trace)))
        sys.__excepthook__(kind, error, trace)

    # The module

    def module(self, path: str | Path) -> Any:
        """Load a scripted module's file, unmodified, and show its panel.

        Returns
        -------
        module
            The imported Python module.
        """
        self.unload_module()
        module = qSlicerScriptedLoadableModule(Path(path).resolve())
        source = module.load()
        self.application.startupCompleted.emit()
        self._module = module
        self.window.show_panel(module.widgetRepresentation())
        self.enter_module()
        self.process_events()
        return source

    def unload_module(self) -> None:
        """Leave the module and let it clean up."""
        if self._module is not None:
            self.leave_module()
            self.window.show_panel(None)
            self._module.unload()
            self._module = None
            self.process_events()

    def enter_module(self) -> None:
        """Go to the module, as a user who chooses it."""
        self._loaded_module().widgetRepresentation().enter()

    def leave_module(self) -> None:
        """Go to another module."""
        self._loaded_module().widgetRepresentation().exit()

    def reload_module(self) -> None:
        """Reload the module's source, as the button of the developer mode does."""
        self.widget.onReload()
        self.process_events()

    def run_module_tests(self, path: str | Path, log: Any = None, only: str = "test") -> unittest.TestResult:
        """Run a module's own tests as its CTest does: found by unittest, each alone, the panel never opened.

        Parameters
        ----------
        path : str or Path
            The module's file.
        log : text file, optional
            Where unittest writes what it writes; stderr by default.
        only : str
            What the names of the tests contain.
        """
        self.unload_module()
        self._module = qSlicerScriptedLoadableModule(Path(path).resolve())
        self._module.load()
        self.run.testing = True
        loader = unittest.TestLoader()
        loader.testNamePatterns = [f"*.{only}*"]
        suite = loader.loadTestsFromName(self._module.name)
        return unittest.TextTestRunner(log, verbosity=2).run(suite)

    def _loaded_module(self) -> qSlicerScriptedLoadableModule:
        if self._module is None:
            raise RuntimeError("no module is loaded: call host.module(path)")
        return self._module

    @property
    def widget(self) -> Any:
        """The Python object that fills the module's panel."""
        return self._loaded_module().widgetRepresentation().self()

    # The user

    def find(self, name: str) -> Any:
        """Return a widget of the panel by its object name."""
        found = self._loaded_module().widgetRepresentation().findChildren(QtCore.QObject, name)
        if not found:
            raise LookupError(f"the panel has no widget named {name}")
        return found[-1]  # after a reload the widgets of before are still there, hidden

    def click(self, name: str) -> None:
        """Click a widget with the left mouse button.

        Raises
        ------
        AssertionError
            When a user could not: it is hidden or disabled.
        """
        widget = self.find(name)
        if not widget.isVisible() or not widget.isEnabled():
            raise AssertionError(
                f"{name} is {'disabled' if widget.isVisible() else 'hidden'}: it cannot be clicked"
            )
        self.window.scroll_to(widget)
        centre = widget.rect.center()
        if isinstance(widget, (QtWidgets.QCheckBox, QtWidgets.QRadioButton)):
            centre.setX(10)  # the mark; the rest of a wide one does not react
        with self.gaps.running():
            QtTest.QTest.mouseClick(widget, QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, centre)

    def press(self, key: Any, modifier: Any = None, name: str = "") -> None:
        """Press a key (``Qt.Key_Return``) with a modifier, in a widget, which gets the focus, or where that is."""
        self.window.activateWindow()  # without the focus, shortcuts are not heard
        if name:
            self.find(name).setFocus()
        self.process_events()
        target = QtWidgets.QApplication.focusWidget() or self.window
        with self.gaps.running():
            QtTest.QTest.keyClick(target, key, QtCore.Qt.NoModifier if modifier is None else modifier)

    def set_node(self, selector: str, node: Any) -> None:
        """Choose a node in a node selector."""
        with self.gaps.running():
            self.find(selector).setCurrentNode(node)
        if self.find(selector).currentNode() is not node:
            raise AssertionError(f"{selector} does not offer {node and node.GetName()}")

    def process_events(self, until: Callable[[], Any] | None = None, timeout: float = 10.0) -> None:
        """Run the event loop until a condition holds; without one, work off what is waiting.

        Raises
        ------
        TimeoutError
            When the condition does not hold within ``timeout`` seconds.
        """
        process_events(self.gaps, until, timeout)

    def add_foreign_shortcuts(self, *keys: str) -> list[str]:
        """Put another extension's shortcuts on the main window, nnInteractive's by default.

        Returns
        -------
        list of str
            Filled with each key that the other extension gets.
        """
        heard: list[str] = []
        for key in keys or NNINTERACTIVE:
            shortcut = QtGui.QShortcut(QtGui.QKeySequence(key), self.window)
            shortcut.activated.connect(lambda key=key: heard.append(key))
            self._foreign_shortcuts.append(shortcut)
        return heard

    @property
    def message_boxes(self) -> list[MessageBox]:
        """The message boxes shown so far."""
        return self.dialogs.message_boxes

    # The scene

    def close_scene(self) -> None:
        """Close the scene, as the menu does."""
        with self.gaps.running():
            self.scene.Clear(False)
        self._views.forget_three_d()
        self.process_events()

    def save_scene(self, path: str | Path) -> None:
        """Save the scene and its data as ``.mrb``, or as ``.mrml`` with the data beside it."""
        scene_files.save_scene(self.scene, Path(path))

    def load_scene(self, path: str | Path) -> None:
        """Open a scene in place of the present one."""
        scene_files.load_scene(self.scene, Path(path))
        self.process_events()

    # The event loop

    @property
    def keeps_gil(self) -> bool:
        """Whether the event loop keeps Python's interpreter lock while it waits, as 3D Slicer's does."""
        return self.gaps.keeps_gil

    @keeps_gil.setter
    def keeps_gil(self, on: bool) -> None:
        self.gaps.keeps_gil = on

    # Pictures

    @property
    def live_views(self) -> bool:
        """Whether the slice views are drawn whenever the application would; else only for pictures."""
        return self._views.live

    @live_views.setter
    def live_views(self, on: bool) -> None:
        self._views.live = on

    def view_pictures(self) -> dict[str, Any]:
        """Return what the views show, as arrays (rows, columns, RGB): Red, 1 (the 3D view), Yellow, Green."""
        return self._views.pictures()

    def screenshot(self, path: str | Path) -> None:
        """Write a picture of the window: the panel and the four views."""
        self.process_events()
        self.window.show_views(self.view_pictures())
        self.process_events()
        if not self.window.grab().save(str(path)):
            raise OSError(f"the picture could not be written to {path}")

    # The end

    def reset(self) -> None:
        """Go back to an application just started: no module, an empty scene, nothing recorded."""
        self.keeps_gil = False
        self.unload_module()
        self.slicer_python.end()
        self.run.testing, self.run.restarts = False, 0
        self.application.extensionsManagerModel().clear()
        self.translations.words.clear()
        for shortcut in self._foreign_shortcuts:
            shortcut.setParent(None)  # deleted later is too late: no event loop runs between two tests
            shortcut.deleteLater()
        self._foreign_shortcuts.clear()
        self.live_views = False
        self.mouse.leave()
        self.scene.Clear(False)
        for node in slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode"):  # singletons outlive a closed scene
            self.scene.RemoveNode(node)
        self.process_events()
        self.slot_errors.clear()
        self._collect_slot_errors()
        self.dialogs.clear()
        self.installations.clear()
        self.application.settings().clear()
        self.gaps.reset()

    def close(self) -> None:
        """End the host; the process cannot start another one."""
        self.reset()
        self.gaps.close()
        self.window.close()
        sys.excepthook = self._previous_hook
        shutil.rmtree(self._folder, ignore_errors=True)
