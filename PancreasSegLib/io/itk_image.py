"""Between SimpleITK images and our arrays and geometry."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.volume import Geometry

_log = logging.getLogger(__name__)
_one_redirection = threading.RLock()


def simple_itk() -> Any:
    """Import SimpleITK with its own warnings to stderr turned off."""
    import SimpleITK as sitk  # noqa: N813

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return sitk


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what the C libraries inside ITK print to the process's stderr; it goes to the debug log instead.

    The redirection is the whole process's, so blocks are short, and one thread's waits for another's.
    """
    try:
        sys.stderr.flush()
        os.fstat(2)
    except (OSError, ValueError, AttributeError):  # no console at all, as in a GUI on Windows
        yield
        return
    with _one_redirection, _sink() as sink:
        kept = os.dup(2)
        try:
            os.dup2(sink.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            sink.seek(0)
            text = sink.read(4000).decode("utf-8", "replace").strip()
            if text:
                _log.debug("ITK said: %s", text)


def _sink() -> IO[bytes]:
    """Return a temporary file, or nothing at all where none can be made (a full disk)."""
    try:
        return cast("IO[bytes]", tempfile.TemporaryFile())
    except OSError:
        return Path(os.devnull).open("w+b")


class _Buffer:
    """Lends an image's memory to numpy and keeps the image alive as long as the array lives."""

    def __init__(self, image: Any, view: NDArray) -> None:
        self.image = image
        self.__array_interface__ = {**view.__array_interface__, "data": (view.ctypes.data, False)}


def array_of(image: Any) -> NDArray:
    """Return the (z, y, x) array that shares the memory of a SimpleITK image; nothing is copied."""
    return np.asarray(_Buffer(image, simple_itk().GetArrayViewFromImage(image)))


def image_of(array: NDArray, geometry: Geometry) -> Any:
    """Return a SimpleITK image of a (z, y, x) array on a grid.

    Raises
    ------
    GeometryError
        If the shapes differ.
    """
    if tuple(array.shape) != geometry.shape_zyx:
        raise GeometryError(
            f"An array of shape {tuple(array.shape)} (z, y, x) does not fit a grid of {geometry.size_ijk} voxels."
        )
    image = simple_itk().GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(geometry.spacing_mm)
    image.SetOrigin(geometry.origin_lps)
    image.SetDirection(geometry.direction_lps)
    return image
