"""The most memory that a piece of work takes."""

from __future__ import annotations

import threading
from types import TracebackType

from PancreasSegLib.inference.memory import current_memory_mb

_EVERY_S = 0.1


class MemoryWatch:
    """Measures while its ``with`` block runs: the GPU's memory on CUDA, else this process's main memory.

    On a GPU it is what torch has allocated at most. In main memory it is the largest resident size, looked at ten
    times a second, all that the process held before included.

    Parameters
    ----------
    device : str
        Where the work is done, ``"cuda:0"`` or anything else.

    Attributes
    ----------
    peak_mb : float
        The peak; complete when the block is left.
    """

    def __init__(self, device: str) -> None:
        self.peak_mb = 0.0
        self._cuda = device if device.startswith("cuda") else ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory watch", daemon=True)

    def __enter__(self) -> MemoryWatch:
        if self._cuda:
            import torch

            torch.cuda.reset_peak_memory_stats(self._cuda)
        else:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._cuda:
            import torch

            self.peak_mb = torch.cuda.max_memory_allocated(self._cuda) / (1 << 20)
        else:
            self._ended.set()
            self._thread.join()

    def _look(self) -> None:
        while True:
            self.peak_mb = max(self.peak_mb, current_memory_mb())
            if self._ended.wait(_EVERY_S):
                return
