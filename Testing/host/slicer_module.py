"""Makes the module ``slicer`` look as it does inside the application."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

import slicer

from . import ctk_widgets, mrml_widgets
from .mrml import MrmlApplication
from .packages import Installations
from .parameter_node import wrapper_module
from .pythonqt import qt_module
from .scripted_module import (
    CoreModule,
    qSlicerScriptedLoadableModule,
    qSlicerScriptedLoadableModuleWidget,
    scripted_module,
)
from .segment_editor import SegmentEditorModule, qMRMLSegmentEditorWidget
from .translations import Translations
from .ui_loader import QUiLoader

# Python modules of the application that are imported by their own names, not through `slicer`.
STANDALONE = ("vtkITK", "vtkTeem")


def remove_leaked_names() -> None:
    """Delete from ``slicer`` what ``slicer-core`` leaks into it.

    ``slicer.arrayFromVolume`` works there; in the application only ``slicer.util.arrayFromVolume`` does.
    """
    standalone = {name: importlib.import_module(f"slicer_core.{name}") for name in STANDALONE}
    sys.modules.update(standalone)
    elsewhere = {name for module in standalone.values() for name in vars(module)}
    for name in [n for n in vars(slicer) if not n.startswith("__")]:
        value = getattr(slicer, name)
        belongs = name == "util" or (name.startswith("vtk") and not isinstance(value, types.ModuleType))
        if not belongs or (name in elsewhere and name.startswith(("vtkITK", "vtkTeem"))):
            delattr(slicer, name)


def fill(
    mrml: MrmlApplication, application: Any, installations: Installations, translations: Translations
) -> None:
    """Add what the application has and ``slicer-core`` lacks, and the modules ``qt`` and ``ctk``."""
    slicer.app = application
    slicer.mrmlScene = mrml.scene
    slicer.modules = types.ModuleType("slicer.modules")
    slicer.moduleNames = types.ModuleType("slicer.moduleNames")
    for module in (slicer.modules, slicer.moduleNames):
        vars(module).clear()
    for name, logic in mrml.module_logics.items():
        setattr(slicer.modules, name.lower(), CoreModule(name, logic))
        setattr(slicer.moduleNames, name, name)
    slicer.modules.segmenteditor = SegmentEditorModule()
    slicer.qMRMLSegmentEditorWidget = qMRMLSegmentEditorWidget
    slicer.moduleNames.SegmentEditor = "SegmentEditor"
    for name, widget in mrml_widgets.WIDGETS.items():
        setattr(slicer, name, widget)
    slicer.qSlicerScriptedLoadableModule = qSlicerScriptedLoadableModule
    slicer.qSlicerScriptedLoadableModuleWidget = qSlicerScriptedLoadableModuleWidget
    sys.modules["slicer.modules"] = slicer.modules
    sys.modules["qt"] = qt_module(QUiLoader=QUiLoader)
    sys.modules["ctk"] = ctk_widgets.ctk_module()
    for module in (scripted_module(), wrapper_module(), installations.module(), translations.module()):
        sys.modules[module.__name__] = module
        setattr(slicer, module.__name__.removeprefix("slicer."), module)
