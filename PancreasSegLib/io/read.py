"""Read a CT from whatever the user points at."""

from __future__ import annotations

from pathlib import Path

from PancreasSegLib.errors import UnreadableFileError
from PancreasSegLib.io.formats import READABLE_IMAGES, extension_of
from PancreasSegLib.volume import Volume


def read_volume(path: str | Path, *, series: str | None = None, assume_ct: bool = False) -> Volume:
    """Read a CT; voxels are HU, int16 where the file's values are whole and fit, else float32."""
    path = Path(path)
    if extension_of(path) in READABLE_IMAGES:
        from PancreasSegLib.io.image_file import read_image_file

        return read_image_file(path, assume_ct=assume_ct)
    raise UnreadableFileError(f"{str(path)!r} is of no known format.")
