"""Ctrl-C during a training ends it at a good place, from which --resume goes on."""

import subprocess
import sys
import time

import pytest

from PancreasSegLib.data.folder_lock import folder_lock
from PancreasSegLib.errors import RecipeError
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import train_networks


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to a child on Windows")
def test_ctrl_c_keeps_what_was_reached(recipe_file, tmp_path, heeding_sigint):
    import signal

    settings = ["stages.segmenter.steps=100000", "stages.segmenter.time_limit_minutes=20"]
    command = [sys.executable, "-m", "PancreasSegLib", "train", str(recipe_file), *settings, "--threads", "1"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=heeding_sigint
    )
    losses = tmp_path / "runs" / "tiny" / "fold-all" / "segmenter-0" / "losses.csv"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if losses.is_file() and len(losses.read_text().splitlines()) > 1:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=240)[1]
    assert process.returncode == 130, error
    assert "Ending at the next good place" in error
    assert "--resume" in error.splitlines()[-1]
    assert losses.with_name("checkpoint.pt").is_file()
    reached = int(losses.read_text().splitlines()[-1].split(",")[0])
    again = [*command[:-2], f"stages.segmenter.steps={reached + 50}", "--resume", "--threads", "1"]
    done = subprocess.run(again, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    assert "model package" in done.stdout


def test_two_trainings_do_not_write_one_folder(recipe_file, tmp_path):
    folder = tmp_path / "runs" / "tiny" / "fold-all" / "segmenter-0"
    folder.mkdir(parents=True)
    with folder_lock(folder), pytest.raises(RecipeError, match="Another training"):
        train_networks(load_recipe(recipe_file), resume=True)
    assert not (folder / "losses.csv").exists()
