"""The surface of a mask."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from PancreasSegLib.pictures.surface_nets import surface_nets, vertex_normals
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


def torus(level: float) -> np.ndarray:
    k, j, i = np.meshgrid(*(np.linspace(-30, 30, n) for n in (50, 60, 55)), indexing="ij")
    return level - np.hypot(np.hypot(i, j) - 18, k)


def test_surface_is_closed_and_its_faces_look_outwards():
    field = torus(7.0)
    vertices, faces = surface_nets(field, 0.0)
    edges = {tuple(edge) for a, b in ((0, 1), (1, 2), (2, 0)) for edge in faces[:, [a, b]].tolist()}
    assert len(edges) == 3 * len(faces)  # no edge runs twice the same way
    assert {(b, a) for a, b in edges} == edges
    assert len(vertices) - len(edges) // 2 + len(faces) == 0  # Euler's number of a ring
    ahead = vertices + 0.5 * vertex_normals(vertices, faces)
    assert (map_coordinates(field, ahead.T, order=1) < 0).mean() > 0.999
    corners = vertices[faces]
    enclosed = np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    voxel = np.prod(60 / (np.array(field.shape) - 1))
    assert enclosed * voxel == pytest.approx(2 * np.pi**2 * 18 * 7**2, rel=0.01)


def test_surface_lies_where_the_level_is_crossed():
    field = torus(7.0)
    vertices, _ = surface_nets(field, 0.0)
    assert np.abs(map_coordinates(field, vertices.T, order=1)).max() < 0.35  # mm; cells are 1.2 mm
