"""The table of a training: drawn wide and narrow, and as lines."""

import dataclasses
import io

import pytest
from observed import figures, scores_at
from rich.console import Console

from PancreasSegLib.training.monitor.training_table import TrainingTable, sparkline
from PancreasSegLib.training.observer import RunSummary, ValidationScores


def rendered(table, width=120, encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace", newline="")
    Console(file=stream, width=width, force_terminal=False).print(table)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@pytest.fixture
def table(run):
    shown = TrainingTable()
    shown.started(run())
    for step in range(10, 91, 10):
        shown.stepped(step, figures(step, loss=1 / step))
        shown.validated(step, scores_at(step, 0.8 if step == 20 else step / 200, best=step == 20))
    return shown


def test_it_tells_how_far_how_good_and_how_long_still(table):
    text = rendered(table)
    for words in ("recipe · fold-0 · segmenter-0", "1.23 M parameters", "90%", "step 90 of 100", "5 s left"):
        assert words in text
    for words in ("loss 0.01111", "rate 1.00e-03", "0.5 s a step (10% patches)", "pancreas", "liver", "█"):
        assert words in text
    rows = [line for line in text.splitlines() if " s " in line and "0.900" in line]
    assert len(rows) == 6  # the last ones, and the best one though it was long ago
    assert rows[0].split()[0] == "20" and rows[0].rstrip().endswith("best")
    assert [row.split()[0] for row in rows[1:]] == ["50", "60", "70", "80", "90"]


def test_narrow_terminals_and_many_labels(run):
    labels = tuple(f"organ number {n}" for n in range(13))
    shown = TrainingTable()
    shown.started(run(labels=labels, organ="organ number 7"))
    shown.stepped(10, figures(10))
    means = dict.fromkeys(labels, 0.5)
    shown.validated(10, ValidationScores(10, 5.0, {}, means, 0.5, True))
    for width in (200, 80, 40):
        lines = rendered(shown, width).splitlines()
        assert max(map(len, lines)) <= width
    assert "mean" in rendered(shown, 80) and "mean" not in rendered(shown, 220)
    assert "█" not in rendered(shown, 80, "ascii")


def test_before_the_first_step_and_after_the_last(run):
    shown = TrainingTable()
    shown.preparing = "prepare cases: case_1 (50%)"
    assert "case_1" in rendered(shown) and shown.progress_line() == shown.preparing
    assert shown.validation_line() == ""
    shown.started(run(step=40))
    assert "40%  step 40 of 100" in rendered(shown) and "case_1" not in rendered(shown)
    shown.validated(50, scores_at(50, 0.7, best=True))
    shown.finished(RunSummary(60, 200.0, "early stopping", 50, 0.7))
    assert shown.is_idle
    line = (
        "stopped early, nothing was gained any more, 60 steps in 3 min; best Dice of the pancreas 0.700 at step 50"
    )
    assert line in " ".join(rendered(shown, 300).split())


def test_a_resumed_run_shows_what_was_validated_before(run):
    begun = run(step=40)
    text = "step,seconds,liver,pancreas\n20,10,0.9,0.6\n30,15,0.9,0.8\n40,20,0.9,nan\n"
    (begun.folder / "validation.csv").write_text(text)
    shown = TrainingTable()
    shown.started(begun)
    rows = [line.split() for line in rendered(shown).splitlines() if "0.900" in line]
    assert [row[0] for row in rows] == ["20", "30", "40"] and rows[1][-1] == "best"
    shown.validated(50, scores_at(50, 0.7))
    assert shown.best.step == 30


def test_lines_for_a_log(table):
    assert table.progress_line() == "segmenter-0: step 90 of 100 (90%), loss 0.01111, rate 0.001, 5 s left"
    assert table.validation_line() == "segmenter-0: step 90, Dice pancreas 0.450, liver 0.900"
    unread = dataclasses.replace(scores_at(100, float("nan")), best=True)
    table.validated(100, unread)
    assert table.validation_line() == "segmenter-0: step 100, Dice liver 0.900 (best)"
    assert "-" in rendered(table)


def test_a_sparkline_of_anything():
    assert sparkline([], 5) == "" and sparkline([float("nan")], 5) == ""
    assert sparkline([1.0, 1.0], 5) == "▁▁"
    assert len(sparkline(list(range(1000)), 24)) == 24
