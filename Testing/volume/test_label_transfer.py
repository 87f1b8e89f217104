"""Labels on any other grid, by their places in the patient."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.volume import AxisMap, Geometry, Volume, labels_on_grid

SOURCE = Geometry((30, 24, 18), (1.0, 1.2, 2.0), (-15.0, -10.0, 3.0))


def ball(grid, centre_lps, radius_mm):
    nz, ny, nx = grid.shape_zyx
    index = np.stack(np.meshgrid(np.arange(nx), np.arange(ny), np.arange(nz), indexing="ij"), -1).transpose(
        2, 1, 0, 3
    )
    return (((grid.index_to_lps(index) - centre_lps) ** 2).sum(-1) < radius_mm**2).astype(np.uint8)


def test_the_same_grid_changes_nothing():
    labels = np.random.default_rng(0).integers(0, 4, SOURCE.shape_zyx).astype(np.uint8)
    assert np.array_equal(labels_on_grid(Volume(labels, SOURCE), SOURCE), labels)


@pytest.mark.parametrize("seed", range(6))
def test_reordered_and_flipped_axes_are_exact(seed):
    rng = np.random.default_rng(seed)
    matrix = np.eye(3)[rng.permutation(3)] * rng.choice([-1, 1], 3)[:, None]
    grid = Geometry((12, 10, 8), (0.8, 1.1, 3.0), (4.0, -7.0, 20.0), tuple(matrix.ravel()))
    labels = rng.integers(0, 3, grid.shape_zyx).astype(np.uint8)
    axes = AxisMap.to_canonical(grid)
    assert np.array_equal(labels_on_grid(Volume(labels, grid), axes.target), axes.apply(labels))


def test_an_oblique_grid_keeps_place_and_volume():
    centre = np.array([0.0, 3.0, 20.0])
    turned = Rotation.from_euler("xyz", (10, 20, 30), degrees=True).as_matrix()
    size, spacing = (40, 40, 40), (0.8, 0.8, 0.8)
    origin = centre - turned @ (np.array(size) * spacing / 2)
    grid = Geometry(size, spacing, tuple(origin), tuple(turned.ravel()))
    moved = labels_on_grid(Volume(ball(SOURCE, centre, 8), SOURCE), grid)
    expected = ball(grid, centre, 8)
    assert moved.sum() * grid.voxel_volume_ml == pytest.approx(expected.sum() * grid.voxel_volume_ml, rel=0.03)
    assert 2 * (moved & expected).sum() / (moved.sum() + expected.sum()) > 0.93


def test_beyond_the_source_is_background():
    larger = Geometry((60, 48, 36), (1.0, 1.2, 2.0), (-25.0, -20.0, -7.0))
    found = labels_on_grid(Volume(np.ones(SOURCE.shape_zyx, np.uint8), SOURCE), larger)
    assert found.sum() == np.prod(SOURCE.shape_zyx)


def test_another_place_is_refused():
    far = Geometry((10, 10, 10), (1.0, 1.0, 1.0), (900.0, 0.0, 0.0))
    with pytest.raises(GeometryError, match="no voxel in common"):
        labels_on_grid(Volume(np.ones(SOURCE.shape_zyx, np.uint8), SOURCE), far)
