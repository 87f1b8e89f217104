"""Labels of other programs, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PancreasSegLib.errors import ModelPackageError

_MOST_LABELS = 255


def channel_labels(names: Mapping[str, Any], out_channels: int, activation: str) -> dict[str, int]:
    """Return the foreground labels of a network with the value that a stage gives them.

    Parameters
    ----------
    names : mapping of str to object
        MONAI's ``channel_def``: names by the number of the channel; what it lacks is called ``label_<number>``.
    out_channels : int
        Channels of the network.
    activation : str
        With a softmax channel 0 is the background; with a sigmoid every channel is a label unless it is called
        background.

    Raises
    ------
    ModelPackageError
        If there is no label, or more than a mask of 8 bits holds.
    """
    shift = 1 if activation == "sigmoid" else 0
    labels: dict[str, int] = {}
    for channel in range(0 if shift else 1, out_channels):
        name = str(names.get(str(channel), "")).strip()[:100] or f"label_{channel}"
        if name.casefold() == "background":
            continue
        labels[name if name not in labels else f"{name}_{channel}"] = channel + shift
    if not labels or len(labels) > _MOST_LABELS:
        raise ModelPackageError(
            f"The network has {out_channels} channel(s), so that it finds {len(labels)} labels."
        )
    return labels
