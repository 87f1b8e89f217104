"""The cascade: propose, localise, crop, segment, and back to the grid of the CT.

The names below are loaded on first use; importing this module imports neither scipy nor torch nor MONAI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PancreasSegLib.inference.result import Segmentation, SegmentationWarning
    from PancreasSegLib.inference.segmenter import Segmenter
    from PancreasSegLib.inference.settings import CascadeSettings

_HOME = {
    "CascadeSettings": "settings",
    "Segmentation": "result",
    "SegmentationWarning": "result",
    "Segmenter": "segmenter",
}

__all__ = ["CascadeSettings", "Segmentation", "SegmentationWarning", "Segmenter"]


def __getattr__(name: str) -> Any:
    """Import a public name from its file on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
