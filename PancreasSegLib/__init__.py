"""PancreasSegLib: pancreas segmentation on abdominal CT, as a plain Python library.

The names below are loaded on first use, so that importing the package stays under 0.3 s; torch and
monai are imported only by the rooms that run a network.

Examples
--------
>>> from PancreasSegLib import Segmenter, read_volume, write_mask  # doctest: +SKIP
>>> ct = read_volume("ct.nii.gz")                                  # doctest: +SKIP
>>> result = Segmenter.load("default").segment(ct)                 # doctest: +SKIP
>>> write_mask("pancreas.nii.gz", result.mask, ct.geometry)        # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from PancreasSegLib._version import __version__

if TYPE_CHECKING:
    from PancreasSegLib.inference import Segmentation as Segmentation
    from PancreasSegLib.inference import Segmenter as Segmenter
    from PancreasSegLib.io import read_volume as read_volume
    from PancreasSegLib.io import write_mask as write_mask
    from PancreasSegLib.roi import propose_roi as propose_roi
    from PancreasSegLib.volume import Volume as Volume

_LAZY = {
    "Segmentation": "PancreasSegLib.inference",
    "Segmenter": "PancreasSegLib.inference",
    "Volume": "PancreasSegLib.volume",
    "propose_roi": "PancreasSegLib.roi",
    "read_volume": "PancreasSegLib.io",
    "write_mask": "PancreasSegLib.io",
}

__all__ = ["Segmentation", "Segmenter", "Volume", "__version__", "propose_roi", "read_volume", "write_mask"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
