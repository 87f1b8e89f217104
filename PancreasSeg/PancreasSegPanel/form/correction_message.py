"""The line below the tools: what a correction did last, and what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PancreasSegPanel.messages import learning_text
from PancreasSegPanel.translation import translator

if TYPE_CHECKING:
    from PancreasSegPanel.correction.session import CorrectionSession
    from PancreasSegPanel.drawing.tools import Tool

_ = translator(__name__)

NEXT_HINT = _("Draw on, or press N for the next doubtful slice.")
FIRST_HINT = _(
    "Take a tool: a short line over what is missing or wrong is enough. Ctrl+Z takes a correction back."
)
EDITING_HINT = _(
    "Mend the slice with the Segment Editor, then press S to confirm it: the slices beside it follow."
)
RETRY_HINT = _("Nothing is lost: Retry asks again.")
PREVIEW_HINT = _("Accept (A) or reject (R) what is outlined in yellow.")
WAITING = _("Marks recorded: {count}. Update (Ctrl+U) corrects by all of them.")


def describe(session: CorrectionSession) -> str:
    """Return what happened last and what comes next, empty where nothing happened yet."""
    if session.can_retry:
        return f"{session.sentence} {RETRY_HINT}"
    if session.error is not None:
        return str(session.sentence)
    if session.learning.under_way:
        return learning_text(session.learning.progress)
    if session.busy:
        return _("Correcting…")
    if session.queued:
        return WAITING.format(count=session.queued)
    if session.has_preview:
        return f"{session.sentence} {PREVIEW_HINT}"
    last = session.last
    if last is None or session.sentence != last.sentence:
        return session.sentence
    return f"{session.sentence} {NEXT_HINT}"


def advise(tool: Tool | None, editing: bool, has_segment: bool) -> str:
    """Return what can be done now.

    Parameters
    ----------
    tool : Tool or None
        In hand.
    editing : bool
        Whether an effect of the Segment Editor is.
    has_segment : bool
        Whether there is a segment to correct.
    """
    if tool is not None:
        return tool.hint
    if editing:
        return EDITING_HINT
    return FIRST_HINT if has_segment else ""
