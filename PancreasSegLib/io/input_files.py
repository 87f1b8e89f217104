"""Every file that reading a scan touches, so that no output is ever written over one of them."""

from __future__ import annotations

import re
from pathlib import Path

from PancreasSegLib.io.formats import extension_of
from PancreasSegLib.volume import Volume

_HEADER_BYTES = 1 << 20
_DATA = re.compile(rb"^\s*(?:ElementDataFile\s*=|data ?file\s*:)\s*(.*?)\s*$", re.IGNORECASE | re.MULTILINE)
_SERIES = re.compile(r"%\d*d")


def files_of(path: str | Path) -> list[Path]:
    """Return a scan's file with those that lie beside it and hold its voxels.

    Parameters
    ----------
    path : str or Path
        An image file; a folder or a DICOM file stands for itself here, its slices are known once they are read
        (``Volume.source["files"]``).

    Returns
    -------
    list of Path
        `path` first; the ``.img`` of a ``.hdr`` and the reverse; what a MetaImage or NRRD header names.
    """
    path = Path(path)
    found = [path]
    extension = extension_of(path)
    if extension in (".hdr", ".img"):
        found.append(path.with_suffix({".hdr": ".img", ".img": ".hdr"}[extension]))
    elif extension in (".mha", ".mhd", ".nrrd", ".nhdr") and path.is_file():
        found += data_files(path)
    return [file for file in found if file.is_file()]


def inputs_of(volume: Volume) -> list[Path]:
    """Return every file that a scan was read from; none for one that was made in memory."""
    said = volume.source
    slices = said.get("files", []) if said.get("format") != "dicom-zip" else []  # those of a zip lie in it
    return [*(files_of(said["path"]) if "path" in said else []), *map(Path, slices)]


def data_files(path: Path) -> list[Path]:
    """Return the files that a NRRD or MetaImage header names for its voxels; none where they follow it.

    Those of a numbered series are the ones that are there.
    """
    return [path.parent / name for name in _named_in(path)]


def _named_in(path: Path) -> list[str]:
    with path.open("rb") as stream:
        head = stream.read(_HEADER_BYTES)
    match = _DATA.search(head)
    if match is None:
        return []
    value = match[1].decode("utf-8", "surrogateescape").strip()
    if value.upper() == "LOCAL":
        return []
    if value.upper().startswith("LIST"):
        lines = head[match.end() :].decode("utf-8", "surrogateescape").splitlines()
        return [line.strip() for line in lines if line.strip()]
    if series := re.match(r"\S*%\d*d\S*", value):
        return sorted(file.name for file in path.parent.glob(_SERIES.sub("*", series[0]))) or [series[0]]
    return [value]
