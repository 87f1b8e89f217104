"""Event files: what is in them, and what happens without the package."""

import pytest
from observed import a_view, figures, prepared, scores_at

from PancreasSegLib.errors import MissingPackageError
from PancreasSegLib.training.monitor import tensorboard as module
from PancreasSegLib.training.monitor.previews import Previews
from PancreasSegLib.training.monitor.tensorboard import TENSORBOARD_FOLDER, TensorBoard
from PancreasSegLib.training.observer import RunSummary

pytest.importorskip("tensorboard", reason="TensorBoard is in the extra `train`")


def events(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run.folder / TENSORBOARD_FOLDER), size_guidance={"images": 0, "scalars": 0})
    found.Reload()
    return found


def series(found, tag):
    return [(event.step, pytest.approx(event.value, rel=1e-5)) for event in found.Scalars(tag)]


def test_scalars_text_and_pictures(run):
    board = TensorBoard()
    previews = Previews(1, 1, drawn=board.pictured)
    begun = run()
    for observer in (board, previews):
        observer.started(begun)
        observer.stepped(10, figures(10, loss=0.7))
        observer.validated(10, scores_at(10, 0.4, best=True, liver=float("nan")))
        observer.epoch_ended(10, a_view(prepared(1)))
    board.stepped(20, {**figures(20, loss=0.6), "grad_norm": float("inf")})
    board.finished(RunSummary(20, 10.0, "steps", 10, 0.4))
    found = events(begun)
    assert series(found, "loss/training") == [(10, 0.7), (20, 0.6)]
    assert series(found, "Dice/pancreas") == [(10, 0.4)]
    assert series(found, "Dice of pancreas by case/case_1") == [(10, 0.4)]
    assert series(found, "schedule/gradient norm") == [(10, 1.0)]
    assert "Dice/liver" not in found.Tags()["scalars"]
    (image,) = found.Images("preview")
    assert image.step == 10 and image.width == 1200
    assert "run/text_summary" in found.Tags()["tensors"]


def test_a_resumed_run_leaves_out_what_lies_past_its_checkpoint(run):
    for start, steps in ((0, (10, 20, 30)), (20, (30, 40))):
        board = TensorBoard()
        board.started(run(step=start))
        for step in steps:
            board.stepped(step, figures(step, loss=1.0 + start))
        board.finished(RunSummary(steps[-1], 1.0, "steps", 0, float("nan")))
    assert series(events(run()), "loss/training") == [(10, 1.0), (20, 1.0), (30, 21.0), (40, 21.0)]


def test_without_the_package_a_sentence(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="TensorBoard is not installed"):
        TensorBoard()
