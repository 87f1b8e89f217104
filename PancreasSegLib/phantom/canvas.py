"""The grid that a phantom is painted on: bent coordinates, HU, labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from PancreasSegLib.phantom.noise_field import lattice_noise
from PancreasSegLib.volume import Geometry

Slices = tuple[slice, slice, slice]
Array = NDArray[np.floating[Any]]

AIR_HU = -1000.0
_SPARSE_MM = 5.0


def _sparse_grid(geometry: Geometry) -> Geometry:
    """Return a grid over the same voxel centres, about 5 mm apart."""
    span = [(n - 1) * s for n, s in zip(geometry.size_ijk, geometry.spacing_mm, strict=True)]
    size = [
        int(np.clip(np.ceil(length / _SPARSE_MM) + 1, min(2, n), n))
        for length, n in zip(span, geometry.size_ijk, strict=True)
    ]
    spacing = [
        length / (m - 1) if m > 1 else s for length, m, s in zip(span, size, geometry.spacing_mm, strict=True)
    ]
    return Geometry(
        (size[0], size[1], size[2]),
        (spacing[0], spacing[1], spacing[2]),
        geometry.origin_lps,
    )


def _linear_weights(fine: int, sparse: int) -> Array:
    """Return the (fine, sparse) matrix of linear interpolation between two rows that share their ends."""
    place = np.linspace(0, sparse - 1, fine)
    return np.clip(1 - np.abs(place[:, None] - np.arange(sparse)[None, :]), 0, None).astype(np.float32)


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
        self.sparse = _sparse_grid(geometry)
        self._spread = [
            _linear_weights(n, m) for n, m in zip(geometry.size_ijk, self.sparse.size_ijk, strict=True)
        ]
        self.sparse_xyz = self._coordinates(bends, rng)
        self.x, self.y, self.z = (self.spread(values) for values in self.sparse_xyz)
        self.hu = np.full(geometry.shape_zyx, AIR_HU, dtype=np.float32)
        self.labels = np.zeros(geometry.shape_zyx, dtype=np.uint8)
        self.fine, self.medium, self.coarse = (
            lattice_noise(geometry, wavelength, rng) for wavelength in (3.5, 8.0, 24.0)
        )

    def _coordinates(
        self, bends: Sequence[tuple[float, float]], rng: np.random.Generator
    ) -> tuple[Array, Array, Array]:
        """Return the anatomical x, y and z on the sparse grid."""
        geometry = self.sparse
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

    def spread(self, values: Array) -> Array:
        """Interpolate values on the sparse grid to all voxels: cheap, for what changes slowly."""
        wx, wy, wz = self._spread
        plane = wy @ (values @ wx.T)
        return (wz @ plane.reshape(plane.shape[0], -1)).reshape(self.geometry.shape_zyx)

    def at(self, part: Slices) -> tuple[Array, Array, Array]:
        """Return the anatomical coordinates inside `part`."""
        return self.x[part], self.y[part], self.z[part]

    def inside(self, distance: Array, margin_mm: float = 4.0) -> Slices:
        """Return the slices of the box around a solid given on the whole grid; one voxel where it is empty."""
        near = distance < margin_mm
        bounds = []
        for axis in range(3):
            hit = np.flatnonzero(near.any(axis=tuple(a for a in range(3) if a != axis)))
            bounds.append(slice(int(hit[0]), int(hit[-1]) + 1) if hit.size else slice(0, 1))
        return bounds[0], bounds[1], bounds[2]

    def whole(self) -> Slices:
        """Return the slices of the whole grid."""
        return tuple(slice(0, n) for n in self.geometry.shape_zyx)  # type: ignore[return-value]

    def to_index(self, points: ArrayLike) -> NDArray[np.float64]:
        """Map anatomical points ``(..., 3)`` to continuous (i, j, k) indices, undoing the bending.

        The displacement is smooth, so a few fixed-point steps suffice.
        """
        points = np.asarray(points, dtype=np.float64)
        origin, spacing = np.asarray(self.geometry.origin_lps), np.asarray(self.geometry.spacing_mm)
        last = np.asarray(self.geometry.size_ijk) - 1
        shift = np.zeros_like(points)
        index = np.zeros_like(points)
        for _ in range(4):
            index = (((points - shift) * self.scale) @ self.turn - origin) / spacing
            near = np.clip(np.rint(index), 0, last).astype(int)
            cell = (near[..., 2], near[..., 1], near[..., 0])
            here = np.stack([self.x[cell], self.y[cell], self.z[cell]], axis=-1)
            shift = here - ((origin + near * spacing) @ self.turn.T) / self.scale
        return index

    def around(self, points: ArrayLike, margin_mm: float) -> Slices | None:
        """Return the slices of the box around anatomical points and a margin, None where off the grid."""
        return self.bounds(self.to_index(points).reshape(-1, 3), margin_mm)

    def bounds(self, index_ijk: NDArray[np.float64], margin_mm: float) -> Slices | None:
        """Return the slices of the box around grid indices ``(n, 3)`` and a margin, None where off the grid."""
        margin = self.margin(margin_mm)
        lower = np.maximum(np.floor(index_ijk.min(0) - margin), 0).astype(int)
        upper = np.minimum(np.ceil(index_ijk.max(0) + margin) + 1, self.geometry.size_ijk).astype(int)
        if np.any(upper <= lower):
            return None
        (i0, j0, k0), (i1, j1, k1) = lower, upper
        return slice(k0, k1), slice(j0, j1), slice(i0, i1)

    def margin(self, margin_mm: ArrayLike) -> NDArray[np.float64]:
        """Return anatomical mm as voxels along i, j and k, with room for the bending."""
        return (np.asarray(margin_mm) + 4.0) * self.scale.max() / np.asarray(self.geometry.spacing_mm)

    def box(
        self,
        lower: Sequence[float] | NDArray,
        upper: Sequence[float] | NDArray,
        margin_mm: float = 4.0,
    ) -> Slices | None:
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
