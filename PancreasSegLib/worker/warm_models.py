"""The models that a worker keeps loaded."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PancreasSegLib.inference import Segmenter

_log = logging.getLogger(__name__)

_KEPT = 2
_STAMPED = ("configs/metadata.json", "SHA256SUMS")

Key = tuple[Any, ...]


class WarmModels:
    """Loads a model on a device once, and keeps the two that were used last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Segmenter] = OrderedDict()
        self._loading: _Loading | None = None

    def find(self, model: str, device: str) -> Segmenter | None:
        """Return a model that is loaded already, and has not changed on disk since; else None.

        Raises
        ------
        ModelPackageError
            If there is no such model.
        """
        key = _key(model, device)
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def load(self, model: str, device: str, check: Callable[[], None]) -> Segmenter:
        """Load a model; a cancelled load goes on in its thread, and the next one of the same model takes it over.

        Parameters
        ----------
        model : str
            Its name or folder.
        device : str
            As for `Segmenter.load`.
        check : callable
            Called several times a second; may raise to stop waiting.

        Raises
        ------
        ModelPackageError, DeviceError
            As `Segmenter.load`.
        """
        key = _key(model, device)
        if self._loading is not None and self._loading.key != key:
            self._loading.wait(check)
            self._loading = None
        if self._loading is None:
            self._loading = _Loading(key, model, device)
        self._loading.wait(check)
        loaded, self._loading = self._loading, None
        while len(self._kept) >= _KEPT:
            _log.info("forgetting the model %s", self._kept.popitem(last=False)[0][0])
        self._kept[key] = loaded.segmenter()
        return self._kept[key]


class _Loading:
    """A model on its way, in a thread of its own: building networks cannot be interrupted."""

    def __init__(self, key: Key, model: str, device: str) -> None:
        self.key, self._model, self._device = key, model, device
        self._segmenter: Segmenter | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="pancreasseg-load")
        self._thread.start()

    def _run(self) -> None:
        try:
            from PancreasSegLib.inference import Segmenter

            self._segmenter = Segmenter.load(self._model, self._device)
        except Exception as error:
            self._error = error

    def wait(self, check: Callable[[], None]) -> None:
        while self._thread.is_alive():
            self._thread.join(0.05)
            check()

    def segmenter(self) -> Segmenter:
        if self._segmenter is None:
            assert self._error is not None
            raise self._error
        return self._segmenter


def _key(model: str, device: str) -> Key:
    """Return what tells two models apart, also where one took the other's place on disk."""
    from PancreasSegLib.models import find_package

    folder = find_package(model).path
    return str(folder), device, *(_stamp(folder / name) for name in _STAMPED)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
