"""Ctrl-C as a wish: long work ends at a good place; a second Ctrl-C ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from PancreasSegLib.cli.terminal import verbosity
from PancreasSegLib.progress import CancelToken

_SENTENCE = "Ending at the next good place, so that --resume can go on; Ctrl-C again ends it at once."


@contextlib.contextmanager
def cancelled_by_ctrl_c(sentence: str = _SENTENCE) -> Iterator[CancelToken]:
    """Give a token that the first Ctrl-C (or SIGTERM) sets; the second one raises KeyboardInterrupt as ever.

    The first one is answered by `sentence`. Outside the main thread, where signals cannot be taken, the token is
    nobody's.
    """
    token = CancelToken()
    if threading.current_thread() is not threading.main_thread():
        yield token
        return

    def wish(number: int, frame: FrameType | None) -> None:
        if token.cancelled:
            raise KeyboardInterrupt
        token.cancel()
        if not verbosity.quiet:
            with contextlib.suppress(OSError):
                os.write(
                    2, f"\n{sentence}\n".encode()
                )  # not print: the signal may come inside an import or another print

    taken = {number: signal.signal(number, wish) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield token
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)
