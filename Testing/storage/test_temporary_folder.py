"""Only temporary folders with our marker, without their owner and with nothing foreign in them are removed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from PancreasSegLib.storage.temporary_folder import MARKER, TemporaryFolder, remove_abandoned, sweep
from PancreasSegLib.worker.owner import leave
from PancreasSegLib.worker.private_folder import private_folder

OLD = 1_000_000.0


def killed_owner(parent: Path, holds: str = "scan-*.npy") -> Path:
    """A temporary folder whose owner was killed, with a file of ours in it."""
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from PancreasSegLib.storage.temporary_folder import TemporaryFolder\n"
        f"folder = TemporaryFolder(Path(sys.argv[1]), holds=[{holds!r}])\n"
        "(folder.path / 'scan-1.npy').write_bytes(b'voxels'); print(folder.path, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, parent], stdout=subprocess.PIPE, encoding="utf-8")
    assert done.returncode == -signal.SIGKILL
    return Path(done.stdout.strip())


def made_by_the_user(parent: Path) -> Path:
    folder = parent / "pancreasseg-results"
    folder.mkdir()
    (folder / "thesis.docx").write_text("years of work")
    return folder


def an_empty_one(parent: Path) -> Path:
    folder = parent / "pancreasseg-for-tomorrow"
    folder.mkdir()
    return folder


def with_a_thesis(parent: Path) -> Path:
    folder = killed_owner(parent)
    (folder / "thesis.docx").write_text("years of work")
    return folder


def with_a_thesis_below(parent: Path) -> Path:
    folder = killed_owner(parent)
    (folder / "notes").mkdir()
    (folder / "notes" / "scan-1.npy").write_text("years of work")
    return folder


def a_renamed_one(parent: Path) -> Path:
    folder = killed_owner(parent)
    return folder.rename(parent / "pancreasseg-kept-for-later")


def with_anothers_marker(parent: Path) -> Path:
    folder = made_by_the_user(parent)
    shutil.copy(killed_owner(parent) / MARKER, folder / MARKER)
    return folder


def with_a_damaged_marker(parent: Path) -> Path:
    folder = killed_owner(parent)
    (folder / MARKER).write_bytes((folder / MARKER).read_bytes()[:-5])
    return folder


def with_an_empty_lock_of_before(parent: Path) -> Path:
    folder = made_by_the_user(parent)
    (folder / "owner.lock").touch()
    return folder


def with_a_marker_that_is_a_link(parent: Path) -> Path:
    folder = killed_owner(parent)
    (folder / MARKER).rename(parent / "elsewhere.json")
    (folder / MARKER).symlink_to(parent / "elsewhere.json")
    return folder


def of_an_unzip_that_runs(parent: Path) -> Path:
    folder = parent / "pancreasseg-zip-abc"
    folder.mkdir()
    (folder / "000000.dcm").write_bytes(b"slice")
    return folder


FOREIGN = [
    made_by_the_user,
    an_empty_one,
    with_a_thesis,
    with_a_thesis_below,
    a_renamed_one,
    with_anothers_marker,
    with_a_damaged_marker,
    with_an_empty_lock_of_before,
    with_a_marker_that_is_a_link,
    of_an_unzip_that_runs,
]


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


@pytest.mark.parametrize("make", FOREIGN, ids=lambda make: make.__name__)
def test_what_is_not_provably_ours_survives_the_start_of_a_worker(tmp_path, make):
    folder = make(tmp_path)
    os.utime(folder, (OLD, OLD))
    before = everything_in(folder)
    mine = private_folder(tmp_path)
    sweep(tmp_path)
    mine.remove()
    assert everything_in(folder) == before
    assert not mine.path.exists()


def test_what_is_not_provably_ours_survives_the_end_of_a_worker(tmp_path):
    folders, children = [], []
    for make in FOREIGN:
        (tmp_path / make.__name__).mkdir()
        folders.append(make(tmp_path / make.__name__))
        os.utime(folders[-1], (OLD, OLD))
    before = everything_in(tmp_path)
    for folder in folders:
        children.append(os.fork())
        if children[-1] == 0:
            leave(folder, with_group=False)
    for child in children:
        os.waitpid(child, 0)
    assert everything_in(tmp_path) == before


def test_what_a_killed_owner_left_is_removed(tmp_path):
    folder = killed_owner(tmp_path)
    assert (folder / "scan-1.npy").exists()
    assert remove_abandoned(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_living_owner_keeps_its_folder_and_then_takes_its_own_alone(tmp_path):
    own = TemporaryFolder(tmp_path, holds=["scan-*.npy"])
    (own.path / "scan-1.npy").write_bytes(b"voxels")
    (own.path / "thesis.docx").write_text("years of work")
    sweep(tmp_path)
    assert (own.path / "scan-1.npy").exists()
    own.remove()
    assert everything_in(own.path) == {"thesis.docx": b"years of work"}


def test_links_in_it_are_not_followed(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "scan-1.npy").write_text("a picture")
    own = TemporaryFolder(tmp_path, holds=["scan-*", "content/**"])
    (own.path / "scan-photos").symlink_to(photos)
    (own.path / "content").symlink_to(photos)
    own.remove()
    assert (photos / "scan-1.npy").read_text() == "a picture"


def test_without_locks_the_process_number_tells(tmp_path):
    folder = killed_owner(tmp_path)
    said = json.loads((folder / MARKER).read_text())
    for changes, gone in (({"host": "another"}, False), ({"pid": os.getpid()}, False), ({}, True)):
        (folder / MARKER).write_text(json.dumps({**said, "locked": False, **changes}))
        assert remove_abandoned(folder) == gone
