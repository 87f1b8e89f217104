"""Areas of surface elements: against shapes whose area is known and against scikit-image's marching cubes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from PancreasSegLib.metrics.surface_area import CORNERS, bounding_slices, neighbourhood_codes, surface_areas


def code_of(corners) -> int:
    return sum(1 << CORNERS.index(tuple(c)) for c in corners)


def test_areas_of_simple_neighbourhoods():
    areas = surface_areas((1.0, 1.0, 1.0))
    triangle = np.sqrt(3) / 8  # between the middles of three edges that meet
    assert areas[0] == areas[255] == 0
    for corner in CORNERS:
        assert areas[code_of([corner])] == pytest.approx(triangle)
        assert areas[255 - code_of([corner])] == pytest.approx(triangle)
    assert areas[code_of([(0, 0, 0), (0, 0, 1)])] == pytest.approx(np.sqrt(0.5))
    assert areas[code_of([(0, 0, 0), (1, 1, 1)])] == pytest.approx(2 * triangle)
    assert areas[code_of([c for c in CORNERS if c[1] == 0])] == pytest.approx(1)
    # a corner and its three neighbours: the regular hexagon of side sqrt(1/2)
    assert areas[code_of([(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)])] == pytest.approx(1.5 * np.sqrt(3) * 0.5)


def test_slices_of_an_anisotropic_cube_are_rectangles():
    areas = surface_areas((2.0, 3.0, 5.0))  # x, y, z
    for axis, area in enumerate((2 * 3, 2 * 5, 3 * 5)):
        for side in (0, 1):
            assert areas[code_of([c for c in CORNERS if c[axis] == side])] == pytest.approx(area)


def test_turning_mirroring_or_inverting_changes_nothing():
    areas = surface_areas((1.0, 1.0, 1.0))
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((0, 1), repeat=3):
            for code in range(256):
                moved = [
                    tuple(c[a] ^ f for a, f in zip(order, flips, strict=True))
                    for bit, c in enumerate(CORNERS)
                    if code >> bit & 1
                ]
                assert areas[code_of(moved)] == pytest.approx(areas[code])
    four = [code for code in range(256) if bin(code).count("1") == 4]
    for code in set(range(256)) - set(four):
        assert areas[code] == pytest.approx(areas[255 - code])


def test_against_marching_cubes_of_scikit_image():
    from skimage.measure import marching_cubes, mesh_surface_area

    spacing = (0.8, 1.1, 2.5)
    areas = surface_areas(spacing)
    for code in range(1, 255):
        cube = np.zeros((2, 2, 2), np.float32)
        for bit, corner in enumerate(CORNERS):
            cube[corner] = code >> bit & 1
        faces = [cube.take(side, axis) for axis in range(3) for side in (0, 1)]
        if any(face[0, 0] == face[1, 1] != face[0, 1] == face[1, 0] for face in faces):
            continue  # a diagonal: more than one surface is right
        points, triangles, _, _ = marching_cubes(cube, 0.5, spacing=spacing[::-1], method="lorensen")
        # loops that are not flat may be filled in several ways, which differ little
        assert areas[code] == pytest.approx(mesh_surface_area(points, triangles), rel=0.1), code


def test_the_surface_of_a_box_is_that_of_its_rounded_hull():
    spacing = (1.0, 2.0, 3.0)
    mask = np.zeros((7, 8, 9), bool)
    mask[1:5, 2:6, 3:8] = True  # 4 x 4 x 5 voxels
    codes = neighbourhood_codes(mask)
    total = surface_areas(spacing)[codes].sum()
    z, y, x = 3 * 3.0, 3 * 2.0, 4 * 1.0  # between the centres of the outermost voxels
    flat = 2 * (z * y + z * x + y * x)
    edges = 4 * (x * np.hypot(1.0, 1.5) + y * np.hypot(0.5, 1.5) + z * np.hypot(0.5, 1.0))
    a, b, c = np.array([0.5, -1, 0]), np.array([0.5, 0, -1.5]), 8
    corners = c * np.linalg.norm(np.cross(a, b)) / 2
    assert total == pytest.approx(flat + edges + corners)


def test_codes_reach_one_beyond_the_border():
    codes = neighbourhood_codes(np.ones((1, 1, 1), bool))
    assert codes.shape == (2, 2, 2)
    assert sorted(codes.ravel()) == [1 << n for n in range(8)]
    full = neighbourhood_codes(np.ones((3, 3, 3), bool))
    assert (full[1:3, 1:3, 1:3] == 255).all()
    assert (full[0] != 255).all()


def test_boxes():
    mask = np.zeros((5, 6, 7), bool)
    assert bounding_slices(mask) is None
    mask[1, 2, 3] = mask[3, 2, 6] = True
    assert bounding_slices(mask) == (slice(1, 4), slice(2, 3), slice(3, 7))
