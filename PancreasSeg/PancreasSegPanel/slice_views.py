"""Bring the slice views and the 3D views to the organ."""

from __future__ import annotations

from typing import Any

import slicer

from PancreasSegPanel.patient_axes import flipped


def jump_to(scene: Any, centre_lps: tuple[float, float, float] | list[float]) -> None:
    """Centre all slice views on a position in LPS mm."""
    r, a, s = flipped(centre_lps)
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, r, a, s, slicer.vtkMRMLSliceNode.CenteredJumpSlice)


def show_ct(scene: Any, ct: Any) -> None:
    """Show a CT behind its result, unless a slice view shows it already."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")
    views = [scene.GetNthNodeByClass(number, "vtkMRMLSliceCompositeNode") for number in range(count)]
    shown = {i for view in views for i in (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID())}
    if ct.GetID() not in shown:
        for view in views:
            view.SetBackgroundVolumeID(ct.GetID())


def look_at_surfaces() -> None:
    """Let the 3D views look at what they show; without a layout (no main window) nothing happens."""
    layout = slicer.app.layoutManager()
    if layout is None:
        return
    for number in range(layout.threeDViewCount):
        layout.threeDWidget(number).threeDView().resetFocalPoint()
