"""What the user chose; kept in the scene, so that it is saved and reopened with it.

No ``from __future__ import annotations`` here: Slicer's wrapper needs the types themselves.
"""

from typing import Annotated

import slicer
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper


@parameterNodeWrapper
class PancreasSegParameters:
    """The choices of the panel.

    Attributes
    ----------
    inputVolume : vtkMRMLScalarVolumeNode
        The CT.
    outputSegmentation : vtkMRMLSegmentationNode
        Where the segment goes; none makes a new one.
    region : vtkMRMLMarkupsROINode
        Where to look; none leaves it to the HU thresholds.
    model, device : str
        As the worker takes them.
    confidenceMap : bool
        Whether the probability becomes a volume.
    smoothing : float
        Of the surface, 0 to 1.
    brushDiameter : float
        Of the brush that corrects, in mm.
    sphereBrush : bool
        Whether it draws in the neighbouring slices too.
    autoUpdate, previewCorrections : bool
        Whether a stroke corrects at once, and whether the correction is shown before it is written.
    """

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    outputSegmentation: slicer.vtkMRMLSegmentationNode
    region: slicer.vtkMRMLMarkupsROINode
    model: str = "default"
    device: str = "auto"
    confidenceMap: bool = False
    smoothing: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    brushDiameter: Annotated[float, WithinRange(1.0, 40.0)] = 5.0
    sphereBrush: bool = False
    autoUpdate: bool = True
    previewCorrections: bool = False
