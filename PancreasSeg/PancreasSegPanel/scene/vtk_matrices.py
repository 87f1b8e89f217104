"""Between vtkMatrix4x4 and numpy, and the matrix of a node's parent transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegPanel.translation import translator

_ = translator(__name__)


def to_numpy(matrix: Any) -> NDArray[np.float64]:
    """Return a vtkMatrix4x4 as a (4, 4) array."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def to_vtk(matrix: NDArray[np.float64]) -> Any:
    """Return a (4, 4) array as a vtkMatrix4x4."""
    result = vtk.vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            result.SetElement(row, column, float(matrix[row, column]))
    return result


def node_to_world(node: Any) -> NDArray[np.float64]:
    """Return the (4, 4) matrix of a node's parent transforms, the identity without any.

    Raises
    ------
    GeometryError
        If one of them is not linear.
    """
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    if not parent.IsTransformToWorldLinear():
        raise GeometryError(
            _("{name} is under the transform {transform}, which bends space.").format(
                name=node.GetName(), transform=parent.GetName()
            ),
            _("Harden that transform in the Transforms module first, or take the node out of it."),
        )
    matrix = vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(parent, None, matrix)
    return to_numpy(matrix)
