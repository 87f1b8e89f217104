"""A CT of the library as a node of the scene."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from PancreasSegLib.volume import Volume
from PancreasSegPanel.scene.patient_axes import ras_from_geometry
from PancreasSegPanel.scene.vtk_matrices import to_vtk


def add_volume(scene: Any, volume: Volume, name: str) -> Any:
    """Add a CT of the library to the scene."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    image = vtk.vtkImageData()
    image.SetDimensions(*volume.geometry.size_ijk)
    scalars = numpy_to_vtk(np.ascontiguousarray(volume.voxels, np.int16).ravel(), True, vtk.VTK_SHORT)
    scalars.SetName("HU")
    image.GetPointData().SetScalars(scalars)
    node.SetIJKToRASMatrix(to_vtk(ras_from_geometry(volume.geometry)))
    node.SetAndObserveImageData(image)
    node.CreateDefaultDisplayNodes()
    return node
