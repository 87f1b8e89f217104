"""Read CTs and write masks: NIfTI, NRRD, MetaImage, DICOM folders, files and zips; knows nothing of networks.

The names below are loaded on first use, so that ``import PancreasSegLib.io`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PancreasSegLib.io.atomic import atomic_path, check_writable
    from PancreasSegLib.io.dicom_series import SeriesInfo, list_series
    from PancreasSegLib.io.image_file import read_labels
    from PancreasSegLib.io.read import read_volume
    from PancreasSegLib.io.scans import find_scans
    from PancreasSegLib.io.write import write_mask, write_volume

_HOME = {
    "SeriesInfo": "dicom_series",
    "atomic_path": "atomic",
    "check_writable": "atomic",
    "find_scans": "scans",
    "list_series": "dicom_series",
    "read_labels": "image_file",
    "read_volume": "read",
    "write_mask": "write",
    "write_volume": "write",
}

__all__ = [
    "SeriesInfo",
    "atomic_path",
    "check_writable",
    "find_scans",
    "list_series",
    "read_labels",
    "read_volume",
    "write_mask",
    "write_volume",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its file on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
