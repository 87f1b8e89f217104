"""One case for a reader: surfaces coloured by the distance to the other one, slices with both outlines."""

from __future__ import annotations

import numpy as np
import pytest

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.pictures.comparison_view import comparison_view
from PancreasSegLib.pictures.distance_map import LIMIT_MM, distance_colours, signed_distances
from PancreasSegLib.pictures.surface_view import surface_mesh
from PancreasSegLib.volume import Geometry, Volume

SPACING = (1.0, 1.25, 2.0)
GRID = Geometry((80, 64, 40), SPACING, (-40.0, -40.0, 10.0))


def ball(radius_mm, centre=(20, 32, 40)):
    z, y, x = np.indices(GRID.shape_zyx)
    parts = ((a - c) * mm for a, c, mm in zip((z, y, x), centre, SPACING[::-1], strict=True))
    return sum(part**2 for part in parts) < radius_mm**2


@pytest.mark.parametrize("grown_mm", [-5.0, 0.0, 5.0])
def test_distances_between_concentric_spheres_have_sign_and_size(grown_mm):
    reference, prediction = ball(22), ball(22 + grown_mm)
    for mask, other, on_reference in ((reference, prediction, True), (prediction, reference, False)):
        vertices, _, _ = surface_mesh(mask, SPACING)
        found = signed_distances(vertices, other, SPACING, on_reference=on_reference)
        if grown_mm:
            assert np.median(found) == pytest.approx(grown_mm, abs=1.0)
            assert (np.sign(found) == np.sign(grown_mm)).mean() > 0.99
        else:
            assert np.abs(found).max() < 2


def test_colours_run_from_missed_through_right_to_too_much():
    missed, right, much = (np.array(distance_colours()(share)[:3]) for share in (0.0, 0.5, 1.0))
    assert missed[2] > 2 * missed[0]
    assert much[0] > 2 * much[2]
    assert right.min() > 0.85
    assert LIMIT_MM == 10


def drawn(reference, prediction):
    rng = np.random.default_rng(0)
    hu = np.where(reference, 90, 20) + rng.normal(0, 5, GRID.shape_zyx)
    figure = comparison_view(Volume(hu.astype(np.int16), GRID), reference, prediction)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)


def orange(picture):
    return ((picture[..., 0] > 150) & (picture[..., 2] < 90) & (picture[..., 0] - picture[..., 2] > 90)).sum()


def blue(picture):
    return ((picture[..., 2] > 150) & (picture[..., 2] - picture[..., 0] > 90)).sum()


def test_what_is_missed_is_blue_and_what_is_too_much_is_orange():
    small, large = drawn(ball(22), ball(12)), drawn(ball(12), ball(22))
    assert blue(small) > 3 * blue(large)
    assert orange(large) > 3 * orange(small)


def test_one_mask_may_be_empty_and_grids_must_fit():
    nothing = np.zeros(GRID.shape_zyx, bool)
    assert blue(drawn(ball(15), nothing)) > 5000
    volume = Volume(np.zeros(GRID.shape_zyx, np.int16), GRID)
    assert comparison_view(volume, nothing, nothing).axes
    with pytest.raises(GeometryError, match="does not lie on the CT's grid"):
        comparison_view(volume, nothing[1:], nothing)
