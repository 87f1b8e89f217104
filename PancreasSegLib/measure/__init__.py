"""Measurements of a segmented pancreas, as studies report them.

A mask and its CT come in, numbers with a definition go out. The organ is first brought onto a fine grid of equal
spacing (`shape`); through it runs the centreline from head to tail (`centreline`), along which it is measured
how thick it is (`thickness`) and which divides it into head, body and tail (`parts`). Its HU and share of fat
(`density`) are taken on the CT's own grid, with and without the rim of mixed voxels, and compared with spleen
and liver where these are known; so is the contrast phase (`phase`). `organ` does all of it, and `definitions`
says what each number means.
"""

from PancreasSegLib.measure.definitions import MEASURES, Measure
from PancreasSegLib.measure.organ import Measurements, measure_organ

__all__ = ["MEASURES", "Measure", "Measurements", "measure_organ"]
