"""HU thresholds propose the region in which the pancreas lies; no network."""

from PancreasSegLib.roi.proposal import RoiProposal, propose_roi

__all__ = ["RoiProposal", "propose_roi"]
