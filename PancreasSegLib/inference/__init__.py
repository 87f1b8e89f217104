"""The cascade: propose, localise, crop, segment, and back to the grid of the CT."""

from PancreasSegLib.inference.result import Segmentation, SegmentationWarning

__all__ = ["Segmentation", "SegmentationWarning"]
