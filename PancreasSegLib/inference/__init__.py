"""The cascade: propose, localise, crop, segment, and back to the grid of the CT.

Importing this module imports neither torch nor MONAI; loading a model does.
"""

from PancreasSegLib.inference.result import Segmentation, SegmentationWarning
from PancreasSegLib.inference.segmenter import Segmenter
from PancreasSegLib.inference.settings import CascadeSettings

__all__ = ["CascadeSettings", "Segmentation", "SegmentationWarning", "Segmenter"]
