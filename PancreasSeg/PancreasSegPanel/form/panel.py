"""The form as a whole: what runs, what can be clicked, what the status line says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import qt
import slicer

from PancreasSegLib.errors import MissingPackageError, PancreasSegError
from PancreasSegPanel.drawing import slice_views
from PancreasSegPanel.form.batch_section import BatchSection
from PancreasSegPanel.form.choices_section import ChoicesSection
from PancreasSegPanel.form.correct_section import CorrectSection
from PancreasSegPanel.form.dialogs import Dialogs
from PancreasSegPanel.form.forecast_line import ForecastLine
from PancreasSegPanel.form.install_section import InstallSection
from PancreasSegPanel.form.models_section import ModelsSection
from PancreasSegPanel.form.poller import Poller
from PancreasSegPanel.form.results_section import ResultsSection
from PancreasSegPanel.form.review_section import ReviewSection
from PancreasSegPanel.form.training_case_section import TrainingCaseSection
from PancreasSegPanel.logic import PanelLogic
from PancreasSegPanel.messages import result_text, stage_text
from PancreasSegPanel.scene.marks_node import is_marks_node
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.problem import problem_of, sentence_of
from PancreasSegPanel.work.segmentation_run import Job, Run

if TYPE_CHECKING:
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegLib.worker import Request
    from PancreasSegPanel.scene.parameters import PancreasSegParameters

_ = translator(__name__)

TIP = _("Find the pancreas in the CT (Ctrl+Return). The application stays usable meanwhile.")


class Panel:
    """The form.

    Parameters
    ----------
    ui : object
        The form's widgets by name, as ``slicer.util.childWidgetVariables`` gives them.
    root : qMRMLWidget
        The form itself, for shortcuts.
    logic : PanelLogic
        Does the work.
    dialogs : Dialogs, optional
        Asks; tests give another one.
    """

    def __init__(self, ui: Any, root: Any, logic: PanelLogic, dialogs: Dialogs | None = None) -> None:
        self.ui, self.logic = ui, logic
        dialogs = dialogs or Dialogs()
        self._run: Run | None = None
        self._proposal: Request | None = None
        self._asked_devices = False
        self._entered = False
        self.poller = Poller(logic)
        self.choices = ChoicesSection(ui, self._choice_changed)
        self.install = InstallSection(ui, dialogs, self._installed, self.say)
        self.forecast = ForecastLine(ui.forecastLabel, logic.jobs, self._job_to_forecast)
        self.results = ResultsSection(
            ui, logic, dialogs, lambda: self.choices.output, lambda: self.choices.smoothing, self.say
        )
        self.batch = BatchSection(ui, logic, dialogs, self._batch_settings, self._batch_changed, self.say)
        self.models = ModelsSection(ui, logic.jobs, dialogs, self.choices, self.install.prepare_learning, self.say)
        connect(ui.segmentButton, "clicked(bool)", self._segment)
        connect(ui.cancelButton, "clicked(bool)", self._cancel)
        connect(ui.proposeRegionButton, "clicked(bool)", self._propose)
        self._shortcuts = [
            self._shortcut(root, "Ctrl+Return", self._segment),
            self._shortcut(root, "Escape", self._cancel),
        ]
        self.correct = CorrectSection(
            ui,
            root,
            logic,
            lambda: self.choices.ct,
            self._correctable,
            self._model_and_device,
            self.install.prepare_learning,
            self.results.refresh,
            self._tool_taken,
        )
        self.training_case = TrainingCaseSection(
            ui,
            logic,
            dialogs,
            lambda: self.choices.ct,
            lambda: (self.correct.choice.segmentation, self.correct.choice.segment_id),
            self.say,
        )
        self.review = ReviewSection(ui, logic, dialogs, self._scan_opened)
        self._show_progress(None)
        logic.on_result = self.results.refresh  # also of runs that a script has started
        self._choices_seen: tuple[Any, ...] | None = None

    # ------------------------------------------------------------------ the module's life

    def enter(self) -> None:
        """The module is shown: look again at what may have changed outside."""
        self._entered = True
        self.install.refresh()
        self.choices.fill_models()
        self.choices.look_at_ct()
        self._ask_devices()
        self.correct.enter()
        self.refresh()
        self.forecast.renew()

    def exit(self) -> None:
        """The module is left: a run goes on, forecasts do not."""
        self._entered = False
        self.correct.exit()
        self.forecast.stop()

    def bind(self, parameters: PancreasSegParameters | None) -> None:
        """Take the scene's parameter node, or none while there is none."""
        self.choices.bind(parameters)
        self._choices_seen = None
        self.refresh()

    def refresh(self) -> None:
        """The parameter node or the scene has changed."""
        self.choices.refresh()
        seen = self._what_matters()
        if seen != self._choices_seen:
            self._choices_seen = seen
            self.models.refresh()
            self.forecast.renew()
        self.results.refresh()
        self.correct.refresh()
        self.training_case.refresh()
        self.review.refresh()
        self.update()

    def scene_closing(self) -> None:
        """The scene is being closed: all that is under way ends."""
        self.correct.scene_closing()
        self.forecast.stop()
        self.batch.cancel()
        self.review.scene_closing()
        self.logic.scene_closing()
        self._proposal = None
        self.choices.bind(None)
        self.update()

    def node_removed(self, node: Any) -> None:
        """A node left the scene."""
        self.logic.node_removed(node)
        if node.IsA("vtkMRMLSegmentationNode"):
            self.results.refresh()
            self.correct.refresh()
            self.training_case.refresh()
            self.review.refresh()

    def close(self) -> None:
        """The module is unloaded or reloaded: the worker ends, no timer is left."""
        self.forecast.stop()
        self.correct.close()
        self.results.close()
        self.batch.cancel()
        self.models.cancel()
        self.logic.close()
        self.logic.on_result = lambda: None
        self.poller.stop()

    # ------------------------------------------------------------------ what is shown

    @property
    def busy(self) -> bool:
        """Whether something runs that Cancel would stop."""
        return self._run is not None or self._proposal is not None

    def say(self, sentence: str) -> None:
        """Show a sentence in the status line."""
        self.ui.statusLabel.text = sentence

    def update(self) -> None:
        """Enable what can be clicked now, and say why Segment cannot."""
        problem = self.install.obstacle or self.choices.problem()
        installed = not self.install.obstacle
        batch = self.batch.running
        idle = not self.busy and not batch
        ui = self.ui
        ui.segmentButton.enabled = idle and installed and not problem
        ui.proposeRegionButton.enabled = idle and installed and self.choices.check.usable
        ui.cancelButton.enabled = self.busy
        ui.batchLoadedButton.enabled = ui.batchFolderButton.enabled = idle and installed
        ui.batchCancelButton.enabled = batch
        ui.segmentButton.toolTip = problem or TIP
        self.batch.show()

    def _show_progress(self, event: ProgressEvent | None) -> None:
        bar = self.ui.progressBar
        bar.visible = self.busy
        if event is None:
            bar.maximum, bar.value = (0 if self.busy else 100), 0
        else:
            bar.maximum = 100
            bar.value = round(100 * event.fraction)
            self.say(stage_text(event))

    def _what_matters(self) -> tuple[Any, ...]:
        nodes = (self.choices.ct, self.choices.region)
        model = self.choices.model
        job = self.choices.job() if self.choices.ct is not None else None
        ids = tuple(node.GetID() if node is not None else None for node in nodes)
        return (*ids, model.name if model is not None else None, job.device if job is not None else None)

    # ------------------------------------------------------------------ segment, cancel, propose

    def _segment(self, _checked: bool = False) -> None:
        if not self.ui.segmentButton.enabled:
            return
        self.forecast.hold()
        try:
            self._run = self.logic.start(self.choices.job(), self._ended, self._show_progress)
        except Exception as error:
            self._run = None
            self.say(sentence_of(problem_of(error)))
        else:
            self.say(_("Starting…"))
        self._show_progress(None)
        self.update()

    def _ended(self, run: Run) -> None:
        if run is not self._run:
            return
        self._run = None
        self._show_progress(None)
        if run.error is not None:
            self.say(sentence_of(run.error))
        else:
            self._show_result(run)
        self.update()
        self.forecast.resume()

    def _show_result(self, run: Run) -> None:
        if self.choices.ct is run.job.ct:
            self.choices.choose_output(run.segmentation)
        assert run.measurement is not None
        self.results.refresh()
        slice_views.show_ct(slicer.mrmlScene, run.job.ct)
        self.results.jump()
        self.choices.remember_seconds(run.job.model, run.measurement.seconds)
        self.models.refresh()
        self.correct.offer(run.segmentation)
        self.say(result_text(run.measurement))

    def _cancel(self, _checked: bool = False) -> None:
        if self._run is not None:
            self.logic.cancel(self._run)
        if self._proposal is not None:
            self.logic.jobs.cancel(self._proposal)
            self._proposal = None
            self.say(_("Cancelled."))
            self._show_progress(None)
            self.update()

    def _propose(self, _checked: bool = False) -> None:
        ct = self.choices.ct
        if ct is None or self.busy:
            return
        try:
            self._proposal = self.logic.jobs.propose_region(ct, lambda request: self._proposed(ct, request))
        except PancreasSegError as error:
            self.say(sentence_of(error))
            return
        self.say(_("Looking for the abdomen…"))
        self._show_progress(None)
        self.update()

    def _proposed(self, ct: Any, request: Request) -> None:
        if request is not self._proposal:
            return
        self._proposal = None
        self._show_progress(None)
        if request.error is not None:
            self.say(sentence_of(request.error))
        elif ct is not self.choices.ct:
            self.say(_("Another CT was chosen meanwhile; propose again."))
        else:
            self.choices.choose_region(self.logic.show_proposal(ct, request.result, self.choices.region))
            reasons = request.result.get("reasons") or [""]
            share = request.result["volume_fraction"]
            text = _("The region holds {share} of the scan; move its handles to change it.")
            self.say(f"{text.format(share=f'{share:.0%}')} {reasons[0]}".strip())
        self.update()

    # ------------------------------------------------------------------ what the parts ask

    def _choice_changed(self) -> None:
        self.refresh()

    def _job_to_forecast(self) -> Job | None:
        usable = self._entered and not self.install.obstacle and not self.choices.problem() and not self.busy
        return self.choices.job() if usable else None

    def _scan_opened(self, ct: Any, segmentation: Any) -> None:
        self.choices.choose_ct(ct)
        self.choices.choose_output(segmentation)
        self.correct.offer(segmentation)
        self.refresh()

    def _batch_settings(self) -> tuple[str, str, bool]:
        job = self.choices.job()
        return job.model, job.device, job.confidence_map

    def _model_and_device(self) -> tuple[str, str]:
        job = self.choices.job()
        return job.model, job.device

    def _batch_changed(self) -> None:
        self.results.refresh()
        self.update()

    def _installed(self) -> None:
        self.forecast.stop()
        self.logic.close()
        self._asked_devices = False
        self._ask_devices()
        self.update()
        self.forecast.renew()

    def _ask_devices(self) -> None:
        if not self._asked_devices and not self.install.obstacle:
            self._asked_devices = True
            self.logic.jobs.ask_devices(self._devices_known)

    def _devices_known(self, request: Request) -> None:
        if request.error is None and request.result:
            self.choices.fill_devices(request.result)
            return
        self._asked_devices = False
        if isinstance(request.error, MissingPackageError):
            self.install.show_broken(request.error)
            self.forecast.stop()
            self.update()
        elif request.error is not None and not request.cancelled:
            self.say(sentence_of(request.error))

    def _correctable(self) -> list[Any]:
        """Return the chosen segmentation; while none is chosen, those of the scene that lie on the chosen CT."""
        output, ct = self.choices.output, self.choices.ct
        if output is not None:
            return [] if is_marks_node(output) else [output]
        every = slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if ct is not None else []
        return [node for node in every if not is_marks_node(node) and _may_lie_on(node, ct)]

    def _tool_taken(self, in_hand: bool) -> None:
        self._shortcuts[1].enabled = not in_hand  # Escape puts the tool away first

    def _shortcut(self, root: Any, keys: str, slot: Any) -> Any:
        shortcut = qt.QShortcut(qt.QKeySequence(keys), root)
        shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
        connect(shortcut, "activated()", lambda: slot())
        return shortcut


def _may_lie_on(segmentation: Any, ct: Any) -> bool:
    """Whether a segmentation names this CT as its reference, or none."""
    reference = segmentation.GetNodeReferenceID(segmentation.GetReferenceImageGeometryReferenceRole())
    return not reference or reference == ct.GetID()
