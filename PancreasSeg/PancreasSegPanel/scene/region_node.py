"""The region as a markups ROI that the user can move, and back as a box of the CT's voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import RegionError
from PancreasSegLib.volume import Box, Geometry
from PancreasSegPanel.scene.ct_node import place_with_ct
from PancreasSegPanel.scene.patient_axes import ras_from_geometry
from PancreasSegPanel.scene.vtk_matrices import node_to_world, to_numpy, to_vtk
from PancreasSegPanel.translation import translator

_ = translator(__name__)

CT_ROLE = "PancreasSeg.CT"
_CORNERS = np.array([[i, j, k] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (-0.5, 0.5)])


def show_region(scene: Any, ct: Any, box: Box, geometry: Geometry, node: Any | None = None) -> Any:
    """Show a box of a CT as a ROI along the CT's own axes.

    Parameters
    ----------
    scene : vtkMRMLScene
        The scene.
    ct : vtkMRMLScalarVolumeNode
        The CT; the ROI remembers it.
    box : Box
        Voxels of `geometry`.
    geometry : Geometry
        The CT's grid in the world; oblique and left-handed ones too.
    node : vtkMRMLMarkupsROINode, optional
        The one to move; a new one without it.
    """
    if node is None:
        name = scene.GenerateUniqueName(f"{ct.GetName()} region")
        node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
        node.CreateDefaultDisplayNodes()
        place_with_ct(node, ct)
        _style(node.GetDisplayNode())
    node.SetNodeReferenceID(CT_ROLE, ct.GetID())
    world = ras_from_geometry(geometry)
    axes = world[:3, :3] / np.linalg.norm(world[:3, :3], axis=0)
    if np.linalg.det(axes) < 0:  # a ROI is right-handed; a box looks the same with one axis turned round
        axes[:, 2] *= -1
    pose = np.eye(4)
    pose[:3, :3] = axes
    middle = (np.add(box.lower_ijk, box.upper_ijk) - 1) / 2
    pose[:3, 3] = (world @ np.append(middle, 1.0))[:3]
    to_node = np.linalg.inv(node_to_world(node))
    scale = np.linalg.norm(to_node[:3, :3] @ axes, axis=0)
    size = np.multiply(box.size_ijk, geometry.spacing_mm) * scale
    pose = to_node @ pose
    pose[:3, :3] /= np.linalg.norm(pose[:3, :3], axis=0)
    changing = node.StartModify()
    node.SetSize(*(float(v) for v in size))
    node.SetAndObserveObjectToNodeMatrix(to_vtk(pose))
    node.EndModify(changing)
    return node


def box_of_region(node: Any, geometry: Geometry) -> Box:
    """Return the smallest box of a CT's voxels that holds a ROI, however it was turned.

    A voxel counts when the ROI reaches over a hundredth of it, so that a ROI that was not moved gives the same
    box.

    Raises
    ------
    RegionError
        If the ROI is flat or outside the CT.
    """
    size = np.array(node.GetSize())
    if size.min() <= 0:
        raise RegionError(
            _("The region {name} is flat.").format(name=node.GetName()), _("Draw it again, or choose Automatic.")
        )
    corners = _world_corners(node, size)
    index = (np.linalg.inv(ras_from_geometry(geometry)) @ np.c_[corners, np.ones(8)].T)[:3].T
    lower = np.floor(index.min(0) + 0.5 + 0.01).astype(int)
    upper = np.ceil(index.max(0) + 0.5 - 0.01).astype(int)
    box = Box(tuple(lower), tuple(upper)).clipped(geometry)
    if box.is_empty:
        raise RegionError(
            _("The region {name} lies outside the CT.").format(name=node.GetName()),
            _("Move it onto the CT, or choose Automatic."),
        )
    return box


def _world_corners(node: Any, size: NDArray) -> NDArray[np.float64]:
    pose = node_to_world(node) @ to_numpy(node.GetObjectToNodeMatrix())
    return (pose @ np.c_[_CORNERS * size, np.ones(8)].T)[:3].T


def _style(display: Any) -> None:
    """Show a thin box with handles that does not hide the CT."""
    if display is None:
        return
    display.SetSelectedColor(0.3, 0.8, 1.0)
    display.SetColor(0.3, 0.8, 1.0)
    display.SetFillVisibility(False)  # some renderers paint the inside over the CT
    display.SetHandlesInteractive(True)
    display.SetPropertiesLabelVisibility(False)
