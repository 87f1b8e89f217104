"""Previews: what they show, that they go on after a resume, and that they change nothing."""

import random

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from observed import a_view, figures, prepared, shifted
from PIL import Image

from PancreasSegLib.pictures.style import OTHERS, OUTLINE, REFERENCE
from PancreasSegLib.training.monitor import previews as module
from PancreasSegLib.training.monitor.preview_planes import preview_case
from PancreasSegLib.training.monitor.previews import Previews
from PancreasSegLib.training.observer import RunSummary
from PancreasSegLib.volume import Box


def where(path, colour):
    pixels = imread(path)[..., :3][62:]  # below the titles
    return np.abs(pixels - to_rgb(colour)).max(axis=-1) < 0.12


def end(step, ending="steps", kept=None):
    return RunSummary(step, 1.0, ending, step if kept is None else kept, 0.8)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_reference_and_prediction_are_outlined_where_they_are(run):
    begun, previews = run(), Previews(1, 1)
    previews.started(begun)
    previews.epoch_ended(10, a_view(prepared(1)))
    picture = begun.folder / "previews" / "step-000010.png"
    reference, prediction = where(picture, REFERENCE), where(picture, OUTLINE)
    for panel in np.array_split(np.arange(reference.shape[1]), 4)[:3]:  # three axial slices
        left = [np.nonzero(drawn[:, panel])[1].min() for drawn in (reference, prediction)]
        assert left[1] > left[0] + 3  # the prediction lies to the patient's left: to the right in the picture
    previews.finished(end(10))
    assert names(begun.folder / "previews") == ["learning.npz", "learning.png", "step-000010.png", "surfaces.png"]


def test_the_planes_hold_the_organ_and_keep_their_place():
    case = prepared(1)
    shown = preview_case(case, (2,))
    box = Box.of_mask(case.label == 2)
    *axial, coronal = [plane.cut for plane in shown.planes]
    levels = [cut[0] for cut in axial]
    assert levels == sorted(levels, reverse=True) and len(levels) == 3
    assert all(box.lower_ijk[2] <= k < box.upper_ijk[2] for k in levels)
    assert levels[shown.key] == (case.label == 2).sum(axis=(1, 2)).argmax()
    assert box.lower_ijk[1] <= coronal[1] < box.upper_ijk[1]
    assert shown.planes[-1].upright
    assert np.array_equal(shown.reference[-1], case.label[coronal][::-1])


def test_a_case_without_the_organ_is_shown_whole():
    case = prepared(1)
    case.label[case.label == 2] = 0
    shown = preview_case(case, (2,))
    assert shown.frame == Box.whole(case.geometry)
    assert len(shown.planes) == 2


def test_several_labels_have_a_colour_each_and_nothing_found_is_said(run):
    begun, previews = run(), Previews(1, 1, labels=["liver", "pancreas"])
    previews.started(begun)
    previews.epoch_ended(10, a_view(prepared(1)))
    picture = begun.folder / "previews" / "step-000010.png"
    assert where(picture, OTHERS[0]).sum() > 200 and where(picture, OUTLINE).sum() > 200
    nothing = a_view(prepared(1), predict=lambda case: np.zeros_like(case.label))
    previews.epoch_ended(20, nothing)
    previews.finished(end(20))
    assert (begun.folder / "previews" / "surfaces.png").is_file()


def test_cases_are_spread_over_the_list_and_no_phantom_is_among_them(run, monkeypatch):
    for drawing in ("write_step", "write_sheet"):
        monkeypatch.setattr(module, drawing, lambda *_: None)
    seen = []
    cases = [prepared(seed, phantom=seed < 3) for seed in range(8)]

    def predict(case):
        seen.append(case.name)
        return shifted(case)

    previews = Previews(3, 1)
    previews.started(run())
    previews.epoch_ended(10, a_view(*cases, predict=predict))
    assert seen == ["case_3", "case_5", "case_7"]
    previews.epoch_ended(20, a_view(*cases, predict=predict))
    assert seen[3:] == seen[:3]


def test_dice_volumes_and_what_lies_elsewhere_are_told(run):
    previews = Previews(1, 1)
    previews.started(run())
    case = prepared(1)
    wide = np.where(case.label == 1, 2, case.label)  # the liver is taken for pancreas, too
    shown = preview_case(case, (2,))
    narrow = Box(shown.frame.lower_ijk, shown.frame.upper_ijk)
    assert narrow.size_ijk != case.geometry.size_ijk
    facts = previews._facts({"pancreas": 0.5}, wide, case, shown)
    assert "Dice 0.500" in facts and " mL found" in facts and " mL true" in facts
    unread = prepared(1, read=(1,))
    assert np.isnan(module._dice(wide, unread, 2))
    assert "not read" in previews._facts({"pancreas": float("nan")}, wide, unread, shown)


def test_a_resumed_run_goes_on_with_the_pictures(run):
    begun, previews = run(), Previews(1, 1)
    previews.started(begun)
    view = a_view(prepared(1))
    for step in (10, 20, 30):
        previews.epoch_ended(step, view)
    again = Previews(1, 1)
    again.started(run(step=20))  # the checkpoint was written at step 20
    folder = begun.folder / "previews"
    assert not (folder / "step-000030.png").exists() and (folder / "step-000020.png").exists()
    again.epoch_ended(30, view)
    again.epoch_ended(40, view)
    assert [step for step, _, _ in again._history] == [10, 20, 30, 40]
    again.finished(end(40))
    with Image.open(folder / "learning.gif") as film:
        assert film.n_frames == 4
    anew = Previews(1, 1)
    anew.started(run(step=0))
    assert not list(folder.glob("step-*.png"))


def test_a_damaged_memory_is_no_hindrance(run):
    begun, previews = run(), Previews(1, 1)
    previews.started(begun)
    previews.epoch_ended(10, a_view(prepared(1)))
    (begun.folder / "previews" / "learning.npz").write_bytes(b"PK half a file")
    again = Previews(1, 1)
    again.started(run(step=10))
    again.epoch_ended(20, a_view(prepared(1)))
    assert [step for step, _, _ in again._history] == [20]


def test_no_random_number_is_drawn(run):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    previews = Previews(1, 1)
    previews.started(run())
    previews.epoch_ended(10, a_view(prepared(1)))
    previews.finished(end(10))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert random.getstate() == before[2]


@pytest.fixture
def drawn_at(monkeypatch):
    """Steps that would have been drawn."""
    steps = []

    def draw(self, step, view, kept_step=None):
        steps.append((step, kept_step) if kept_step is not None else step)
        self._last_step = step

    monkeypatch.setattr(Previews, "_draw", draw)
    return steps


def test_a_short_run_draws_nothing_unless_asked(run, drawn_at):
    for every, wanted in ((0, []), (3, [30, 60, 90, (100, 100)])):
        previews = Previews(1, every)
        previews.started(run())
        for step in range(10, 101, 10):
            previews.stepped(step, figures(step))
            previews.epoch_ended(step, a_view(prepared(1)))
        previews.finished(end(100))
        assert drawn_at == wanted
        drawn_at.clear()


def test_a_long_run_draws_some_and_the_network_that_is_kept(run, drawn_at, monkeypatch):
    monkeypatch.setattr(module, "_FIRST_AFTER_S", 0.0)
    previews = Previews(1)
    previews.started(run())
    for step in range(1, 101):
        previews.epoch_ended(step, a_view(prepared(1)))
    assert 15 <= len(drawn_at) <= 20
    previews.finished(end(100, kept=60))
    assert drawn_at[-1] == (100, 60)


def test_a_cancelled_run_ends_at_once(run, drawn_at):
    previews = Previews(1, 1)
    previews.started(run())
    previews.epoch_ended(10, a_view(prepared(1)))
    previews.finished(end(15, "cancelled"))
    assert drawn_at == [10]
