"""What a network costs a voxel of its input, and what a device does in a second."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Speed:
    """What a device does in a second on networks of this kind.

    Attributes
    ----------
    gflop_per_s : float
        10^9 operations of convolutions a second.
    gb_per_s : float
        10^9 bytes a second of everything else, counted on the bytes written.
    bytes_per_value : int
        Of the activations.
    """

    gflop_per_s: float
    gb_per_s: float
    bytes_per_value: int


@dataclass(frozen=True)
class NetworkCost:
    """Cost of one forward pass, linear in the voxels of its input.

    Attributes
    ----------
    gflop_per_mvoxel : float
        10^9 operations a million voxels, a multiplication with its addition counted as two.
    values_per_voxel : float
        Numbers written, all layers together: what the memory's speed has to bear.
    peak_values_per_voxel : float
        Numbers alive at the worst moment: what the memory's size has to bear.
    largest_gflop_per_mvoxel : float
        Operations of the largest single layer, which cannot be interrupted.
    shares : tuple of float
        Share of the work that is done when the n-th call of a layer starts, where an engine can watch them.
    """

    gflop_per_mvoxel: float
    values_per_voxel: float
    peak_values_per_voxel: float
    largest_gflop_per_mvoxel: float
    shares: tuple[float, ...] = ()

    def seconds(self, voxels: float, speed: Speed) -> float:
        """Return the expected seconds of a pass over so many voxels."""
        work = self.gflop_per_mvoxel * voxels / 1e6 / speed.gflop_per_s
        traffic = self.values_per_voxel * speed.bytes_per_value * voxels / 1e9 / speed.gb_per_s
        return work + traffic

    def peak_mb(self, voxels: float, bytes_per_value: int) -> float:
        """Return the memory of a pass over so many voxels, in MB, weights not counted."""
        return self.peak_values_per_voxel * bytes_per_value * voxels / (1 << 20)


USUAL_COST = NetworkCost(500.0, 600.0, 180.0, 110.0)
"""Of a U-Net with 32 filters at the finest level."""
