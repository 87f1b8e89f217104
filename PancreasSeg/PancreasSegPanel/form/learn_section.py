"""The button and the key that let a copy of the model learn this patient from the marks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator

if TYPE_CHECKING:
    from PancreasSegPanel.correction.session import CorrectionSession

_ = translator(__name__)

LEARN, CANCEL = _("Learn from marks"), _("Cancel learning")


class LearnSection:
    """Begins to learn with the chosen model, and gives it up.

    Parameters
    ----------
    button : QPushButton
        Of the form.
    do : callable
        Does something with the session of the chosen segment, and says what cannot be done.
    choice : callable
        Returns the chosen model and device.
    may_learn : callable
        Returns whether a model can learn here, after it has offered to install what is missing.
    """

    def __init__(
        self,
        button: Any,
        do: Callable[[Callable[[CorrectionSession], Any]], None],
        choice: Callable[[], tuple[str, str]],
        may_learn: Callable[[], bool],
    ) -> None:
        self._button, self._do, self._choice, self._may_learn = button, do, choice, may_learn
        connect(button, "clicked(bool)", self._clicked)

    def start(self) -> None:
        """Learn from the marks; a key that is pressed again gives nothing up."""
        self._do(self._start)

    def retry(self, session: CorrectionSession) -> None:
        """Ask again for what could not be applied, and learn with the model that is chosen by now."""
        session.learning.model, session.learning.device = self._choice()
        session.retry()

    def show(self, session: CorrectionSession | None, marked: bool) -> None:
        """Say what a click does now.

        Parameters
        ----------
        session : CorrectionSession or None
            Of the chosen segment, None before it has begun.
        marked : bool
            Whether there are marks to learn from.
        """
        wanted = session is not None and session.learning.wanted
        self._button.text = CANCEL if wanted else LEARN
        self._button.enabled = wanted or marked

    def _clicked(self, _checked: bool = False) -> None:
        self._do(self._start_or_cancel)

    def _start_or_cancel(self, session: CorrectionSession) -> None:
        if session.learning.wanted:
            session.cancel_learning()
        else:
            self._start(session)

    def _start(self, session: CorrectionSession) -> None:
        if not session.learning.wanted and self._may_learn():
            session.learning.model, session.learning.device = self._choice()
            session.learn()
