"""A CT of the scene as the library takes it: voxels as they lie in memory, geometry in LPS, a cheap key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from PancreasSegLib.errors import NotACTError, PancreasSegError
from PancreasSegLib.io.hounsfield import check_ct
from PancreasSegLib.volume import AxisMap, Geometry
from PancreasSegLib.worker import Scan
from PancreasSegPanel.scene.patient_axes import geometry_from_ras
from PancreasSegPanel.scene.vtk_matrices import node_to_world, to_numpy
from PancreasSegPanel.translation import translator

_ = translator(__name__)

LEAST_SLICES = 8
LEAST_HEIGHT_MM = 30.0
_SAMPLE_ZYX = (24, 48, 48)
_OWN_WAYS = {  # for options of the command line, which mean nothing here
    "--assume-ct": _("Choose an abdominal CT."),
    "--hu-offset": _("Subtract 1024 first: module Simple Filters, ShiftScaleImageFilter, shift -1024."),
}


@dataclass(frozen=True)
class CTCheck:
    """What can be said of a volume at once.

    Attributes
    ----------
    sentence : str
        Its size, or why it cannot be segmented and what to do.
    usable : bool
        Whether it looks like a CT that can hold a pancreas.
    """

    sentence: str
    usable: bool


def voxels_of(node: Any) -> NDArray:
    """Return the (z, y, x) array that shares the memory of a volume node.

    Raises
    ------
    NotACTError
        If the node holds no voxels or several values a voxel (colour, vectors).
    """
    image = node.GetImageData()
    scalars = image.GetPointData().GetScalars() if image is not None else None
    if scalars is None or scalars.GetNumberOfTuples() == 0:
        raise NotACTError(_("The volume {name} holds no voxels.").format(name=node.GetName()), _("Load it again."))
    if scalars.GetNumberOfComponents() != 1:
        raise NotACTError(
            _("The volume {name} has {count} values a voxel, a CT has one.").format(
                name=node.GetName(), count=scalars.GetNumberOfComponents()
            ),
            _("Choose the CT itself, not a colour image."),
        )
    i, j, k = image.GetDimensions()
    return vtk_to_numpy(scalars).reshape(k, j, i)


def geometry_of(node: Any) -> Geometry:
    """Return the grid of a volume node in the world, its linear parent transforms included.

    Raises
    ------
    GeometryError
        If the grid is sheared, or a parent transform is not linear.
    """
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    image = node.GetImageData()
    size = image.GetDimensions() if image is not None else (0, 0, 0)
    return geometry_from_ras(node_to_world(node) @ to_numpy(matrix), size)


def content_key(node: Any) -> str:
    """Return a name of the node's present voxels and grid, without looking at the voxels."""
    image = node.GetImageData()
    scalars = image.GetPointData().GetScalars()
    geometry = geometry_of(node)
    place = (geometry.size_ijk, geometry.spacing_mm, geometry.origin_lps, geometry.direction_lps)
    # A scene that was closed and filled again gives the same node ids: the address tells the nodes apart.
    return (
        f"{node.GetID()}-{scalars.GetAddressAsString('')}-{scalars.GetMTime()}-{image.GetMTime()}-{hash(place):x}"
    )


def scan_of(node: Any) -> Scan:
    """Return a CT node as the worker's client takes it; nothing is copied.

    Raises
    ------
    NotACTError, GeometryError
        As `voxels_of` and `geometry_of` say.
    """
    voxels = voxels_of(node)
    return Scan(voxels, geometry_of(node), content_key(node))


def place_with_ct(node: Any, ct: Any) -> None:
    """Put a new node under the CT's transform, so that both move together, and into its patient and study."""
    transform = ct.GetParentTransformNode()
    node.SetAndObserveTransformNodeID(transform.GetID() if transform is not None else None)
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(ct.GetScene())
    item, beside = tree.GetItemByDataNode(node), tree.GetItemByDataNode(ct)
    if item and beside:
        tree.SetItemParent(item, tree.GetItemParent(beside))


def check_node(node: Any) -> CTCheck:
    """Say at once whether a volume can be segmented; it looks at a sample of the voxels."""
    try:
        voxels = voxels_of(node)
        geometry = geometry_of(node)
        _check_height(node.GetName(), geometry)
        check_ct(_sample(voxels), node.GetName())
    except PancreasSegError as error:
        hint = next((own for option, own in _OWN_WAYS.items() if option in error.hint), error.hint)
        return CTCheck(f"{error.message} {hint}".strip(), False)
    size = " × ".join(str(n) for n in geometry.size_ijk)
    spacing = " × ".join(f"{v:.3g}" for v in geometry.spacing_mm)
    return CTCheck(_("{size} voxels of {spacing} mm").format(size=size, spacing=spacing), True)


def _sample(voxels: NDArray) -> NDArray:
    """Return a few ten thousand voxels from all over the scan: a look at them takes no time on any size."""
    steps = (slice(None, None, max(1, n // limit)) for n, limit in zip(voxels.shape, _SAMPLE_ZYX, strict=True))
    return np.ascontiguousarray(voxels[tuple(steps)])


def _check_height(name: str, geometry: Geometry) -> None:
    canonical = AxisMap.to_canonical(geometry).target
    height, slices = canonical.extent_mm[2], canonical.size_ijk[2]
    if slices < LEAST_SLICES or height < LEAST_HEIGHT_MM:
        raise NotACTError(
            _(
                "{name} is too thin to hold a pancreas: {height:.0f} mm from top to bottom in {slices} slices."
            ).format(name=name, height=height, slices=slices),
            _("Choose a scan of the whole upper abdomen."),
        )


def same_grid(node: Any, geometry: Geometry) -> bool:
    """Whether a volume node still lies on a grid."""
    try:
        return node.GetImageData() is not None and geometry_of(node).matches(geometry)
    except PancreasSegError:
        return False


def crop_of(node: Any, slices_zyx: tuple[slice, slice, slice]) -> NDArray[np.float64]:
    """Return a copy of the HU inside a crop."""
    return np.array(voxels_of(node)[slices_zyx], dtype=np.float64)
