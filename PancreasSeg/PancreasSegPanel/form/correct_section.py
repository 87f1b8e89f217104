"""The Correct part of the form: tools, brush, what a correction did, undo, doubtful slices."""

from __future__ import annotations

from collections.abc import Callable
from operator import methodcaller
from typing import TYPE_CHECKING, Any

import slicer

from PancreasSegLib.errors import PancreasSegError
from PancreasSegPanel.drawing.active_tool import ActiveTool
from PancreasSegPanel.drawing.slice_brush import WHEEL_STEP, Stroke
from PancreasSegPanel.drawing.tools import TOOLS, Tool
from PancreasSegPanel.form.confirm_slice_section import ConfirmSliceSection
from PancreasSegPanel.form.correction_message import advise, describe
from PancreasSegPanel.form.doubtful_slices_section import DoubtfulSlicesSection
from PancreasSegPanel.form.embedded_editor import EmbeddedEditor
from PancreasSegPanel.form.learn_section import LearnSection
from PancreasSegPanel.form.segment_selector import SegmentSelector
from PancreasSegPanel.form.shortcuts import Shortcuts
from PancreasSegPanel.scene.marks_node import find_marks_node
from PancreasSegPanel.scene.pancreas_segment import find_own_segment
from PancreasSegPanel.scene.patient_axes import lps_from_ras
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.problem import problem_of, sentence_of

if TYPE_CHECKING:
    from PancreasSegPanel.correction.session import CorrectionSession
    from PancreasSegPanel.logic import PanelLogic

_ = translator(__name__)


class CorrectSection:
    """Turns what is drawn and clicked into corrections of the chosen segment.

    Parameters
    ----------
    ui : object
        The form's widgets by name.
    root : QWidget
        The form.
    logic : PanelLogic
        Gives the sessions.
    ct : callable
        Returns the chosen CT.
    segmentations : callable
        Returns the segmentations whose segments can be corrected.
    model_and_device : callable
        Returns what is chosen to learn with.
    may_learn : callable
        Returns whether a model can learn here, after it has offered to install what is missing.
    on_written : callable
        Called when a segment was changed by a correction.
    on_tool : callable
        Called with whether a tool is in hand.
    """

    def __init__(
        self,
        ui: Any,
        root: Any,
        logic: PanelLogic,
        ct: Callable[[], Any | None],
        segmentations: Callable[[], list[Any]],
        model_and_device: Callable[[], tuple[str, str]],
        may_learn: Callable[[], bool],
        on_written: Callable[[], None],
        on_tool: Callable[[bool], None],
    ) -> None:
        self._ui, self._logic, self._ct, self._segmentations = ui, logic, ct, segmentations
        self._on_written, self._on_tool = on_written, on_tool
        self._entered = False
        self._known: CorrectionSession | None = None
        self._observed: tuple[Any, int] | None = None
        self._problem = ""
        self._seen_step: Any = None
        self.active_tool = ActiveTool(ui, self._may_take, self._drawn, self._clicked, self._tool_changed)
        self.choice = SegmentSelector(ui.correctSegmentSelector, self._segment_chosen)
        self.doubt = DoubtfulSlicesSection(ui.nextDoubtButton, ui.doubtLabel, self._session_or_none)
        self.confirm = ConfirmSliceSection(ui.confirmSliceButton, self._do, lambda: self.active_tool.brush.drawing)
        self.learn = LearnSection(ui.learnButton, self._do, model_and_device, may_learn)
        self.editor = EmbeddedEditor(ui.segmentEditorCollapsibleButton, ui.segmentEditorLabel, self._editor_taken)
        self.shortcuts = self._make_shortcuts(root)
        self._connect()
        self.update()

    def _connect(self) -> None:
        ui = self._ui
        connect(ui.autoUpdateCheckBox, "toggled(bool)", self._mode_changed)
        connect(ui.previewCheckBox, "toggled(bool)", self._mode_changed)
        connect(ui.correctCollapsibleButton, "contentsCollapsed(bool)", self._collapsed)
        for button, act in (
            (ui.updateButton, self.apply),
            (ui.acceptButton, lambda: self._act("accept")),
            (ui.rejectButton, lambda: self._act("reject")),
            (ui.undoCorrectionButton, self.undo),
            (ui.redoCorrectionButton, self.redo),
            (ui.smoothButton, lambda: self._act("smooth")),
            (ui.clearMarksButton, lambda: self._act("clear_marks")),
            (ui.paintButton, self.editor.paint),
        ):
            connect(button, "clicked(bool)", lambda _checked=False, act=act: act())

    def _make_shortcuts(self, root: Any) -> Shortcuts:
        tool = self.active_tool
        actions: dict[str, Callable[[], None]] = {
            "Ctrl+Z": self.undo,
            "Z": self.undo,
            "Ctrl+Y": self.redo,
            "Y": self.redo,
            "Ctrl+U": self.apply,
            "N": self.doubt.next,
            "5": self._paint,
            "S": self.confirm.confirm,
            "L": self.learn.start,
            "+": lambda: tool.resize(WHEEL_STEP),
            "-": lambda: tool.resize(1 / WHEEL_STEP),
            "A": lambda: self._act("accept"),
            "R": lambda: self._act("reject"),
            "Escape": tool.escape,
        }
        for each in TOOLS:
            actions[each.key] = lambda each=each: tool.switch(each)  # type: ignore[misc]
        wanted: dict[str, Callable[[], bool]] = {
            "A": self._has_preview,
            "R": self._has_preview,
            "Escape": lambda: tool.tool is not None,
            "+": lambda: tool.brush.on,
            "-": lambda: tool.brush.on,
        }
        return Shortcuts(root, actions, wanted)

    # ------------------------------------------------------------------ the module's life

    def enter(self) -> None:
        """The module is shown."""
        self._entered = True
        self.editor.enter()
        self.refresh()
        if self._known is not None:  # it may have been edited in another module
            self._do(lambda session: session.notice())

    def exit(self) -> None:
        """The module is left: tools and keys are given back; corrections under way go on."""
        self.active_tool.put_away()
        self._entered = False
        self.shortcuts.remove()
        self.confirm.watch(False)
        self.editor.exit()

    def scene_closing(self) -> None:
        """The scene goes: what is being drawn is dropped."""
        self.active_tool.drop()
        self._leave_session()
        self.choice.fill([])
        self.editor.scene_closing()
        self.doubt.start_over()
        self._problem = ""
        self.update()

    def close(self) -> None:
        """The module is unloaded."""
        self.active_tool.drop()
        self.exit()
        self._leave_session()
        self.choice.close()
        self.editor.close()

    def offer(self, segmentation: Any) -> None:
        """A result was written: open the section on it."""
        self.refresh()
        segment_id = find_own_segment(segmentation, "pancreas")
        if segment_id is not None:
            self.choice.choose(segmentation, segment_id)
        self._ui.correctCollapsibleButton.collapsed = False
        self.doubt.start_over()
        self._problem = ""
        self.update()

    def refresh(self) -> None:
        """The choices or the scene have changed."""
        if not slicer.mrmlScene.IsClosing():
            self.choice.fill(self._segmentations())
        known = self._known
        if known is not None and (known.ct is not self._ct() or known.ended):
            self._leave_session()
        self._aim_editor()
        self.update()

    # ------------------------------------------------------------------ the session

    def session(self) -> CorrectionSession:
        """Return the session of the chosen segment, begun now if need be.

        Raises
        ------
        PancreasSegError
            If nothing is chosen, or what is chosen cannot be corrected.
        """
        if self._known is not None and self._known.ended:
            self._leave_session()
        if self._known is None:
            segmentation, segment_id, ct = self.choice.segmentation, self.choice.segment_id, self._ct()
            if ct is None:
                raise PancreasSegError(_("There is no CT to correct on."), _("Choose the CT under Inputs."))
            if segmentation is None or segment_id is None:
                raise PancreasSegError(
                    _("There is no segment to correct."), _("Segment first, or choose an output.")
                )
            session = self._logic.correct(segmentation, segment_id, ct)
            session.auto_update = bool(self._ui.autoUpdateCheckBox.checked)
            session.preview = bool(self._ui.previewCheckBox.checked)
            session.on_change.append(self._session_changed)
            self._known, self._seen_step = session, session.last
            event = slicer.vtkSegmentation.SourceRepresentationModified
            self._observed = (segmentation, segmentation.AddObserver(event, self._edited))
        return self._known

    def _session_or_none(self) -> CorrectionSession | None:
        try:
            return self.session()
        except Exception as error:  # PythonQt only prints what leaves a slot
            self._complain(error)
            return None

    def _leave_session(self) -> None:
        known, self._known = self._known, None
        observed, self._observed = self._observed, None
        if observed is not None:
            observed[0].RemoveObserver(observed[1])
        if known is not None and self._session_changed in known.on_change:
            known.on_change.remove(self._session_changed)

    def _do(self, act: Callable[[CorrectionSession], Any]) -> None:
        """Do something with the session; what cannot be done is said."""
        self._problem = ""
        try:
            act(self.session())
        except Exception as error:
            self._complain(error)
        self.update()

    def _complain(self, error: BaseException) -> None:
        self._problem = sentence_of(problem_of(error))
        self._show_status()

    def _segment_chosen(self) -> None:
        self._leave_session()
        self.doubt.start_over()
        self._problem = ""
        self._aim_editor()
        self.update()

    def _session_changed(self) -> None:
        known = self._known
        if known is not None and known.last is not self._seen_step:
            self._seen_step = known.last
            self._on_written()
        if known is not None and known.ended:
            self._problem = known.ended
            self._leave_session()
        self.update()

    # ------------------------------------------------------------------ what was drawn

    def _may_take(self, tool: Tool) -> bool:
        session = self._session_or_none()
        if session is None:
            return False
        self.editor.drop_effect()
        self._do(lambda session: session.prepare())
        return True

    def _tool_changed(self) -> None:
        self._problem = ""
        self._on_tool(self.active_tool.tool is not None)
        self.update()

    def _drawn(self, stroke: Stroke, tool: Tool) -> None:
        def record(session: CorrectionSession) -> None:
            from PancreasSegLib.refine import Mark

            sphere = bool(self._ui.sphereBrushCheckBox.checked)
            mark = Mark.stroke(
                lps_from_ras(stroke.points_ras),
                session.geometry,
                include=tool.include,
                radius_mm=self.active_tool.brush.radius_mm,
                normal_lps=None if sphere else lps_from_ras(stroke.normal_ras),
            )
            session.add([mark])

        self._do(record)

    def _clicked(self, position_ras: Any, tool: Tool) -> None:
        def record(session: CorrectionSession) -> None:
            from PancreasSegLib.refine import Mark

            session.add([Mark.point(lps_from_ras(position_ras), session.geometry, include=tool.include)])

        self._do(record)

    # ------------------------------------------------------------------ the Segment Editor

    def _paint(self) -> None:
        if self._ui.paintButton.enabled:
            self.editor.paint()

    def _editor_taken(self) -> None:
        """One of its effects was taken: it has the mouse, and its edits are steps here."""
        self.active_tool.put_away()
        self._do(lambda session: session.prepare())

    def _edited(self, _caller: Any, _event: str) -> None:
        if self._known is not None and self.editor.active:
            self._do(lambda session: session.notice())

    def _aim_editor(self) -> None:
        self.editor.edit(self.choice.segmentation, self.choice.segment_id, self._ct())

    # ------------------------------------------------------------------ what the buttons do

    def apply(self) -> None:
        """Correct by what waits; after a failure, ask again."""
        self._do(lambda session: self.learn.retry(session) if session.can_retry else session.apply())

    def undo(self) -> None:
        """Take the last step back."""
        if self._known is not None and self._known.can_undo:
            self._act("undo")
            self._on_written()

    def redo(self) -> None:
        """Do a step again."""
        if self._known is not None and self._known.can_redo:
            self._act("redo")
            self._on_written()

    def _act(self, name: str) -> None:
        """Let the session do what needs nothing else, by the method's name."""
        self._do(methodcaller(name))
        self.active_tool.renew_points()

    def _mode_changed(self, _on: bool) -> None:
        if self._known is not None:
            self._known.auto_update = bool(self._ui.autoUpdateCheckBox.checked)
            self._known.preview = bool(self._ui.previewCheckBox.checked)
        self.update()

    def _collapsed(self, collapsed: bool) -> None:
        if collapsed:
            self.active_tool.put_away()
        self.update()

    # ------------------------------------------------------------------ what is shown

    def _has_preview(self) -> bool:
        return self._known is not None and bool(self._known.has_preview)

    def _has_marks(self) -> bool:
        """Whether something is marked on the chosen segment, be it in a scene that was opened just now."""
        if self._known is not None:
            return self._known.learning.possible
        segmentation, segment_id, ct = self.choice.segmentation, self.choice.segment_id, self._ct()
        return None not in (segmentation, ct) and find_marks_node(segmentation, segment_id, ct) is not None

    def update(self) -> None:
        """Enable what can be clicked now, and say what happened."""
        ui, known = self._ui, self._known
        usable = self.choice.segment_id is not None and self._ct() is not None
        self.active_tool.enable(usable)
        for button in (ui.smoothButton, ui.nextDoubtButton, ui.confirmSliceButton, ui.paintButton):
            button.enabled = usable
        self.learn.show(known, usable and self._has_marks())
        waiting = known is not None and bool(known.queued) and not known.busy
        failed = known is not None and known.can_retry
        ui.updateButton.enabled = waiting or failed
        ui.updateButton.text = _("Retry") if failed else _("Update")
        ui.acceptButton.visible = ui.rejectButton.visible = self._has_preview()
        ui.undoCorrectionButton.enabled = known is not None and bool(known.can_undo)
        ui.redoCorrectionButton.enabled = known is not None and bool(known.can_redo)
        ui.clearMarksButton.enabled = known is not None and known.marks_node is not None
        in_use = self._entered and usable and not ui.correctCollapsibleButton.collapsed
        self.confirm.watch(in_use)
        if in_use:
            self.shortcuts.install()
            self.shortcuts.update()
        else:
            self.shortcuts.remove()
        self._show_status()

    def _show_status(self) -> None:
        happened = self._problem or (describe(self._known) if self._known is not None else "")
        has_segment = self.choice.segment_id is not None
        advice = advise(self.active_tool.tool, self.editor.active, has_segment)
        self._ui.correctionStatusLabel.text = happened or advice
