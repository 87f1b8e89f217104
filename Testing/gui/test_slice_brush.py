"""The brush in the slice views: what it takes from the mouse, what it leaves to the application, what is seen."""

from __future__ import annotations

import numpy as np
import pytest
from panel_in_host import PROJECT  # noqa: F401 - puts the panel on the path
from slices import Slices

from PancreasSegLib.volume import Geometry

pytest_plugins = ["panel_in_host"]  # its fixtures

GRID = Geometry((60, 60, 40), (2.0, 2.0, 3.0), (-60.0, -60.0, 100.0))


@pytest.fixture
def slices(host, add_ct):
    return Slices(host, add_ct(GRID))


class Brush:
    def __init__(self, radius_mm=6.0):
        from PancreasSegPanel.drawing.slice_brush import Look, SliceBrush

        self.strokes, self.factors = [], []
        self.look = Look((0.1, 0.9, 0.6), "+")
        self.it = SliceBrush(self.strokes.append, self.factors.append)
        self.it.radius_mm = radius_mm

    def on(self):
        self.it.switch_on(self.look)
        return self


@pytest.fixture
def brush(host):
    brush = Brush()
    yield brush
    brush.it.switch_off()


@pytest.mark.parametrize("view", ["Red", "Yellow", "Green"])
def test_a_stroke_is_the_way_of_the_pointer_on_the_slice(slices, host, brush, view):
    brush.on()
    way = slices.line(view, (-10, 0), (10, 0), (10, 12))
    host.mouse.drag(view, way)
    (stroke,) = brush.strokes
    assert stroke.view == view
    assert np.allclose(stroke.points_ras[0], way[0], atol=1.0) and np.allclose(
        stroke.points_ras[-1], way[-1], atol=1.0
    )
    assert len(stroke.points_ras) > 8
    normal = slices.axes(view)[2]
    assert np.allclose(np.abs(stroke.normal_ras), np.abs(normal))
    assert np.allclose((stroke.points_ras - way[0]) @ normal, 0, atol=1e-3)


def test_a_pen_that_lands_elsewhere_without_hovering_begins_a_stroke_there(slices, host, brush):
    brush.on()  # Qt makes a press of a pen's touch, and nothing before it
    host.mouse.drag("Red", slices.line("Red", (-10, 0), (10, 0)))
    (far,) = slices.line("Red", (20, 25))
    host.mouse.press("Red", far)
    host.mouse.release("Red", far)
    assert len(brush.strokes) == 2
    assert np.allclose(brush.strokes[1].points_ras, far, atol=1.0)


def test_what_is_not_drawing_stays_the_applications(slices, host, brush):
    brush.on()
    assert slices.changes_by(lambda: slices.drag("Red", button="Right")) == {"field of view"}
    assert slices.changes_by(lambda: slices.drag("Red", button="Middle")) == {"place"}
    assert slices.changes_by(lambda: slices.drag("Red", shift=True)) == {"place"}
    assert slices.changes_by(lambda: host.mouse.wheel("Red", slices.centre("Red"), 1)) == {"slice"}
    assert not brush.strokes
    with slices.mode("AdjustWindowLevel"):  # drawing comes first while the brush is on, and nothing after it
        assert slices.changes_by(lambda: slices.drag("Red")) == set()
    assert len(brush.strokes) == 1
    brush.it.switch_off()
    with slices.mode("AdjustWindowLevel"):
        assert slices.changes_by(lambda: slices.drag("Red")) == {"window and level"}
    assert len(brush.strokes) == 1


def test_switched_off_it_leaves_no_observer_and_nothing_in_the_view(slices, host, brush):
    view = slices.layout.sliceWidget("Red").sliceView()
    interactor = view.interactor()
    renderer = view.renderWindow().GetRenderers().GetFirstRenderer()

    def observers():
        return [
            interactor.HasObserver(name) for name in ("LeaveEvent", "MouseMoveEvent", "LeftButtonDoubleClickEvent")
        ]

    props, before = renderer.GetViewProps().GetNumberOfItems(), observers()
    tags = brush.on().it._views[0]._tags
    assert renderer.GetViewProps().GetNumberOfItems() == props + 2
    brush.it.switch_off()
    assert renderer.GetViewProps().GetNumberOfItems() == props
    assert observers() == before
    assert not any(interactor.GetCommand(tag) for tag in tags.values())


def test_two_quick_dabs_are_two_strokes(slices, host, brush):
    brush.on()
    host.mouse.double_click("Red", slices.centre("Red"))
    assert len(brush.strokes) == 2


def test_shift_and_the_wheel_ask_for_another_size_and_do_not_scroll(slices, host, brush):
    brush.on()
    assert slices.changes_by(lambda: host.mouse.wheel("Red", slices.centre("Red"), 2, shift=True)) == set()
    host.mouse.wheel("Red", slices.centre("Red"), -1, shift=True)
    assert np.prod(brush.factors) == pytest.approx(1.2)


def test_the_outline_is_the_brush_and_then_the_whole_stroke(slices, host, brush):
    slices.ct.GetDisplayNode().SetVisibility(0)

    def bright(view):
        return (host.view_pictures()[view].astype(int) @ [0, 1, 0]) > 150

    for name in slices.layout.sliceViewNames():
        slices.layout.sliceWidget(name).mrmlSliceCompositeNode().SetBackgroundVolumeID(None)
    nothing = bright("Red").sum()
    brush.on()
    host.mouse.move("Red", slices.centre("Red"))
    columns = np.nonzero(bright("Red"))[1]
    per_mm = 1 / np.linalg.norm(slices.ras("Red", 1, 0) - slices.ras("Red", 0, 0))
    circle = bright("Red")[:, : round(columns.min() + 2 * 6 * per_mm) + 1]
    assert np.ptp(np.nonzero(circle)[1]) == pytest.approx(2 * 6.0 * per_mm, abs=3)
    assert not bright("Yellow").any()
    way = slices.line("Red", (-20, 0), (20, 0))
    host.mouse.press("Red", way[0])
    host.mouse.draw("Red", way)
    columns = np.nonzero(bright("Red"))[1]
    assert np.ptp(columns) >= (40 + 12) * per_mm - 4
    middle = bright("Red")[:, host.mouse.pixel("Red", slices.centre("Red"))[0]]
    assert np.ptp(np.nonzero(middle)[0]) == pytest.approx(2 * 6.0 * per_mm, abs=3)
    assert middle.sum() <= 6  # the rim, and no lines inside it
    host.mouse.release("Red", way[-1])
    host.mouse.leave()
    assert bright("Red").sum() == nothing


def test_a_stroke_can_be_dropped_and_is_kept_when_the_brush_is_switched_off(slices, host, brush):
    brush.on()
    way = slices.line("Red", (-10, 0), (10, 0))
    host.mouse.press("Red", way[0])
    host.mouse.draw("Red", way)
    assert brush.it.drawing
    assert brush.it.drop_stroke()
    host.mouse.release("Red", way[-1])
    assert not brush.strokes
    host.mouse.press("Red", way[0])
    host.mouse.draw("Red", way)
    brush.it.switch_off()
    assert len(brush.strokes) == 1
    host.mouse.release("Red", way[-1])
    assert len(brush.strokes) == 1


def test_another_layout_has_the_brush_too(slices, host, brush):
    brush.on()
    slices.layout.setLayout(2)
    slices.drag("Green")
    assert len(brush.strokes) == 1
    brush.it.switch_off()
    slices.layout.setLayout(3)
    slices.drag("Green")
    assert len(brush.strokes) == 1
