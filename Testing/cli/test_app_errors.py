"""What becomes of errors on the command line: one sentence, the right exit status, a traceback only on request."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
import typer

from PancreasSegLib.cli import app as cli
from PancreasSegLib.cli.problem import problem_of
from PancreasSegLib.cli.shared_options import with_shared_options
from PancreasSegLib.cli.terminal import complain
from PancreasSegLib.errors import CancelledError, NoPancreasError, PancreasSegError, UnreadableFileError


@pytest.fixture
def failing(monkeypatch):
    """An app whose command `fail` raises what it is told to."""

    def build(error: BaseException) -> None:
        app = typer.Typer(pretty_exceptions_enable=False)

        def fail() -> None:
            raise error

        app.command("fail")(with_shared_options(fail))
        app.command("other")(with_shared_options(lambda: None))
        monkeypatch.setattr(cli, "program", lambda names: app)

    return build


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (UnreadableFileError("'a.nii.gz' is empty.", "Copy it again."), 2, "'a.nii.gz' is empty. Copy it again."),
        (NoPancreasError("No pancreas is in view."), 3, "No pancreas is in view."),
        (CancelledError(), 130, "Cancelled; nothing was written."),
        (KeyboardInterrupt(), 130, "Cancelled; nothing was written."),
        (MemoryError(), 2, "There is not enough memory for this."),
        (
            RuntimeError("boom\nat line 3"),
            2,
            "Something inside PancreasSeg failed (RuntimeError: boom at line 3).",
        ),
    ],
)
def test_error_becomes_one_sentence(failing, capsys, error, status, sentence):
    failing(error)
    assert cli.run(["fail"]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(sentence)
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["fail", "--debug"]])
def test_debug_shows_the_traceback_before_the_sentence(failing, capsys, arguments):
    failing(UnreadableFileError("'a.nii.gz' is empty."))
    assert cli.run(arguments) == 2
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.rstrip().endswith("'a.nii.gz' is empty.")


def test_success_is_status_0(failing, capsys):
    failing(RuntimeError())
    assert cli.run(["other"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["segment"], "Missing argument 'INPUT'"),
        (["segment", "a.nii.gz", "--no-such-option"], "No such option"),
        (["segment", "a.nii.gz", "--threads", "zero"], "Invalid value for '--threads'"),
        (["no-such-command"], "No such command"),
    ],
)
def test_mistake_in_the_options_is_one_sentence(capsys, arguments, part):
    assert cli.run(arguments) == 2
    err = capsys.readouterr().err
    assert part in err
    assert err.count("\n") == 1
    assert "--help" in err


@pytest.mark.parametrize(("arguments", "part"), [([], "segment"), (["models"], "verify")])
def test_no_arguments_show_the_help(capsys, arguments, part):
    assert cli.run(arguments) == 0
    out, err = capsys.readouterr()
    assert part in out
    assert err == ""


def test_version(capsys):
    from PancreasSegLib import __version__

    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"pancreasseg {__version__}\n"


def test_line_ends_and_markup_in_a_file_name_stay_harmless(capsys):
    complain(UnreadableFileError("'a\nb[red]\x1b[31m.nii' is empty."))
    err = capsys.readouterr().err
    assert err == "'a\\nb[red]\\x1b[31m.nii' is empty.\n"


def test_a_long_sentence_is_not_folded(capsys):
    complain(UnreadableFileError(f"{'long/' * 60!r} does not exist."))
    assert capsys.readouterr().err.count("\n") == 1


def test_problem_keeps_a_user_error_as_it_is():
    error = PancreasSegError("One sentence.")
    assert problem_of(error) is error


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM there")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_program_with_130(kind, heeding_sigint):
    script = (
        "import sys, time\n"
        "from PancreasSegLib.cli import app\n"
        "def slow() -> None:\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "slowly = app.program([])\n"
        "slowly.command('slow')(app.with_shared_options(slow))\n"
        "app.program = lambda names: slowly\n"
        "sys.argv = ['pancreasseg', 'slow']\n"
        "app.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeding_sigint,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(kind)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "Cancelled; nothing was written.\n"
