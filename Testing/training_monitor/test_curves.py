"""metrics.png: what is drawn of the CSV files, however incomplete they are."""

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from observed import LABELS, figures, scores_at

from PancreasSegLib.pictures.style import OTHERS, OUTLINE
from PancreasSegLib.training.monitor.csv_columns import read_columns
from PancreasSegLib.training.monitor.curves import CURVES_FILE, Curves, write_curves
from PancreasSegLib.training.observer import RunSummary
from PancreasSegLib.training.record import CsvRecord

DICE = slice(490, 840), slice(90, 875)
LOSS = slice(65, 345), slice(90, 875)


def drawn(path, colour, part, tolerance=0.12):
    pixels = imread(path)[..., :3][part]
    return (np.abs(pixels - to_rgb(colour)).max(axis=-1) < tolerance).any(axis=0).sum()  # columns that show it


def test_loss_and_dice_are_drawn_from_the_files(run):
    begun, record, curves = run(), CsvRecord(), Curves()
    for observer in (record, curves):
        observer.started(begun)
    for step in range(10, 101, 10):
        for observer in (record, curves):
            observer.stepped(step, figures(step, loss=1 / step))
            observer.validated(step, scores_at(step, step / 150))
    curves.finished(RunSummary(100, 50.0, "steps", 100, 0.67))
    path = begun.folder / CURVES_FILE
    assert drawn(path, OUTLINE, LOSS) > 500
    assert drawn(path, OUTLINE, DICE) > 500  # the organ
    assert drawn(path, OTHERS[0], DICE, 0.35) > 500  # the liver, a thin line
    # Dice rises from the lower left to the right
    rows = np.abs(imread(path)[..., :3][DICE] - to_rgb(OUTLINE)).max(axis=-1) < 0.12
    left, right = rows[:, :200].nonzero()[0].min(), rows[:, -200:].nonzero()[0].min()
    assert right < left - 100


def test_a_picture_of_little_and_of_nothing(run):
    folder = run().folder
    assert write_curves(folder, LABELS, "pancreas") is None
    (folder / "losses.csv").write_text("step,seconds,rate,loss\n25,3,0.001,nan\n50,6,0.00")  # being written
    assert read_columns(folder / "losses.csv")["step"].tolist() == [25]
    assert write_curves(folder, LABELS, "pancreas", "nobody is held out") == folder / CURVES_FILE
    (folder / "validation.csv").write_text("step,seconds,liver,pancreas\n25,3,nan,nan\n")
    (folder / CURVES_FILE).unlink()
    assert write_curves(folder, LABELS, "pancreas") is not None
    assert (folder / CURVES_FILE).is_file()


def test_it_is_drawn_at_the_end_of_an_epoch_where_nobody_is_held_out(run):
    begun, record, curves = run(validation=()), CsvRecord(), Curves()
    for step in (0, 5, 10):
        for observer in (record, curves):
            observer.stepped(step, figures(step)) if step else observer.started(begun)
        assert (begun.folder / CURVES_FILE).is_file() == (step == 10)


def test_drawing_takes_no_more_than_its_share(run, monkeypatch):
    from PancreasSegLib.training.monitor import curves as module

    calls = []
    monkeypatch.setattr(module, "write_curves", lambda *a, **k: calls.append(a))
    curves = Curves(share=1e-9)  # the first one, then none in the life of the sun
    curves.started(run())
    for step in range(10, 60, 10):
        curves.validated(step, scores_at(step, 0.5))
    assert len(calls) == 1
    curves.finished(RunSummary(50, 25.0, "steps", 50, 0.5))
    assert len(calls) == 2
