"""Outputs are there whole or not at all, and what cannot be written is refused before and not after a long run."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from PancreasSegLib.errors import GeometryError, OutputError
from PancreasSegLib.io import atomic_path, check_writable, read_labels, write_mask, write_volume
from PancreasSegLib.io.nifti_file import write_nifti
from PancreasSegLib.volume import Geometry, Volume

GRID = Geometry((20, 16, 12), (0.8, 0.8, 2.5))
MASK = (np.random.default_rng(0).random(GRID.shape_zyx) > 0.5).astype(np.uint8)
EXTENSIONS = (".nii.gz", ".nii", ".nrrd", ".mha", ".seg.nrrd")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _one_sentence(error: pytest.ExceptionInfo[OutputError]) -> str:
    assert error.value.message.endswith(".")
    assert "\n" not in error.value.message
    return error.value.message


def test_the_file_appears_at_the_end(tmp_path):
    target = tmp_path / "new" / "folder" / "report.json"
    with atomic_path(target) as temporary:
        assert temporary.is_relative_to(target.parent) and temporary.name == "report.json"
        temporary.write_text("{}")
        assert not target.exists()
    assert target.read_text() == "{}"
    assert _names(target.parent) == ["report.json"]


def test_a_failure_keeps_the_old_file(tmp_path):
    target = tmp_path / "report.json"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert _names(tmp_path) == ["report.json"]


@pytest.mark.parametrize(
    ("number", "word"),
    [(errno.ENOSPC, "full"), (errno.EACCES, "not writable"), (errno.EROFS, "read-only"), (errno.EDQUOT, "quota")],
)
def test_what_the_system_refuses_is_a_sentence(tmp_path, number, word):
    target = tmp_path / "report.json"
    with pytest.raises(OutputError) as error, atomic_path(target) as temporary:
        temporary.write_text("half")
        raise OSError(number, os.strerror(number), str(temporary))
    assert word in _one_sentence(error)
    assert str(target) in error.value.message
    assert _names(tmp_path) == []


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(OutputError), atomic_path(tmp_path / "report.json"):
        pass
    assert _names(tmp_path) == []


def test_a_link_stays_a_link(tmp_path):
    real = tmp_path / "real.json"
    real.write_text("old")
    link = tmp_path / "link.json"
    link.symlink_to(real)
    with atomic_path(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files here")
def test_a_full_disk_while_masks_are_written(tmp_path):
    """A limit on the size of files makes every write fail half way, as a full disk does, inside ITK too."""
    code = """
        import resource, signal, sys
        import numpy as np
        from PancreasSegLib.errors import OutputError
        from PancreasSegLib.io import write_mask
        from PancreasSegLib.volume import Geometry
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        grid = Geometry((60, 60, 30), (1, 1, 1))
        mask = np.random.default_rng(0).integers(0, 255, grid.shape_zyx, dtype=np.uint8)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        for target in sys.argv[1:]:
            try:
                write_mask(target, mask, grid)
            except OutputError as error:
                print(error)
    """
    targets = [tmp_path / f"mask{extension}" for extension in EXTENSIONS]
    for target in targets:
        target.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *targets], capture_output=True, text=True, check=True
    )
    lines = done.stdout.strip().splitlines()
    assert len(lines) == len(targets) and all("mask" in line for line in lines)
    assert done.stderr == ""
    assert {target.read_text() for target in targets} == {"old"}
    assert _names(tmp_path) == sorted(target.name for target in targets)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_what_is_on_the_disk_is_compared(tmp_path, monkeypatch, extension):
    """A disk that loses bytes without a word is noticed."""
    import SimpleITK as sitk

    def lossy(write):
        def written(*arguments, **options):
            write(*arguments, **options)
            path = next(Path(a) for a in arguments if isinstance(a, (str, Path)))
            path.write_bytes(path.read_bytes()[:-60])

        return written

    monkeypatch.setattr(sitk, "WriteImage", lossy(sitk.WriteImage))
    monkeypatch.setattr("PancreasSegLib.io.write.write_nifti", lossy(write_nifti))
    with pytest.raises(OutputError) as error:
        write_mask(tmp_path / f"mask{extension}", MASK, GRID)
    assert "whole" in _one_sentence(error)
    assert _names(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["mask", "mask.txt", "mask.png", "mask.nii.bz2", "mask.mhd", "mask.nhdr", "mask.gz"]
)
def test_unknown_extensions(tmp_path, name):
    for write in (
        lambda path: write_mask(path, MASK, GRID),
        lambda path: write_volume(path, Volume(MASK, GRID)),
        check_writable,
    ):
        with pytest.raises(OutputError) as error:
            write(tmp_path / name)
        assert name in _one_sentence(error)
        assert ".nii.gz" in error.value.hint
    assert _names(tmp_path) == []


def test_extensions_of_another_kind_of_output(tmp_path):
    check_writable(tmp_path / "report.json", (".json",))
    check_writable(tmp_path / "anything", None)
    with pytest.raises(OutputError):
        check_writable(tmp_path / "report.txt", (".json",))


@pytest.mark.parametrize("folder", ["/proc/none", "/dev/full", "/dev/null/deeper"])
def test_folders_that_cannot_be_written(folder):
    if not Path("/proc").exists():
        pytest.skip("no /proc here")
    for write in (check_writable, lambda path: write_mask(path, MASK, GRID)):
        with pytest.raises(OutputError) as error:
            write(f"{folder}/mask.nii.gz")
        assert "cannot be written" in _one_sentence(error)


def test_a_file_as_folder(tmp_path):
    (tmp_path / "file").write_text("here")
    for write in (check_writable, lambda path: write_mask(path, MASK, GRID)):
        with pytest.raises(OutputError) as error:
            write(tmp_path / "file" / "mask.nii.gz")
        assert "is a file" in _one_sentence(error)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="not writable"):
            check_writable(tmp_path / "mask.nii.gz")
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_or_a_device_in_its_place(tmp_path):
    (tmp_path / "mask.nii.gz").mkdir()
    (tmp_path / "null.nii.gz").symlink_to("/dev/null")
    for name, word in (("mask.nii.gz", "folder"), ("null.nii.gz", "regular file")):
        for write in (check_writable, lambda path: write_mask(path, MASK, GRID)):
            with pytest.raises(OutputError) as error:
                write(tmp_path / name)
            assert word in _one_sentence(error)
    assert Path("/dev/null").is_char_device() or os.name == "nt"


def test_a_name_that_is_too_long(tmp_path):
    for write in (check_writable, lambda path: write_mask(path, MASK, GRID)):
        with pytest.raises(OutputError) as error:
            write(tmp_path / ("a" * 300 + ".nii.gz"))
        assert "too long" in _one_sentence(error)


@pytest.mark.parametrize("name", ["m" * 248 + ".nii.gz", "m" * 246 + ".seg.nrrd", "Maske 膵臓 ü.mha"])
def test_long_and_foreign_names(tmp_path, name):
    write_mask(tmp_path / name, MASK, GRID)
    assert np.array_equal(read_labels(tmp_path / name).voxels, MASK)
    assert _names(tmp_path) == [name]


def test_checking_leaves_nothing(tmp_path):
    check_writable(tmp_path / "new" / "mask.nii.gz")
    assert _names(tmp_path) == []


def test_the_input_is_never_overwritten(tmp_path):
    path = tmp_path / "ct.nii.gz"
    write_volume(path, Volume(MASK, GRID))
    before = path.read_bytes()
    (tmp_path / "alias.nii.gz").symlink_to(path)
    source = Volume(MASK, GRID, {"path": str(path), "format": "nii.gz"})
    for name in ("ct.nii.gz", "alias.nii.gz"):
        with pytest.raises(OutputError, match="input itself"):
            write_mask(tmp_path / name, MASK, GRID, source=source)
        with pytest.raises(OutputError, match="input itself"):
            check_writable(tmp_path / name, inputs=[path])
    assert path.read_bytes() == before


def test_masks_that_fit_no_grid_or_type(tmp_path):
    with pytest.raises(GeometryError, match="does not fit"):
        write_mask(tmp_path / "mask.nii.gz", MASK[1:], GRID)
    for wrong in (MASK.astype(np.int16) * 300, MASK.astype(np.int16) - 1):
        with pytest.raises(OutputError, match="0 to 255"):
            write_mask(tmp_path / "mask.nii.gz", wrong, GRID)
    assert _names(tmp_path) == []
    write_mask(tmp_path / "mask.nii.gz", MASK.astype(bool), GRID)
    assert np.array_equal(read_labels(tmp_path / "mask.nii.gz").voxels, MASK)


def test_masks_are_written_for_everybody_whom_the_umask_allows(tmp_path):
    if os.name == "nt":
        pytest.skip("no umask here")
    write_mask(tmp_path / "mask.nii.gz", MASK, GRID)
    (tmp_path / "plain").touch()
    assert (tmp_path / "mask.nii.gz").stat().st_mode == (tmp_path / "plain").stat().st_mode
