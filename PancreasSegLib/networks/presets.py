"""Published sizes of an architecture, as names of their own."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

from PancreasSegLib.networks.architecture import Architecture
from PancreasSegLib.networks.mednext import MEDNEXT
from PancreasSegLib.networks.nnunet import NNUNETS


def preset(base: Architecture, name: str, summary: str, **defaults: Any) -> Architecture:
    """Return an architecture with other defaults; any argument can still be given.

    Parameters
    ----------
    base : Architecture
        What it is a size of.
    name, summary : str
        Its own.
    **defaults
        Arguments of `base`.
    """

    def translate(**arguments: Any) -> dict[str, Any]:
        return base.translate(**{**defaults, **arguments})

    signature = inspect.signature(base.translate)
    parameters = [
        p.replace(default=defaults[p.name]) if p.name in defaults else p for p in signature.parameters.values()
    ]
    translate.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    translate.__doc__ = base.translate.__doc__
    return replace(base, name=name, summary=summary, translate=translate)


_RESENC = next(a for a in NNUNETS if a.name == "resenc-unet")
_RESENC_SIZE: dict[str, Any] = {
    "filters": (32, 64, 128, 256, 320, 320),
    "strides": (1, 2, 2, 2, 2, 2),
    "blocks": (1, 3, 4, 6, 6, 6),
    "deep_supervision": True,
}

PRESETS = (
    preset(
        _RESENC,
        "resenc-unet-m",
        "ResEnc U-Net of six levels; nnU-Net's M gives it patches of about 10 GB of GPU memory.",
        **_RESENC_SIZE,
    ),
    preset(
        _RESENC,
        "resenc-unet-l",
        "The same six levels as resenc-unet-m; nnU-Net's L gives it larger patches, 24 GB.",
        **_RESENC_SIZE,
    ),
    preset(
        _RESENC,
        "resenc-unet-xl",
        "ResEnc U-Net of seven levels, for patches of 40 GB and more (nnU-Net's XL).",
        filters=(32, 64, 128, 256, 320, 320, 320),
        strides=(1, 2, 2, 2, 2, 2, 2),
        blocks=(1, 3, 4, 6, 6, 6, 6),
        deep_supervision=True,
    ),
    preset(MEDNEXT, "mednext-s", "MedNeXt-S: two blocks a level, widening 2.", deep_supervision=True),
    preset(
        MEDNEXT,
        "mednext-b",
        "MedNeXt-B: two blocks a level, widening 2 to 4.",
        expansion=(2, 3, 4, 4, 4),
        deep_supervision=True,
    ),
    preset(
        MEDNEXT,
        "mednext-m",
        "MedNeXt-M: three to four blocks a level, widening 2 to 4.",
        blocks=(3, 4, 4, 4, 4),
        expansion=(2, 3, 4, 4, 4),
        deep_supervision=True,
    ),
    preset(
        MEDNEXT,
        "mednext-l",
        "MedNeXt-L: three to eight blocks a level, widening 3 to 8.",
        blocks=(3, 4, 8, 8, 8),
        expansion=(3, 4, 8, 8, 8),
        deep_supervision=True,
    ),
)
"""In the order in which they are listed."""
