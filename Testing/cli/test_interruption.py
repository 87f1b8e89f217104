"""Ctrl-C and a kill in every phase of a run: gone, status 130, nothing written."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from bright_model import make_abdomen

from PancreasSegLib.io import write_volume
from PancreasSegLib.volume import Geometry

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stops processes by POSIX signals")

# Runs the program and tells on stdout when it has come to a phase, by wrapping the bar that shows the phases.
SCRIPT = """
import sys
import PancreasSegLib.cli.scan as scan, PancreasSegLib.cli.progress_bar as bar
phase, arguments = sys.argv[1], sys.argv[2:]
def tell(name):
    if name == phase:
        print(name, flush=True)
stage = bar.ProgressBar.stage
def staged(self, name):
    tell(name.split()[0])
    stage(self, name)
bar.ProgressBar.stage = staged
def called(self, event):
    tell(event.stage)
bar.ProgressBar.__call__ = called
from PancreasSegLib.cli.app import main
sys.argv = ["pancreasseg", *arguments]
main()
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A scan of 200 x 160 x 120 voxels, so that each phase takes a moment."""
    path = tmp_path_factory.mktemp("scans") / "large.nii.gz"
    write_volume(path, make_abdomen(geometry=Geometry((200, 160, 120), (1.8, 1.8, 1.7)))[0])
    return path


@pytest.mark.parametrize(
    ("phase", "kind"),
    [
        ("reading", signal.SIGINT),
        ("loading", signal.SIGTERM),
        ("segment", signal.SIGINT),
        ("writing", signal.SIGINT),
    ],
)
def test_interrupted_run_leaves_nothing(large, bright, tmp_path, heeding_sigint, phase, kind):
    command = ["segment", large, "-o", "m.nii.gz", "--picture", "p.png", "--model", bright, "--threads", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, phase, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        preexec_fn=heeding_sigint,
    )
    assert process.stdout.readline() == f"{phase}\n"
    process.send_signal(kind)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "Cancelled; nothing was written."
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
