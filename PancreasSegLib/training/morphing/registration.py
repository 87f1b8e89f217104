"""Registration of two label maps: organ onto organ, smooth in between.

Soft masks of all classes are compared from coarse to fine while an affine map, and then a displacement on ever
finer lattices, are fitted by gradient descent, kept smooth by a penalty on the displacement's gradient (the scheme
of free-form deformations, Rueckert et al. 1999, on masks in place of intensities).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from PancreasSegLib.training.morphing.deformation import Deformation, sampled, voxel_centres

_WORK_MM = 4.5
"""Grid on which masks are compared."""
_LEVELS = ((None, 14.0, 60), (60.0, 10.0, 40), (30.0, 6.0, 50), (20.0, 3.0, 50))
"""Lattice of the displacement (None: affine only), blur of the masks, both in mm, and steps of each level."""
_SMOOTHNESS = 40.0
_ORGAN_WEIGHT = 2.0
_BACKGROUND_WEIGHT = 0.09
_FEWEST_VOXELS = 5.0


@dataclass(frozen=True)
class _Masks:
    """Soft masks of both cases on the work grid, with the weight of each class."""

    moving: torch.Tensor
    fixed: torch.Tensor
    weight: torch.Tensor


def register_labels(
    moving: NDArray[np.uint8],
    fixed: NDArray[np.uint8],
    spacing_mm: tuple[float, float, float],
    *,
    classes: int,
    organ: int,
) -> Deformation:
    """Find the deformation that brings the organs of one label map onto those of another.

    Parameters
    ----------
    moving, fixed : ndarray of uint8, shape (z, y, x)
        Class indices on canonical axes, both around the organ; sizes may differ.
    spacing_mm : tuple of 3 float
        Of both, along x, y, z.
    classes : int
        Number of classes, the background included.
    organ : int
        Class on which both are centred first, and which counts more.

    Returns
    -------
    Deformation
        From the grid of `fixed` to positions in that of `moving`.
    """
    step = np.asarray(spacing_mm[::-1])
    lengths = [torch.tensor(np.asarray(label.shape) * step, dtype=torch.float32) for label in (moving, fixed)]
    centres = [_centre(label == organ, step) for label in (moving, fixed)]
    masks = _masks(moving, fixed, step, classes, organ)
    matrix, shift = torch.eye(3), torch.zeros(3)
    field = torch.zeros((1, 3, 2, 2, 2))
    for lattice, blur, steps in _LEVELS:
        if lattice is not None:
            size = [max(3, round(float(mm) / lattice) + 1) for mm in lengths[1]]
            field = F.interpolate(field, size=size, mode="trilinear", align_corners=True)
        start = Deformation(matrix, shift, field, *centres, *lengths)
        matrix, shift, field = _fit(start, _blurred(masks, blur), lattice, steps)
    return Deformation(matrix, shift, field, *centres, *lengths)


def _fit(
    start: Deformation, masks: _Masks, lattice: float | None, steps: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Descend on one level; return matrix, shift and field."""
    matrix, shift, field = (part.clone().requires_grad_() for part in (start.matrix, start.shift, start.field))
    if lattice is None:
        groups = [{"params": [matrix], "lr": 0.01}, {"params": [shift], "lr": 1.5}]
    else:
        groups = [
            {"params": [field], "lr": 1.0},
            {"params": [matrix], "lr": 0.003},
            {"params": [shift], "lr": 0.3},
        ]
    optimizer = torch.optim.Adam(groups)
    shape = masks.fixed.shape[1:]
    points = voxel_centres((shape[0], shape[1], shape[2]), start.target_mm) - start.target_centre
    scale = 4.0 / math.sqrt(float(masks.fixed.sum()))
    for _ in range(steps):
        position = points @ matrix.T + shift + start.source_centre
        if lattice is not None:
            bend = F.interpolate(field, size=shape, mode="trilinear", align_corners=True)
            position = position + bend[0].permute(1, 2, 3, 0)
        moved = sampled(masks.moving, position, start.source_mm, padding="border")
        loss = scale * (masks.weight * ((moved - masks.fixed) ** 2).sum((1, 2, 3))).sum()
        if lattice is not None:
            bending = torch.stack([(field.diff(dim=axis) ** 2).mean() for axis in (2, 3, 4)]).sum()
            loss = loss + _SMOOTHNESS * bending / lattice**2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return matrix.detach(), shift.detach(), field.detach()


def _masks(
    moving: NDArray[np.uint8], fixed: NDArray[np.uint8], step: NDArray[np.float64], classes: int, organ: int
) -> _Masks:
    """Return soft masks on the work grid; large classes count less a voxel, absent ones not at all."""
    soft = [_soft(label, step, classes) for label in (moving, fixed)]
    volume = torch.minimum(soft[0].sum((1, 2, 3)), soft[1].sum((1, 2, 3)))
    size = soft[1].sum((1, 2, 3)).clamp(min=20)
    weight = torch.where(volume > _FEWEST_VOXELS, size.rsqrt(), torch.zeros(()))
    weight[0] = _BACKGROUND_WEIGHT * weight[1:].max()
    weight[organ] *= _ORGAN_WEIGHT
    return _Masks(soft[0], soft[1], weight / weight.sum())


def _soft(label: NDArray[np.uint8], step: NDArray[np.float64], classes: int) -> torch.Tensor:
    one_hot = one_hot_masks(label, classes)
    size = [max(4, round(n * float(mm) / _WORK_MM)) for n, mm in zip(label.shape, step, strict=True)]
    return F.interpolate(one_hot[None], size=size, mode="area")[0]


def one_hot_masks(label: NDArray[np.uint8], classes: int) -> torch.Tensor:
    """Return a mask of 0 and 1 for each class, float32, shape (classes, z, y, x)."""
    masks = torch.zeros((classes, *label.shape))
    return masks.scatter_(0, torch.from_numpy(label.astype(np.int64))[None], 1.0)


def _blurred(masks: _Masks, mm: float) -> _Masks:
    return _Masks(_blur(masks.moving, mm), _blur(masks.fixed, mm), masks.weight)


def _blur(masks: torch.Tensor, mm: float) -> torch.Tensor:
    """Blur by a Gaussian of this SD, one axis after the other."""
    sd = mm / _WORK_MM
    reach = math.ceil(2.5 * sd)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sd) ** 2)
    kernel = kernel / kernel.sum()
    result, channels = masks[None], len(masks)
    for axis in range(3):
        shape, padding = [1, 1, 1, 1, 1], [0] * 6
        shape[2 + axis] = -1
        padding[2 * (2 - axis)] = padding[2 * (2 - axis) + 1] = reach
        weight = kernel.view(shape).repeat(channels, 1, 1, 1, 1)
        result = F.conv3d(F.pad(result, padding, mode="replicate"), weight, groups=channels)
    return result[0]


def _centre(mask: NDArray[np.bool_], step: NDArray[np.float64]) -> torch.Tensor:
    return torch.tensor((np.argwhere(mask).mean(axis=0) + 0.5) * step, dtype=torch.float32)
