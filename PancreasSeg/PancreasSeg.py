"""PancreasSeg in 3D Slicer: the shell of the module; everything else is in the folder PancreasSegPanel."""

import contextlib
import sys
import unittest
from pathlib import Path

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

_FOLDER = Path(__file__).resolve().parent
for _place in (_FOLDER, _FOLDER.parent):  # the second: a checkout, where the library lies beside this folder
    _is_ours = (_place / "PancreasSegLib").is_dir() or (_place / "PancreasSegPanel").is_dir()
    if _is_ours and str(_place) not in sys.path:
        sys.path.append(str(_place))


class PancreasSeg(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent) -> None:  # noqa: ANN001
        super().__init__(parent)
        from PancreasSegPanel.form import about

        parent.title = _("PancreasSeg")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = []
        parent.contributors = list(about.CONTRIBUTORS)
        parent.helpText = about.HELP
        parent.acknowledgementText = about.ACKNOWLEDGEMENT
        self._set_icon(parent)
        slicer.app.connect("startupCompleted()", _register_sample_data)

    def _set_icon(self, parent) -> None:  # noqa: ANN001
        import qt

        from PancreasSegPanel.resources import resource

        with contextlib.suppress(FileNotFoundError):
            parent.icon = qt.QIcon(str(resource("Icons/PancreasSeg.png", _FOLDER)))


def _register_sample_data() -> None:
    from PancreasSegPanel.setup.sample_data import register_sample_data

    register_sample_data()


class PancreasSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Connects Slicer's events to the panel."""

    def __init__(self, parent=None) -> None:  # noqa: ANN001
        self.logic = None  # before the base class, which calls setup() itself when it has no parent
        self.panel = None
        self._parameters = None
        self._gui_tag = None
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the form: when the module is first opened, and anew when it is reloaded."""
        ScriptedLoadableModuleWidget.setup(self)
        from PancreasSegPanel.form.panel import Panel
        from PancreasSegPanel.resources import resource

        form = slicer.util.loadUI(str(resource("UI/PancreasSeg.ui", _FOLDER)))
        self.layout.addWidget(form)
        form.setMRMLScene(slicer.mrmlScene)
        self.ui = slicer.util.childWidgetVariables(form)
        self.logic = PancreasSegLogic()
        self.panel = Panel(self.ui, form, self.logic.panel_logic)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        self._bind()
        if getattr(self.parent, "isEntered", False):  # reloaded while it is shown: nobody calls enter()
            self.enter()

    def cleanup(self) -> None:
        """Leave nothing behind when the module is unloaded or reloaded."""
        self._unbind()
        self.removeObservers()
        if self.panel is not None:
            self.panel.close()
            self.panel = None

    def enter(self) -> None:
        """The user opens the module."""
        self._bind()
        self.panel.enter()

    def exit(self) -> None:
        """The user goes to another module."""
        self.panel.exit()

    def onReload(self) -> None:
        """Load the panel's own files anew too, not only this one."""
        for name in [name for name in sys.modules if name.split(".")[0] == "PancreasSegPanel"]:
            del sys.modules[name]
        super().onReload()

    def onSceneStartClose(self, _caller, _event) -> None:  # noqa: ANN001
        """Everything under way ends before the nodes go."""
        self._unbind()
        self.panel.scene_closing()

    def onSceneEndClose(self, _caller, _event) -> None:  # noqa: ANN001
        """A new parameter node for the empty scene."""
        self._bind()

    def onSceneEndImport(self, _caller, _event) -> None:  # noqa: ANN001
        """A scene was opened: take its parameter node."""
        self._bind()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeRemoved(self, _caller, _event, node) -> None:  # noqa: ANN001
        """A CT or a segmentation may be in use."""
        if node is not None:
            self.panel.node_removed(node)

    def onParametersModified(self, _caller=None, _event=None) -> None:  # noqa: ANN001
        """A choice was made, here or in Python."""
        self.panel.refresh()

    def _bind(self) -> None:
        """Show the scene's parameter node; the first CT of the scene is chosen where none is yet."""
        from PancreasSegPanel.scene.confidence_map import may_be_ct

        self._unbind()
        if slicer.mrmlScene.IsClosing():
            return
        self._parameters = self.logic.getParameterNode()
        if self._parameters.inputVolume is None:
            volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            self._parameters.inputVolume = next((node for node in volumes if may_be_ct(node)), None)
        self._gui_tag = self._parameters.connectGui(self.ui)
        self.addObserver(self._parameters, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self.panel.bind(self._parameters)

    def _unbind(self) -> None:
        if self._parameters is not None:
            self._parameters.disconnectGui(self._gui_tag)
            self.removeObserver(self._parameters, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
            self._parameters = None


class PancreasSegLogic(ScriptedLoadableModuleLogic):
    """What scripts call; ``slicer.util.getModuleLogic("PancreasSeg")`` gives it.

    Examples
    --------
    >>> logic = slicer.util.getModuleLogic("PancreasSeg")             # doctest: +SKIP
    >>> segmentation = logic.segment(volumeNode)                      # doctest: +SKIP
    >>> logic.measurement(segmentation).volume_ml                     # doctest: +SKIP
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        from PancreasSegPanel.logic import PanelLogic
        from PancreasSegPanel.work.worker_client import make_client

        self.panel_logic = PanelLogic(make_client, slicer.app.processEvents)
        self._parameters = None

    def getParameterNode(self):  # noqa: ANN201
        """Return the choices that the scene keeps."""
        from PancreasSegPanel.scene.parameters import PancreasSegParameters

        node = super().getParameterNode()
        if self._parameters is None or self._parameters.parameterNode is not node:
            self._parameters = PancreasSegParameters(node)  # Slicer keeps each one until the module is unloaded
        return self._parameters

    def segment(self, volume_node, segmentation_node=None, **options):  # noqa: ANN001, ANN003, ANN201
        """Segment a CT, wait, return the segmentation node; see `PanelLogic.segment`."""
        return self.panel_logic.segment(volume_node, segmentation_node, **options)

    def correct(self, segmentation_node, segment_id=None, volume_node=None):  # noqa: ANN001, ANN201
        """Return the correction of a segment; see ``PancreasSegPanel.correction.session.CorrectionSession``."""
        return self.panel_logic.correct(segmentation_node, segment_id, volume_node)

    def measurement(self, segmentation_node):  # noqa: ANN001, ANN201
        """Return what was measured of the result in a segmentation."""
        return self.panel_logic.measurement(segmentation_node)

    def close(self) -> None:
        """End the worker."""
        self.panel_logic.close()


class PancreasSegTest(ScriptedLoadableModuleTest):
    """Runs inside the application; needs the packages of the panel's Install part."""

    def setUp(self) -> None:
        """Start with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run all tests, as *Reload and Test* does."""
        for name in unittest.TestLoader().getTestCaseNames(type(self)):
            self.setUp()
            getattr(self, name)()

    def test_segment_phantom(self) -> None:
        """A generated CT becomes a segment named Pancreas at the place where it was built in."""
        self._segment_phantom()

    def test_correct_phantom(self) -> None:
        """Mouse events on a slice view change the segment, and undo brings it back."""
        from PancreasSegPanel.setup.self_test_brush import check_brush

        ct, segmentation = self._segment_phantom()
        self.delayDisplay(check_brush(slicer.util.getModuleWidget("PancreasSeg"), ct, segmentation))

    def test_learn_phantom(self) -> None:
        """A copy of the model learns from a confirmed slice, and undo brings the segment back."""
        from PancreasSegLib.packages import EXTRAS
        from PancreasSegPanel.setup.self_test_brush import check_learning

        ct, segmentation = self._segment_phantom(EXTRAS["torch"].packages)
        self.delayDisplay(check_learning(slicer.util.getModuleWidget("PancreasSeg"), ct, segmentation))

    def _segment_phantom(self, more_packages=()) -> tuple:  # noqa: ANN001
        """Return a generated CT and its segmentation; skip where packages are not installed yet."""
        from PancreasSegLib.packages import WORKER, missing
        from PancreasSegPanel.setup.self_test import check_dice, segment_phantom

        lacking = missing((*WORKER, *more_packages))
        if lacking:
            names = ", ".join(package.distribution for package in lacking)
            self.skipTest(f"{names}: not installed (the module's panel installs them)")
        ct, segmentation, phantom = segment_phantom(slicer.util.getModuleLogic("PancreasSeg"))
        dice = check_dice(segmentation, phantom)
        self.delayDisplay(f"The pancreas was found: Dice {dice:.2f} against the phantom's own.")
        return ct, segmentation
