"""The line below the tools: what a correction did last, and what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PancreasSegPanel.messages import counted, learning_text

if TYPE_CHECKING:
    from PancreasSegPanel.correction.session import CorrectionSession
    from PancreasSegPanel.correction.step import CorrectionStep
    from PancreasSegPanel.drawing.tools import Tool

NEXT_HINT = "Draw on, or press N for the next doubtful slice."
PAINTED_HINT = "Press S when the slice is right: the slices beside it follow."
FIRST_HINT = "Take a tool: a short line over what is missing or wrong is enough. Ctrl+Z takes a correction back."


def told(session: CorrectionSession, tool: Tool | None) -> str:
    """Return what happened last and what comes next, empty where nothing happened yet.

    Parameters
    ----------
    session : CorrectionSession
    tool : Tool or None
        In hand.
    """
    if session.can_retry:
        return f"{session.sentence} Nothing is lost: Retry asks again."
    if session.error is not None:
        return str(session.sentence)
    if session.learning.under_way:
        return learning_text(session.learning.progress)
    if session.busy:
        return "Correcting…"
    if session.queued:
        return f"{counted(session.queued, 'mark')} recorded; Update (Ctrl+U) corrects by all of them."
    if session.has_preview:
        return f"{session.sentence} Accept (A) or reject (R) what is outlined in yellow."
    last = session.last
    if last is None or session.sentence != last.sentence:
        return session.sentence
    return f"{session.sentence} {_hint(last, tool)}"


def advice(tool: Tool | None, has_segment: bool) -> str:
    """Return what can be done while nothing has happened yet."""
    if tool is not None:
        return tool.hint
    return FIRST_HINT if has_segment else ""


def _hint(last: CorrectionStep, tool: Tool | None) -> str:
    by_hand = tool is not None and tool.kind == "region" and not (last.slice_at or last.learnt)
    return PAINTED_HINT if by_hand else NEXT_HINT
