"""The model's foreground probability as a scalar volume, on the crop's own grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import numpy_to_vtk

from PancreasSegLib.volume import Volume
from PancreasSegPanel.scene.ct_node import place_with_ct
from PancreasSegPanel.scene.patient_axes import ras_from_geometry
from PancreasSegPanel.scene.vtk_matrices import node_to_world, to_vtk
from PancreasSegPanel.translation import translator

_ = translator(__name__)

CT_ROLE = "PancreasSeg.ConfidenceMapOf"


def write_confidence_map(scene: Any, ct: Any, probability: Volume) -> Any:
    """Show a probability crop as a volume node; the one that the CT has already is filled again.

    Parameters
    ----------
    scene : vtkMRMLScene
        The scene.
    ct : vtkMRMLScalarVolumeNode
        What was segmented.
    probability : Volume
        Foreground probability, 0 to 1, with the crop's grid in the world.
    """
    node = find_confidence_map(scene, ct)
    if node is None:
        name = scene.GenerateUniqueName(_("{name} pancreas confidence").format(name=ct.GetName()))
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        node.SetNodeReferenceID(CT_ROLE, ct.GetID())
        place_with_ct(node, ct)
    matrix = np.linalg.inv(node_to_world(node)) @ ras_from_geometry(probability.geometry)
    changing = node.StartModify()
    node.SetIJKToRASMatrix(to_vtk(matrix))
    node.SetAndObserveImageData(_image(probability.voxels))
    node.EndModify(changing)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    if display is not None:
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(0.0, 1.0)
    return node


def find_confidence_map(scene: Any, ct: Any) -> Any | None:
    """Return the confidence map that a CT has, None without one."""
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLScalarVolumeNode")
        if node.GetNodeReferenceID(CT_ROLE) == ct.GetID():
            return node
    return None


def _image(voxels: NDArray) -> Any:
    image = vtk.vtkImageData()
    k, j, i = voxels.shape
    image.SetDimensions(i, j, k)
    scalars = numpy_to_vtk(np.ascontiguousarray(voxels, dtype=np.float32).ravel(), deep=True)
    scalars.SetName("Probability")
    image.GetPointData().SetScalars(scalars)
    return image


def may_be_ct(node: Any) -> bool:
    """Whether a volume may be offered as a CT at all: no labelmap, no confidence map of ours."""
    return not node.IsA("vtkMRMLLabelMapVolumeNode") and not node.GetNodeReferenceID(CT_ROLE)
