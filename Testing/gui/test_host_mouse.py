"""The host's mouse over slice views: the application's own zoom, pan, scrolling and window/level answer to it."""

from __future__ import annotations

import numpy as np
import pytest
from panel_in_host import PROJECT  # noqa: F401 - puts the panel on the path
from slices import Slices

from PancreasSegLib.volume import Geometry

pytest_plugins = ["panel_in_host"]  # its fixtures

GRID = Geometry((40, 36, 32), (3.0, 3.0, 4.0), (-60.0, 25.0, 310.0))


@pytest.fixture
def slices(host, add_ct):
    ct = add_ct(GRID)
    return Slices(host, ct)


def test_a_position_is_found_in_the_view_that_shows_it(slices, host):
    middle = slices.middle()
    x, y = host.mouse.pixel("Red", middle)
    assert np.allclose(slices.ras("Red", x, y), middle, atol=1.0)
    with pytest.raises(AssertionError, match="mm off"):
        host.mouse.pixel("Red", np.add(middle, (0, 0, 30)))
    with pytest.raises(AssertionError, match="does not show"):
        host.mouse.pixel("Red", np.add(middle, (900, 0, 0)))


def test_the_right_button_zooms_the_middle_one_pans_and_the_wheel_scrolls(slices, host):
    assert slices.changes_by(lambda: slices.drag("Red", button="Right")) == {"field of view"}
    assert slices.changes_by(lambda: slices.drag("Red", button="Middle")) == {"place"}
    assert slices.changes_by(lambda: slices.drag("Red", shift=True)) == {"place"}
    assert slices.changes_by(lambda: host.mouse.wheel("Red", slices.middle(), 1)) == {"slice"}
    assert slices.changes_by(lambda: slices.drag("Red")) == set()


def test_the_left_button_changes_window_and_level_in_their_mode(slices, host):
    with slices.mode("AdjustWindowLevel"):
        assert slices.changes_by(lambda: slices.drag("Red")) == {"window and level"}


def test_views_are_drawn_when_something_changes_while_they_are_live(slices, host):
    views = host._views
    host.live_views = True
    before = views.drawn
    host.mouse.wheel("Red", slices.middle(), 1)
    host.process_events()
    assert views.drawn > before
