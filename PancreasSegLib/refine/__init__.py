"""Correct a mask interactively: marks of a user, the network's probability and the CT give a better mask."""

from PancreasSegLib.refine.correction import Change, Correction
from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED, UNMARKED, Mark

__all__ = ["EXCLUDED", "INCLUDED", "UNMARKED", "Change", "Correction", "Mark"]
