"""Bring the slice views and the 3D views to the organ."""

from __future__ import annotations

from typing import Any

import slicer

from PancreasSegPanel.patient_axes import flipped


def jump_to(scene: Any, centre_lps: tuple[float, float, float] | list[float]) -> None:
    """Centre all slice views on a position in LPS mm."""
    r, a, s = flipped(centre_lps)
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, r, a, s, slicer.vtkMRMLSliceNode.CenteredJumpSlice)


def look_at_surfaces() -> None:
    """Let the 3D views look at what they show; without a layout (no main window) nothing happens."""
    layout = slicer.app.layoutManager()
    if layout is None:
        return
    for number in range(layout.threeDViewCount):
        layout.threeDWidget(number).threeDView().resetFocalPoint()
