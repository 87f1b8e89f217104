"""HU thresholds propose the region in which the pancreas lies; no network."""

from PancreasSegLib.roi.proposal import RoiProposal, propose_roi
from PancreasSegLib.roi.tissue import TISSUE_LABELS, soft_tissue_mask, tissue_map

__all__ = ["TISSUE_LABELS", "RoiProposal", "propose_roi", "soft_tissue_mask", "tissue_map"]
