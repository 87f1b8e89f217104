"""The organ laid straight: planes across its centreline, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from PancreasSegLib.measure.centreline import Centreline
from PancreasSegLib.volume import Volume


@dataclass(frozen=True, eq=False)
class StraightFrame:
    """A direction up and one to the front at every point of the centreline, both across it.

    In the middle of the line they are the patient's Superior and Anterior as nearly as can be; from there they are
    carried along without turning about the line (Bishop, "There is more than one way to frame a curve", American
    Mathematical Monthly 82:246-251, 1975), so that towards the ends up is up only roughly.

    Attributes
    ----------
    points_lps, up, front : ndarray of float, shape (n, 3)
        Positions in mm; unit vectors.
    """

    points_lps: NDArray[np.float64]
    up: NDArray[np.float64]
    front: NDArray[np.float64]

    @classmethod
    def along(cls, line: Centreline) -> StraightFrame:
        """Make the frame of a centreline of at least two points."""
        points = line.points_lps
        tangent = np.gradient(points, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        middle = len(points) // 2
        up = np.zeros_like(points)
        steep = abs(tangent[middle, 2]) > 0.9
        upright = np.array([0.0, -1.0, 0.0] if steep else [0.0, 0.0, 1.0])
        up[middle] = _across(upright, tangent[middle])
        for n in range(middle + 1, len(points)):
            up[n] = _across(up[n - 1], tangent[n])
        for n in range(middle - 1, -1, -1):
            up[n] = _across(up[n + 1], tangent[n])
        return cls(points, up, np.cross(tangent, up))

    def plane_along(
        self, volume: Volume, toward: str, half_mm: float = 30.0, order: int = 1
    ) -> NDArray[np.float32]:
        """Return a plane through the line, straightened: shape (2 * half_mm + 1, n), a mm a pixel.

        Parameters
        ----------
        volume : Volume
            What is shown.
        toward : str
            ``"up"`` or ``"front"``: what lies at the top.
        half_mm : float
            How far it reaches to either side.
        order : int
            Of the interpolation; 0 for masks.
        """
        offsets = np.arange(half_mm, -half_mm - 0.5, -1.0)
        direction = self.up if toward == "up" else self.front
        return _sampled(volume, self.points_lps[None] + offsets[:, None, None] * direction[None], order)

    def plane_across(
        self, volume: Volume, number: int, half_mm: float = 25.0, order: int = 1
    ) -> NDArray[np.float32]:
        """Return the plane across the line at a point: rows from up to down, columns from front to back."""
        offsets = np.arange(half_mm, -half_mm - 0.5, -1.0)
        up, front = self.up[number], self.front[number]
        at = self.points_lps[number] + offsets[:, None, None] * up + offsets[None, :, None] * front
        return _sampled(volume, at, order)


def _across(vector: NDArray[np.float64], tangent: NDArray[np.float64]) -> NDArray[np.float64]:
    across = vector - (vector @ tangent) * tangent
    return across / np.linalg.norm(across)


def _sampled(volume: Volume, at_lps: NDArray[np.float64], order: int) -> NDArray[np.float32]:
    index = volume.geometry.lps_to_index(at_lps.reshape(-1, 3))[:, ::-1].T
    outside = float(volume.voxels.min()) if order else 0.0
    found = map_coordinates(volume.voxels, index, np.float32, order=order, mode="constant", cval=outside)
    shaped: NDArray[np.float32] = found.reshape(at_lps.shape[:-1])
    return shaped
