"""The progress bar: on a terminal, in a log, and quiet."""

from __future__ import annotations

import io

import pytest

from PancreasSegLib.cli import progress_bar
from PancreasSegLib.cli.progress_bar import ProgressBar
from PancreasSegLib.cli.terminal import note, verbosity
from PancreasSegLib.progress import ProgressEvent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(bar: ProgressBar) -> None:
    bar.begin("2/3 scan")
    bar.stage("reading")
    for step in range(11):
        bar(ProgressEvent("segment", step / 10, 10 - step, "segmenting"))


def test_terminal_shows_stage_percent_and_time_left(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with ProgressBar() as bar:
        run(bar)
        bar(ProgressEvent("segment", 0.4, 7.0, "segmenting"))
        bar._bar.refresh()
    text = terminal.getvalue()
    assert "2/3 scan: segmenting" in text
    assert "40%" in text
    assert "7 s left" in text


def test_what_is_said_meanwhile_stands_above_the_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with ProgressBar() as bar:
        bar.stage("reading")
        note("a sentence")
        bar.stage("writing")
        bar._bar.refresh()
    text = terminal.getvalue()
    assert text.index("a sentence") < text.rindex("writing")
    assert "a sentence" not in text[text.rindex("writing") :]


def test_log_gets_sparse_lines(monkeypatch, capsys):
    clock = iter(range(100))
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: float(next(clock)))
    with ProgressBar() as bar:
        run(bar)
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 4
    assert lines[0].startswith("2/3 scan: segmenting ")
    assert "s left" in lines[0]


@pytest.mark.parametrize("tty", [True, False])
def test_quiet_says_nothing(monkeypatch, tty):
    stream = Terminal() if tty else io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(verbosity, "quiet", True)
    monkeypatch.setattr(progress_bar, "LINE_EVERY_S", 0.0)
    with ProgressBar() as bar:
        run(bar)
    assert stream.getvalue() == ""
