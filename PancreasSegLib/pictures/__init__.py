"""Pictures of a result: a montage for the reader, surfaces in three dimensions, a small preview of a case.

The names below are loaded on first use: matplotlib costs half a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PancreasSegLib.pictures.case_preview import write_case_preview
    from PancreasSegLib.pictures.montage import write_montage
    from PancreasSegLib.pictures.surface_picture import write_surface_picture

_HOME = {
    "write_case_preview": "case_preview",
    "write_montage": "montage",
    "write_surface_picture": "surface_picture",
}

__all__ = ["write_case_preview", "write_montage", "write_surface_picture"]


def __getattr__(name: str) -> Any:
    """Import a public name from its file on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
