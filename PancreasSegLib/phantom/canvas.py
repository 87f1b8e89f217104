"""The grid that a phantom is painted on: bent coordinates, HU, labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from PancreasSegLib.phantom.noise_field import lattice_noise
from PancreasSegLib.volume import Geometry

Slices = tuple[slice, slice, slice]
Array = NDArray[np.float32]

AIR_HU = -1000.0


class Canvas:
    """A canonical voxel grid on which shapes are painted, the later over the earlier.

    Shapes are given as signed distances in mm (negative inside) in *anatomical* coordinates: x to Left, y to
    Posterior, z to Superior, the aorta's centre at the level of the pancreas at (0, 0, 0). Each voxel knows its
    anatomical coordinates, which are its place in the scanner turned, scaled and bent by a smooth random field,
    so that one set of shapes makes many patients.

    Parameters
    ----------
    geometry : Geometry
        Grid with axes to Left, Posterior and Superior; its origin gives places relative to the phantom's own.
    scale : sequence of 3 float
        Size of this patient relative to the average one, along x, y and z.
    bends : sequence of (wavelength, amplitude)
        Scale in mm, and standard deviation in mm, of the random displacement; one pair a component.
    rotation_deg : sequence of 3 float
        Turn of the patient against the grid about x, y and z.
    rng : numpy.random.Generator
        Source of the displacement and the textures.

    Attributes
    ----------
    x, y, z : ndarray of float32, shape (z, y, x)
        Anatomical coordinates of every voxel, in mm.
    hu : ndarray of float32, shape (z, y, x)
        What was painted so far.
    labels : ndarray of uint8, shape (z, y, x)
        Organ of every voxel.
    fine, medium, coarse : ndarray of float32, shape (z, y, x)
        Random textures of unit variance with structures of about 3.5, 8 and 24 mm.
    """

    def __init__(
        self,
        geometry: Geometry,
        scale: Sequence[float],
        bends: Sequence[tuple[float, float]],
        rotation_deg: Sequence[float],
        rng: np.random.Generator,
    ) -> None:
        self.geometry = geometry
        self.scale = np.asarray(scale, dtype=np.float64)
        self.turn = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix()
        self.edge_mm = float(np.mean(geometry.spacing_mm))
        self.x, self.y, self.z = self._coordinates(bends, rng)
        self.hu = np.full(geometry.shape_zyx, AIR_HU, dtype=np.float32)
        self.labels = np.zeros(geometry.shape_zyx, dtype=np.uint8)
        self.fine, self.medium, self.coarse = (
            lattice_noise(geometry, wavelength, rng) for wavelength in (3.5, 8.0, 24.0)
        )

    def _coordinates(
        self, bends: Sequence[tuple[float, float]], rng: np.random.Generator
    ) -> tuple[Array, Array, Array]:
        """Return the anatomical x, y and z of every voxel."""
        geometry = self.geometry
        i, j, k = (
            origin + spacing * np.arange(size)
            for origin, spacing, size in zip(
                geometry.origin_lps, geometry.spacing_mm, geometry.size_ijk, strict=True
            )
        )
        result = []
        for row in range(3):
            mx, my, mz = (self.turn / self.scale[:, None])[row]
            straight = (mz * k)[:, None, None] + (my * j)[:, None] + mx * i
            place = straight.astype(np.float32)
            for wavelength, amplitude in bends:
                place += np.float32(amplitude) * lattice_noise(geometry, wavelength, rng)
            result.append(place)
        return result[0], result[1], result[2]

    def at(self, part: Slices) -> tuple[Array, Array, Array]:
        """Return the anatomical coordinates inside `part`."""
        return self.x[part], self.y[part], self.z[part]

    def whole(self) -> Slices:
        """Return the slices of the whole grid."""
        return slice(None), slice(None), slice(None)

    def to_index(self, points: ArrayLike) -> NDArray[np.float64]:
        """Map anatomical points ``(..., 3)`` to continuous (i, j, k) indices, undoing the bending.

        The displacement is smooth, so a few fixed-point steps suffice.
        """
        points = np.asarray(points, dtype=np.float64)
        size = np.asarray(self.geometry.size_ijk)
        turn_back = self.turn.T
        shift = np.zeros_like(points)
        index = np.zeros_like(points)
        for _ in range(4):
            index = self.geometry.lps_to_index(((points - shift) * self.scale) @ turn_back.T)
            near = np.clip(np.rint(index), 0, size - 1).astype(int)
            cell = (near[..., 2], near[..., 1], near[..., 0])
            here = np.stack([self.x[cell], self.y[cell], self.z[cell]], axis=-1)
            straight = (self.geometry.index_to_lps(near) @ self.turn.T) / self.scale
            shift = here - straight
        return index

    def around(self, points: ArrayLike, margin_mm: float | Sequence[float]) -> Slices | None:
        """Return the slices of the box around anatomical points and a margin, None where off the grid."""
        return self.bounds(self.to_index(points).reshape(-1, 3), margin_mm)

    def bounds(self, index_ijk: NDArray[np.float64], margin_mm: float | Sequence[float]) -> Slices | None:
        """Return the slices of the box around grid indices ``(n, 3)`` and a margin, None where off the grid."""
        margin = np.max(margin_mm) if np.any(self.turn != np.eye(3)) else np.asarray(margin_mm)
        margin = (margin + 4.0) * self.scale.max() / np.asarray(self.geometry.spacing_mm)
        lower = np.maximum(np.floor(index_ijk.min(0) - margin), 0).astype(int)
        upper = np.minimum(np.ceil(index_ijk.max(0) + margin) + 1, self.geometry.size_ijk).astype(int)
        if np.any(upper <= lower):
            return None
        (i0, j0, k0), (i1, j1, k1) = lower, upper
        return slice(k0, k1), slice(j0, j1), slice(i0, i1)

    def box(self, lower: Sequence[float], upper: Sequence[float], margin_mm: float = 4.0) -> Slices | None:
        """Return the slices of an anatomical box given by its corners, None where off the grid."""
        steps = [np.linspace(low, up, 3) for low, up in zip(lower, upper, strict=True)]
        return self.around(np.stack(np.meshgrid(*steps), axis=-1), margin_mm)

    def paint(
        self,
        part: Slices,
        distance: Array,
        hu: float | Array,
        label: int | None = 0,
        edge_mm: float | None = None,
    ) -> None:
        """Paint the inside of a shape, with voxels on the border mixed by their share of it.

        Parameters
        ----------
        part : tuple of slices
            Where `distance` lies on the grid.
        distance : ndarray of float32
            Signed distance to the surface in mm, negative inside.
        hu : float or ndarray
            The tissue.
        label : int or None
            Value given to voxels that are mostly inside; None keeps what is there.
        edge_mm : float, optional
            Width of the border; default a mean voxel.
        """
        edge = self.edge_mm if edge_mm is None else edge_mm
        share = np.clip(0.5 - distance / np.float32(edge), 0, 1)
        self.hu[part] += share * (hu - self.hu[part])
        if label is not None:
            self.labels[part][distance < 0] = label

    def clear(self, part: Slices, distance: Array, gap_mm: float, fat_hu: float) -> None:
        """Paint the fat plane that parts a structure from its neighbours, `gap_mm` wide around it."""
        if gap_mm > 0:
            self.paint(part, distance - np.float32(gap_mm), fat_hu + 6 * self.fine[part], 0)
