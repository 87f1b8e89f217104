"""The surface of a mask."""

import numpy as np
import pytest

from PancreasSegLib.pictures.surface_view import surface_mesh


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 5.0), (2.0, 1.0, 3.0)])
def test_a_ball_keeps_its_place_and_size(spacing):
    radius, centre = 20.0, np.array([31.0, 27.0, 30.0])
    size = np.ceil(np.array([62, 56, 62]) / spacing).astype(int)
    k, j, i = np.meshgrid(*(np.arange(n) for n in size[::-1]), indexing="ij")
    place = (np.stack([i, j, k], -1) + 0.5) * spacing
    mask = np.linalg.norm(place - centre, axis=-1) < radius
    vertices, faces, normals = surface_mesh(mask, spacing)
    assert faces.max() < len(vertices) == len(normals)
    middle = (vertices.min(0) + vertices.max(0)) / 2
    np.testing.assert_allclose(middle, centre, atol=1.5)
    np.testing.assert_allclose(np.ptp(vertices, axis=0), 2 * radius, atol=3.5)


def test_a_single_voxel_has_a_surface():
    vertices, faces, _ = surface_mesh(np.ones((1, 1, 1), bool), (0.7, 0.7, 5.0))
    assert len(faces) >= 4 and np.isfinite(vertices).all()
