"""Clean a mask, measure it, and say how sure it is."""

from PancreasSegLib.postprocess.components import plausible_pieces
from PancreasSegLib.postprocess.confidence import expected_dice
from PancreasSegLib.postprocess.holes import filled_holes
from PancreasSegLib.postprocess.statistics import label_statistics

__all__ = ["expected_dice", "filled_holes", "label_statistics", "plausible_pieces"]
