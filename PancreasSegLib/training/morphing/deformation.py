"""An affine map with a smooth displacement on top, between the grids of two cases."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

ShapeZyx = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Deformation:
    """Where each point of a target grid lies in a source grid; mm in (z, y, x) from each grid's first corner.

    Attributes
    ----------
    matrix : Tensor, shape (3, 3)
        Linear part, about the organ's centre.
    shift : Tensor, shape (3,)
        Added to the source's centre.
    field : Tensor, shape (1, 3, z, y, x)
        Displacement in mm on a coarse lattice over the whole target.
    source_centre, target_centre : Tensor, shape (3,)
        The organ's centres.
    source_mm, target_mm : Tensor, shape (3,)
        Lengths of the grids.
    """

    matrix: torch.Tensor
    shift: torch.Tensor
    field: torch.Tensor
    source_centre: torch.Tensor
    target_centre: torch.Tensor
    source_mm: torch.Tensor
    target_mm: torch.Tensor

    def at(self, shape: ShapeZyx) -> torch.Tensor:
        """Return the source positions of a target grid's voxel centres, shape (z, y, x, 3)."""
        points = voxel_centres(shape, self.target_mm) - self.target_centre
        bend = F.interpolate(self.field, size=shape, mode="trilinear", align_corners=True)[0].permute(1, 2, 3, 0)
        return points @ self.matrix.T + self.shift + self.source_centre + bend

    def folded_share(self, shape: ShapeZyx, least: float = 0.15) -> float:
        """Return the share of a target grid where volume shrinks below `least`, or turns inside out.

        Volume change is the determinant of the Jacobian by forward differences.
        """
        position = self.at(shape)
        step = self.target_mm / torch.tensor(shape)
        z, y, x = (n - 1 for n in shape)
        columns = [position.diff(dim=axis)[:z, :y, :x] / step[axis] for axis in range(3)]
        return float((torch.linalg.det(torch.stack(columns, dim=-1)) < least).float().mean())


def voxel_centres(shape: ShapeZyx, length_mm: torch.Tensor) -> torch.Tensor:
    """Return the positions of voxel centres in mm from the first corner, shape (z, y, x, 3)."""
    axes = [(torch.arange(n) + 0.5) * (float(mm) / n) for n, mm in zip(shape, length_mm, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).float()


def sampled(
    images: torch.Tensor, position_mm: torch.Tensor, length_mm: torch.Tensor, *, padding: str = "zeros"
) -> torch.Tensor:
    """Interpolate images at positions.

    Parameters
    ----------
    images : Tensor, shape (c, z, y, x)
        On a grid of the given length.
    position_mm : Tensor, shape (z, y, x, 3)
        Where, from the first corner of that grid.
    length_mm : Tensor, shape (3,)
        The grid's lengths.
    padding : str
        As torch's ``grid_sample`` has it.
    """
    grid = (position_mm / length_mm * 2 - 1).flip(-1)[None]
    return F.grid_sample(images[None], grid, mode="bilinear", padding_mode=padding, align_corners=False)[0]
