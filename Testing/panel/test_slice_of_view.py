"""Which slice of the CT a slice view shows, on grids of every kind."""

from __future__ import annotations

import numpy as np
import pytest

from PancreasSegLib.errors import MarkError
from PancreasSegLib.volume import Geometry
from PancreasSegPanel.drawing.slice_of_view import slice_of_view


def plane(geometry, axis, index, offset=(3.0, -4.0)):
    """A view's plane on the middle of a slice, somewhere beside the CT's middle."""
    others = [a for a in range(3) if a != axis]
    place = [n / 2 for n in geometry.size_ijk]
    place[axis] = index
    for other, shift in zip(others, offset, strict=True):
        place[other] += shift
    matrix = np.eye(4)
    for column, a in enumerate([*others, axis]):
        matrix[:3, column] = geometry.matrix[:, a] * (-1, -1, 1)
    matrix[:3, 3] = geometry.index_to_lps(place) * (-1, -1, 1)
    return matrix


def turned(matrix, degrees):
    """The same plane turned about its own first axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(4)
    turn[1:3, 1:3] = [[c, -s], [s, c]]
    return matrix @ turn


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shift", [-0.4, 0.0, 0.4])
def test_the_slice_nearest_to_the_plane(grid, axis, shift):
    assert slice_of_view(plane(grid, axis, 7 + shift), grid) == (axis, 7)
    assert slice_of_view(plane(grid, axis, 7 + shift) @ np.diag([1.0, -1, -1, 1]), grid) == (axis, 7)


def test_a_plane_beside_the_ct_is_told_as_it_is(axial):
    assert slice_of_view(plane(axial, 2, -3), axial) == (2, -3)


@pytest.mark.parametrize("degrees", [-20, 4, 44])
def test_a_turned_plane_is_refused(grid, degrees):
    with pytest.raises(MarkError, match=rf"Red is turned .* by {abs(degrees)}°") as caught:
        slice_of_view(turned(plane(grid, 2, 7), degrees), grid, view="Red")
    assert "Rotate to volume plane" in caught.value.hint


def test_a_plane_that_is_turned_a_little_is_looked_at_where_the_organ_is():
    fine = Geometry((100, 100, 100), (2.0, 2.0, 1.0), (-60.0, 25.0, 310.0))
    organ = fine.index_to_lps((50, 90, 20))
    matrix = turned(plane(fine, 2, 50, (0.0, 0.0)), 2.5)
    assert slice_of_view(matrix, fine) == (2, 50)
    axis, index = slice_of_view(matrix, fine, organ * (-1, -1, 1))
    assert axis == 2 and abs(index - 50) == round(80 * np.tan(np.radians(2.5)))  # 40 voxels of 2 mm off the middle
