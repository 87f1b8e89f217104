"""The upper part of the form: CT, output, model, device, region."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import qt
import slicer

from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.models.registry import DEFAULT
from PancreasSegPanel.batch.scene_task import segmentation_of
from PancreasSegPanel.form.model_list import ModelChoice, model_choices
from PancreasSegPanel.scene.ct_node import CTCheck, check_node
from PancreasSegPanel.scene.marks_node import is_marks_node
from PancreasSegPanel.scene.region_node import CT_ROLE
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.segmentation_run import Job

if TYPE_CHECKING:
    from PancreasSegPanel.scene.parameters import PancreasSegParameters

_ = translator(__name__)

FIRST_DEVICES = ({"name": "auto", "label": _("Automatic")}, {"name": "cpu", "label": "CPU"})
NO_CT = _("Choose a CT.")
SECONDS_KEY = "PancreasSeg/Seconds/"
"""Settings that remember, by model, how long its last run took on this computer."""
_NO_CT = CTCheck("", False)


class ChoicesSection:
    """Keeps the choices, the parameter node and the lists in step.

    Parameters
    ----------
    ui : object
        The form's widgets by name.
    on_change : callable
        Called when a choice that matters for a run has changed.
    """

    def __init__(self, ui: Any, on_change: Callable[[], None]) -> None:
        self._ui = ui
        self._on_change = on_change
        self._parameters: PancreasSegParameters | None = None
        self._ct_id: str | None = None
        self._filling = False
        self.models: list[ModelChoice] = []
        self.check = _NO_CT
        connect(ui.modelComboBox, "currentIndexChanged(int)", self._model_chosen)
        connect(ui.deviceComboBox, "currentIndexChanged(int)", self._device_chosen)
        self.fill_devices(FIRST_DEVICES)

    @property
    def ct(self) -> Any | None:
        """The chosen CT."""
        return self._parameters.inputVolume if self._parameters is not None else None

    @property
    def output(self) -> Any | None:
        """The chosen segmentation."""
        return self._parameters.outputSegmentation if self._parameters is not None else None

    @property
    def region(self) -> Any | None:
        """The chosen region."""
        return self._parameters.region if self._parameters is not None else None

    @property
    def model(self) -> ModelChoice | None:
        """The chosen model, None if the scene names one that is not here."""
        name = self._parameters.model if self._parameters is not None else DEFAULT
        return next((choice for choice in self.models if choice.name == name), None)

    @property
    def smoothing(self) -> float:
        """The chosen smoothing."""
        return float(self._parameters.smoothing) if self._parameters is not None else 0.5

    def job(self) -> Job:
        """Return what a click on Segment means now."""
        p = self._parameters
        assert p is not None
        return Job(p.inputVolume, p.outputSegmentation, p.model, p.device, p.region, bool(p.confidenceMap))

    def problem(self) -> str:
        """Return why nothing can be segmented, empty if all is well."""
        if self.ct is None:
            return NO_CT
        if not self.check.usable:
            return self.check.sentence
        if self.output is not None and is_marks_node(self.output):
            text = _("{name} holds marks of a correction. Choose another output.")
            return text.format(name=self.output.GetName())
        model = self.model
        if model is None:
            name = self._parameters.model if self._parameters is not None else ""
            return _("The model {name} is not on this computer. Choose another one.").format(name=name)
        if model.usable:
            return ""
        return _("The model {name} cannot be used: {reason}").format(name=model.name, reason=model.details)

    def choose_ct(self, node: Any) -> None:
        """Choose a CT."""
        if self._parameters is not None:
            self._parameters.inputVolume = node

    def choose_output(self, node: Any | None) -> None:
        """Choose a segmentation."""
        if self._parameters is not None:
            self._parameters.outputSegmentation = node

    def choose_region(self, node: Any | None) -> None:
        """Choose a region."""
        if self._parameters is not None:
            self._parameters.region = node

    def choose_model(self, name: str) -> None:
        """Choose a model of the list."""
        if self._parameters is not None:
            self._parameters.model = name

    def bind(self, parameters: PancreasSegParameters | None) -> None:
        """Take another parameter node (None while a scene is closed)."""
        self._parameters = parameters
        self._ct_id = None
        self.refresh()

    def refresh(self) -> None:
        """Show what the parameter node holds, and look at the CT if it is another one."""
        if not self.models:
            self.fill_models()
        ct = self.ct
        ct_id = ct.GetID() if ct is not None else None
        if ct_id != self._ct_id:
            former, self._ct_id = self._ct_id, ct_id
            self.look_at_ct()
            if former is not None and ct is not None:
                self._follow_ct(ct)
        self._show_choice(self._ui.modelComboBox, self._parameters.model if self._parameters else DEFAULT)
        self._show_choice(self._ui.deviceComboBox, self._parameters.device if self._parameters else "auto")

    def look_at_ct(self) -> None:
        """Say whether the chosen volume is a CT."""
        ct = self.ct
        self.check = check_node(ct) if ct is not None else _NO_CT
        self._ui.inputCheckLabel.text = self.check.sentence
        self._ui.inputCheckLabel.visible = bool(self.check.sentence)

    def fill_models(self) -> None:
        """List the models anew."""
        try:
            self.models = model_choices(_last_seconds)
        except PancreasSegError as error:
            self.models = []
            self._ui.modelLabel.text = str(error)
        pairs = [{"name": m.name, "label": m.text, "tip": m.details} for m in self.models]
        self._fill(self._ui.modelComboBox, pairs, self._parameters.model if self._parameters else DEFAULT)

    def remember_seconds(self, name: str, seconds: float) -> None:
        """Remember how long a model's run took on this computer, and list it so."""
        slicer.app.userSettings().setValue(SECONDS_KEY + name, f"{seconds:.1f}")
        self.fill_models()

    def fill_devices(self, devices: Sequence[dict[str, str]]) -> None:
        """List the devices."""
        entries = [{"name": d["name"], "label": short_device(d["label"]), "tip": d["label"]} for d in devices]
        self._fill(self._ui.deviceComboBox, entries, self._parameters.device if self._parameters else "auto")

    def _fill(self, combo: Any, entries: Sequence[dict[str, str]], chosen: str) -> None:
        self._filling = True
        combo.clear()
        for number, entry in enumerate(entries):
            combo.addItem(entry["label"], entry["name"])
            combo.setItemData(number, entry.get("tip", entry["label"]), qt.Qt.ToolTipRole)
        self._filling = False
        self._show_choice(combo, chosen)

    def _show_choice(self, combo: Any, name: str) -> None:
        for number in range(combo.count):
            if combo.itemData(number) == name:
                if combo.currentIndex != number:
                    self._filling = True
                    combo.currentIndex = number
                    self._filling = False
                return
        if combo.count and name:  # a scene from another computer: shown as it is, never replaced in silence
            self._filling = True
            combo.addItem(_("{name} (not here)").format(name=name), name)
            combo.currentIndex = combo.count - 1
            self._filling = False

    def _model_chosen(self, number: int) -> None:
        if not self._filling and self._parameters is not None and number >= 0:
            self._parameters.model = self._ui.modelComboBox.itemData(number)
            self._on_change()

    def _device_chosen(self, number: int) -> None:
        if not self._filling and self._parameters is not None and number >= 0:
            self._parameters.device = self._ui.deviceComboBox.itemData(number)
            self._on_change()

    def _follow_ct(self, ct: Any) -> None:
        """Another CT was chosen: take its own segmentation and region, or none, never those of the former CT."""
        output = self.output
        if (
            output is None
            or output.GetNodeReferenceID(output.GetReferenceImageGeometryReferenceRole()) != ct.GetID()
        ):
            self.choose_output(segmentation_of(slicer.mrmlScene, ct))
        region = self.region
        if region is not None and region.GetNodeReferenceID(CT_ROLE) not in ("", None, ct.GetID()):
            self.choose_region(_region_of(slicer.mrmlScene, ct))


def _last_seconds(name: str) -> float:
    return float(slicer.app.userSettings().value(SECONDS_KEY + name) or 0.0)


def short_device(label: str) -> str:
    """Return a device's label without the processor's name, so that the free memory is seen in a narrow panel.

    Examples
    --------
    >>> short_device("Automatic (CPU, 2 cores of Some(R) Processor, 6.1 GB free)")
    'Automatic (CPU, 2 cores, 6.1 GB free)'
    """
    return re.sub(r"(cores?) of .*?(?=, [\d.]+ GB free)", r"\1", label)


def _region_of(scene: Any, ct: Any) -> Any | None:
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLMarkupsROINode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLMarkupsROINode")
        if node.GetNodeReferenceID(CT_ROLE) == ct.GetID():
            return node
    return None
