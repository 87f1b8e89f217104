"""One segment under correction, without any Qt: the form and scripts call the same methods.

A script::

    session = logic.correct(segmentation, "Pancreas", ct)
    stroke = Mark.stroke(points_lps, session.geometry, include=True, radius_mm=3)
    session.add([stroke])
    session.wait()                                    # until the segment shows it
    session.undo()                                    # exact to the voxel
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from PancreasSegPanel.correction_step import CorrectionStep, DoubtfulPlace

if TYPE_CHECKING:
    from PancreasSegLib.errors import PancreasSegError
    from PancreasSegLib.refine import Mark
    from PancreasSegLib.volume import Geometry

OnStep = Callable[[CorrectionStep], None]


class CorrectionSession:
    """The correction of one segment on one CT; :meth:`PanelLogic.correct` gives it.

    The session owns what was marked and knows the segment as it left it; the worker only computes. So nothing is
    lost when the worker dies: what was recorded is sent again to the next one.

    Nothing here blocks but :meth:`wait`. Methods that write raise a :class:`PancreasSegError` with a sentence when
    the session has ended or the mark cannot be used.

    Attributes
    ----------
    segmentation, segment_id, ct
        What is corrected, and on which CT.
    auto_update : bool
        Whether :meth:`add` corrects at once; else strokes wait for :meth:`apply`.
    preview : bool
        Whether a correction is shown as the segment Preview until :meth:`accept` or :meth:`reject`.
    on_change : list of callable
        Called without arguments after anything that the form shows has changed: a stroke recorded, an answer, an
        undo, an error, the end of the session.
    ended : str
        Why the session has ended, empty while it lives.
    error : PancreasSegError or None
        Why recorded strokes could not be applied; :meth:`retry` sends them again.
    last : CorrectionStep or None
        What the last correction did.
    """

    segmentation: Any
    segment_id: str
    ct: Any
    auto_update: bool
    preview: bool
    on_change: list[Callable[[], None]]
    ended: str
    error: PancreasSegError | None
    last: CorrectionStep | None

    # ------------------------------------------------------------------ what is shown

    @property
    def geometry(self) -> Geometry:
        """The CT's grid in the world, LPS: what :meth:`Mark.stroke` wants."""
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        raise NotImplementedError

    @property
    def queued(self) -> int:
        """How many strokes are recorded and not applied yet."""
        raise NotImplementedError

    @property
    def has_preview(self) -> bool:
        """Whether a correction waits for :meth:`accept` or :meth:`reject`."""
        raise NotImplementedError

    @property
    def can_undo(self) -> bool:
        """Whether there is a step, or a stroke that is not applied yet, to take back."""
        raise NotImplementedError

    @property
    def can_redo(self) -> bool:
        """Whether a step can be done again."""
        raise NotImplementedError

    @property
    def sentence(self) -> str:
        """What happened last, for the status line."""
        raise NotImplementedError

    @property
    def marks_node(self) -> Any:
        """The vtkMRMLSegmentationNode with the segments Include, Exclude and Preview; None before the first mark."""
        raise NotImplementedError

    # ------------------------------------------------------------------ marks

    def prepare(self) -> None:
        """Let the worker start and take the CT, so that the first stroke is answered quickly; returns at once."""
        raise NotImplementedError

    def add(self, marks: Sequence[Mark], on_done: OnStep | None = None) -> None:
        """Record marks that were made together: one correction, one step of undo.

        They are seen in the marks node at once, and sent to the worker if ``auto_update`` is on.

        Parameters
        ----------
        marks : sequence of Mark
            On this session's CT.
        on_done : callable, optional
            Receives the :class:`CorrectionStep` once the segment (or the preview) shows it.

        Raises
        ------
        MarkError
            If a mark does not lie on the CT; nothing was recorded.
        """
        raise NotImplementedError

    def apply(self) -> None:
        """Correct by all strokes that wait, together, as one step."""
        raise NotImplementedError

    def retry(self) -> None:
        """Send again what could not be applied."""
        raise NotImplementedError

    def erase_marks(self, mark: Mark) -> None:
        """Forget what was marked inside a mark; the segment stays as it is. One step."""
        raise NotImplementedError

    def clear_marks(self) -> None:
        """Forget all marks, those that wait too; the segment stays as it is. One step."""
        raise NotImplementedError

    # ------------------------------------------------------------------ plain editing

    def direct(self, mark: Mark, hu_range: tuple[float, float] | None = None) -> CorrectionStep | None:
        """Paint (``mark.include``) or erase exactly the mark's voxels, at once and without the worker. One step.

        Parameters
        ----------
        mark : Mark
            Of any kind; its voxels are meant as they are.
        hu_range : tuple of 2 float, optional
            Only voxels whose HU lie in this closed range change.

        Returns
        -------
        CorrectionStep or None
            None if there was nothing to change.
        """
        raise NotImplementedError

    def smooth(self, within: Mark | None = None, radius_mm: float = 1.5) -> None:
        """Smooth the segment, or its part under a mark; what was marked stays. One step.

        It is computed in the background, in turn with the strokes.
        """
        raise NotImplementedError

    # ------------------------------------------------------------------ preview, undo

    def accept(self) -> CorrectionStep | None:
        """Write the previewed correction into the segment, as one step."""
        raise NotImplementedError

    def reject(self) -> None:
        """Drop the previewed correction and its marks."""
        raise NotImplementedError

    def undo(self) -> bool:
        """Take the last step back, to the voxel, marks included; a stroke that is not applied yet goes first.

        Voxels that were changed by other means since keep what the user gave them.
        """
        raise NotImplementedError

    def redo(self) -> bool:
        """Do again what was undone last."""
        raise NotImplementedError

    # ------------------------------------------------------------------ doubt, waiting

    def doubtful_slices(self) -> list[DoubtfulPlace]:
        """Return where the network is in doubt, most doubtful first, without what was marked already.

        Empty where no probability is known (a segment that the model did not make, a reopened scene).
        """
        raise NotImplementedError

    def wait(self) -> CorrectionStep | None:
        """Wait until nothing is awaited; for scripts. The application stays alive meanwhile.

        Returns
        -------
        CorrectionStep or None
            The last step.

        Raises
        ------
        PancreasSegError
            Why the strokes could not be applied; they stay recorded.
        """
        raise NotImplementedError
