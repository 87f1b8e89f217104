"""The closed surface of a segmentation in the 3D views."""

from __future__ import annotations

from typing import Any

import slicer

from PancreasSegPanel.scene.pancreas_segment import CLOSED_SURFACE


def is_shown(node: Any | None) -> bool:
    """Whether a segmentation has a surface and its display is on."""
    return bool(
        node is not None
        and node.GetSegmentation() is not None
        and node.GetSegmentation().ContainsRepresentation(CLOSED_SURFACE)
        and (node.GetDisplayNode() is None or node.GetDisplayNode().GetVisibility3D())
    )


def show(node: Any, smoothing: float) -> None:
    """Make the surface with a smoothing from 0 (voxels) to 1, and show it."""
    name = slicer.vtkBinaryLabelmapToClosedSurfaceConversionRule.GetSmoothingFactorParameterName()
    segmentation = node.GetSegmentation()
    value = f"{smoothing:.3g}"
    if segmentation.GetConversionParameter(name) != value:
        segmentation.SetConversionParameter(name, value)
        node.RemoveClosedSurfaceRepresentation()
    node.CreateClosedSurfaceRepresentation()
    if node.GetDisplayNode() is not None:
        node.GetDisplayNode().SetVisibility3D(True)


def hide(node: Any) -> None:
    """Drop the surface, as the Segment Editor's own button does."""
    node.RemoveClosedSurfaceRepresentation()
