"""The models that a worker keeps loaded."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PancreasSegLib.inference import Segmenter

_log = logging.getLogger(__name__)

_KEPT = 2
_STAMPED = ("configs/metadata.json", "SHA256SUMS")


class WarmModels:
    """Loads a model on a device once, and keeps the two that were used last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], Segmenter] = OrderedDict()

    def find(self, model: str, device: str) -> Segmenter | None:
        """Return a model that is loaded already, and has not changed on disk since; else None.

        Raises
        ------
        ModelPackageError
            If there is no such model.
        """
        key = self._key(model, device)
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def load(self, model: str, device: str, on_step: Callable[[str, float], None]) -> Segmenter:
        """Load a model.

        Parameters
        ----------
        model : str
            Its name or folder.
        device : str
            As for :meth:`Segmenter.load`.
        on_step : callable
            Receives what is done next and the share that is done; may raise to stop.

        Raises
        ------
        ModelPackageError, DeviceError
            As :meth:`Segmenter.load`.
        """
        key = self._key(model, device)
        on_step("starting PyTorch", 0.0)
        import torch  # noqa: F401

        on_step("loading the model", 0.6)
        from PancreasSegLib.inference import Segmenter

        while len(self._kept) >= _KEPT:
            _log.info("forgetting the model %s", self._kept.popitem(last=False)[0][0])
        self._kept[key] = Segmenter.load(model, device)
        on_step("the model is loaded", 1.0)
        return self._kept[key]

    @staticmethod
    def _key(model: str, device: str) -> tuple[Any, ...]:
        from PancreasSegLib.models import find_package

        folder = find_package(model).path
        stamps = [_stamp(folder / name) for name in _STAMPED]
        return str(folder), device, *stamps


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
