"""HU thresholds propose the region in which the pancreas lies; no network."""

from PancreasSegLib.roi.proposal import RoiProposal

__all__ = ["RoiProposal"]
