"""A folder that is replaced is the old one or the new one, whatever ends the process."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from PancreasSegLib.errors import OutputError
from PancreasSegLib.storage import replacement
from PancreasSegLib.storage.replacement import new_folder
from PancreasSegLib.storage.temporary_folder import sweep

SCRIPT = """
    import os, signal, sys
    from pathlib import Path
    from PancreasSegLib.storage import replacement

    target, moment, exchange, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True", sys.argv[4]
    if not exchange:
        replacement.exchange = lambda one, other: False
    calls = 0

    def spied(function):
        def call(*arguments, **options):
            global calls
            for before in (True, False):
                calls += 1
                if calls == moment:
                    if how == "kill":
                        os.kill(os.getpid(), signal.SIGKILL)
                    raise KeyboardInterrupt
                if before:
                    result = function(*arguments, **options)
            return result
        return call

    with replacement.new_folder(target, True, lambda folder: None) as new:
        (new / "content").write_text("new")
        for name in ("rename", "unlink", "rmdir"):
            setattr(Path, name, spied(getattr(Path, name)))
        replacement.exchange = spied(replacement.exchange)
    print("whole", calls)
"""


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("how", ["kill", "interrupt"])
def test_old_or_new_at_every_moment(tmp_path, exchange, how):
    """Kill or interrupt before and after each call that changes a name; old or new is there at the next start."""
    seen = set()
    for moment in range(1, 60):
        target = tmp_path / str(moment) / "package"
        target.mkdir(parents=True)
        (target / "content").write_text("old")
        command = [sys.executable, "-c", textwrap.dedent(SCRIPT), target, str(moment), str(exchange), how]
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
        if exchange:  # with an exchange nothing has to be mended
            assert target.is_dir(), f"moment {moment}"
        sweep(target.parent)
        assert (target / "content").read_text() in ("old", "new"), f"moment {moment}"
        # an empty folder whose marker has just gone is nobody's, so nobody removes it
        left = [path for path in target.parent.iterdir() if path != target and any(path.iterdir())]
        assert not left, f"moment {moment}"
        seen.add((target / "content").read_text())
        if "whole" in done.stdout:
            break
        assert done.returncode == (-signal.SIGKILL if how == "kill" else -signal.SIGINT), done.stderr
    assert "whole" in done.stdout and seen == {"old", "new"}


def test_what_may_not_be_replaced_stays(tmp_path):
    target = tmp_path / "photos"
    target.mkdir()
    (target / "photo.jpg").write_text("a picture")

    def refuse(folder: Path) -> None:
        raise OutputError(f"{folder} is not ours.")

    with pytest.raises(OutputError, match="not ours"), new_folder(target, True, refuse):
        pytest.fail("The block was entered.")
    assert (target / "photo.jpg").read_text() == "a picture"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot exchange names")
def test_names_are_exchanged(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / folder.name).touch()
    assert replacement.exchange(one, other)
    assert (one / "other").exists() and (other / "one").exists()
    assert not replacement.exchange(one, tmp_path / "missing")
