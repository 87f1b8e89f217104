"""Voxels and where they lie in the patient: the only room that knows about axes."""

from PancreasSegLib.volume.box import Box
from PancreasSegLib.volume.geometry import Geometry
from PancreasSegLib.volume.label_transfer import labels_on_grid
from PancreasSegLib.volume.orientation import AxisMap
from PancreasSegLib.volume.resample import geometry_with_spacing, resample
from PancreasSegLib.volume.volume import Volume

__all__ = ["AxisMap", "Box", "Geometry", "Volume", "geometry_with_spacing", "labels_on_grid", "resample"]
