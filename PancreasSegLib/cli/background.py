"""Work begun early, in a thread beside the main one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Background(Generic[Result]):
    """Start a function at once in a daemon thread and hand out its result when asked.

    The main thread stays free for Ctrl-C: waiting can be interrupted, and the process may end before the work.

    Examples
    --------
    >>> Background(lambda: 6 * 7).result()
    42
    """

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._result: Result
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="pancreasseg-background")
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:
            self._error = error

    def result(self) -> Result:
        """Wait for the work and return its result, or raise what it raised."""
        while self._thread.is_alive():
            self._thread.join(0.1)  # a join without a limit can't be interrupted on Windows
        if self._error is not None:
            raise self._error
        return self._result


def any_running() -> bool:
    """Whether background work is still under way."""
    return any(thread.name == "pancreasseg-background" for thread in threading.enumerate())
