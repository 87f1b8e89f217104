"""Corrected cases come back as they were saved; nobody's name does; no crash leaves half a case."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_grids import grids
from small_case import small_case

from PancreasSegLib.data import TrainingCase, count_cases, read_dataset, read_provenance, save_training_case
from PancreasSegLib.data import case_files as files_module
from PancreasSegLib.data import training_folder as folder_module
from PancreasSegLib.errors import CaseExistsError, DatasetError, OutputError
from PancreasSegLib.io import read_labels, read_volume
from PancreasSegLib.volume import Geometry, Volume


def files_of(folder: Path) -> set[str]:
    """All files of a folder but its lock."""
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return found - {".pancreasseg.lock"}


def everything(folder: Path) -> bytes:
    """What is on the disk, unpacked, with the names of the files."""
    content = b""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        raw = path.read_bytes()
        content += path.name.encode() + (gzip.decompress(raw) if path.suffix == ".gz" else raw)
    return content


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grid=grids(max_size=4), seed=st.integers(0, 2**32 - 1), fractional=st.booleans())
def test_a_case_comes_back_to_the_voxel_on_any_grid(tmp_path_factory, grid, seed, fractional):
    geometry = Geometry(tuple(n + 8 for n in grid.size_ijk), grid.spacing_mm, grid.origin_lps, grid.direction_lps)
    rng = np.random.default_rng(seed)
    hu = rng.integers(-3024, 3072, geometry.shape_zyx).astype(np.int16)
    voxels = (hu * 0.5).astype(np.float32) if fractional else hu
    mask = (rng.random(geometry.shape_zyx) > 0.7).astype(np.uint8)
    marks = rng.integers(0, 3, geometry.shape_zyx).astype(np.uint8)
    folder = tmp_path_factory.mktemp("cases")
    saved = save_training_case(folder, TrainingCase(Volume(voxels, geometry), mask, marks=marks))

    case = read_dataset(folder).cases[0]
    ct, label = read_volume(case.image, assume_ct=True), read_labels(case.label)
    assert case.name == saved.name
    assert ct.voxels.dtype == voxels.dtype
    assert np.array_equal(ct.voxels, voxels)
    assert np.array_equal(label.voxels, mask)
    assert np.array_equal(read_labels(folder / saved.record.files["marks"]["path"]).voxels, marks)
    assert ct.geometry.matches(geometry, 1e-3)
    assert label.geometry.matches(ct.geometry, 1e-6)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grid=grids(max_size=3, max_angle=0.0), seed=st.integers(0, 999))
def test_the_same_scan_is_the_same_case_however_its_axes_run(tmp_path_factory, grid, seed):
    geometry = Geometry(tuple(n + 8 for n in grid.size_ijk), grid.spacing_mm, grid.origin_lps, grid.direction_lps)
    rng = np.random.default_rng(seed)
    ct = Volume(rng.integers(-1000, 1000, geometry.shape_zyx).astype(np.int16), geometry)
    turned, axes = ct.canonical()
    mask = np.ones(geometry.shape_zyx, np.uint8)
    folder = tmp_path_factory.mktemp("cases")
    save_training_case(folder, TrainingCase(ct, mask))
    with pytest.raises(CaseExistsError):
        save_training_case(folder, TrainingCase(turned, axes.apply(mask)))


def test_the_folder_is_as_the_contract_says(tmp_path, make_case):
    marks = np.zeros((12, 16, 20), np.uint8)
    marks[5, 5, 5:9] = 1
    marks[6, 2, 2:4] = 2
    case = make_case(marks=marks, model_version="2", licence="CC BY 4.0", series_uid="1.2.3", kind="dicom")
    saved = save_training_case(tmp_path / "new" / "cases", case)
    folder, name = saved.folder, saved.name
    assert files_of(folder) == {
        "dataset.json",
        "provenance.json",
        *(f"{part}/{name}.nii.gz" for part in ("imagesTr", "labelsTr", "marksTr")),
    }
    index = json.loads((folder / "dataset.json").read_text())
    assert index["labels"] == {"0": "background", "1": "pancreas"}
    assert index["training"] == [
        {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"},
    ]
    assert index["numTraining"] == 1
    record = json.loads((folder / "provenance.json").read_text())["cases"][name]
    assert record["state"] == "accepted"
    assert record["reader"] == "A. Reader"
    assert record["labels_present"] == ["pancreas"]
    assert record["marks"] == {"include": 4, "exclude": 2}
    assert record["model"] == {"name": "default", "version": "2"}
    assert record["licence"] == "CC BY 4.0"
    assert record["source"] == {"kind": "dicom", "series_sha256": hashlib.sha256(b"1.2.3").hexdigest()}
    assert record["volume_ml"]["pancreas"] == pytest.approx(4 * 6 * 7 * 0.8 * 0.9 * 2.5 / 1000, abs=1e-3)
    for file in record["files"].values():
        assert hashlib.sha256((folder / file["path"]).read_bytes()).hexdigest() == file["sha256"]
    assert name == f"case_{record['content_sha256'][:12]}"
    case = read_dataset(folder).cases[0]
    assert case.labels_present == ("pancreas",)
    assert case.patient == name


def test_no_identifier_is_left_anywhere(tmp_path, make_case):
    case = make_case()
    source = {
        "path": "/data/DOE^JOHN/4711.dcm",
        "series_uid": "1.2.840.113619.2.55.3",
        "warnings": [{"code": "x", "sentence": "DOE^JOHN"}],
    }
    ct = Volume(case.ct.voxels, case.ct.geometry, source)
    saved = save_training_case(
        tmp_path, make_case(ct=ct, series_uid="1.2.840.113619.2.55.3", study_uid="1.2.840.99.1", kind="dicom")
    )
    content = everything(saved.folder)
    for secret in (b"DOE", b"JOHN", b"4711", b"1.2.840"):
        assert secret not in content
    header = gzip.decompress((tmp_path / saved.record.files["image"]["path"]).read_bytes())[:348]
    assert not header[4:36].strip(b"\0r")  # data_type, db_name
    assert not header[148:252].strip(b"\0")  # descrip, aux_file
    assert not header[328:344].strip(b"\0")  # intent_name


def test_scans_of_one_study_are_one_patient(tmp_path, make_case):
    save_training_case(tmp_path, make_case(0, study_uid="1.2.3"))
    save_training_case(tmp_path, make_case(1, study_uid="1.2.3"))
    save_training_case(tmp_path, make_case(2, study_uid="1.2.3", patient="P7"))
    save_training_case(tmp_path, make_case(3))
    cases = read_dataset(tmp_path).cases
    patients = sorted(case.patient for case in cases)
    assert len(set(patients)) == 3
    assert "P7" in patients


def test_a_second_save_is_refused_unless_told_to_replace(tmp_path, make_case):
    first = save_training_case(tmp_path, make_case())
    before = everything(tmp_path)
    other = np.zeros((12, 16, 20), np.uint8)
    other[1, 1, 1] = 1
    with pytest.raises(CaseExistsError, match=r"accepted.*A\. Reader"):
        save_training_case(tmp_path, make_case(mask=other, reader="B"))
    assert everything(tmp_path) == before
    image = (tmp_path / first.record.files["image"]["path"]).stat().st_mtime_ns
    second = save_training_case(tmp_path, make_case(mask=other, reader="B"), overwrite=True)
    assert second.replaced
    assert (second.name, second.accepted) == (first.name, 1)
    assert read_provenance(tmp_path)[first.name].reader == "B"
    assert read_labels(read_dataset(tmp_path).cases[0].label).voxels.sum() == 1
    assert (tmp_path / first.record.files["image"]["path"]).stat().st_mtime_ns == image  # not written again


def test_a_damaged_image_is_mended_by_replacing(tmp_path, make_case):
    saved = save_training_case(tmp_path, make_case())
    image = tmp_path / saved.record.files["image"]["path"]
    image.write_bytes(b"")
    save_training_case(tmp_path, make_case(), overwrite=True)
    assert np.array_equal(read_volume(image, assume_ct=True).voxels, make_case().ct.voxels)


def test_a_rejected_case_is_kept_but_never_learnt_from(tmp_path, make_case):
    saved = save_training_case(tmp_path, make_case(0))
    rejected = save_training_case(tmp_path, make_case(1, state="rejected"))
    assert (rejected.accepted, rejected.rejected) == (1, 1)
    assert [case.name for case in read_dataset(tmp_path).cases] == [saved.name]
    assert not [name for name in files_of(tmp_path) if rejected.name in name and not name.startswith("rejected/")]
    # The reader changes her mind, twice: the files move with the state.
    save_training_case(tmp_path, make_case(1), overwrite=True)
    assert len(read_dataset(tmp_path).cases) == 2
    assert not list((tmp_path / "rejected").rglob("*.nii.gz"))
    save_training_case(tmp_path, make_case(0, state="rejected"), overwrite=True)
    assert count_cases(tmp_path) == (1, 1)
    assert [case.name for case in read_dataset(tmp_path).cases] == [rejected.name]
    assert len(files_of(tmp_path)) == 2 + 2 * 2


def test_a_rejected_case_that_is_listed_by_hand_is_not_read(tmp_path, make_case):
    save_training_case(tmp_path, make_case(0))
    rejected = save_training_case(tmp_path, make_case(1, state="rejected"))
    index = json.loads((tmp_path / "dataset.json").read_text())
    files = rejected.record.files
    index["training"].append({"image": files["image"]["path"], "label": files["label"]["path"]})
    (tmp_path / "dataset.json").write_text(json.dumps(index))
    assert len(read_dataset(tmp_path).cases) == 1


def test_other_datasets_are_refused_and_left_alone(tmp_path, make_case):
    (tmp_path / "dataset.json").write_text(
        json.dumps({"labels": {"0": "background", "1": "liver", "2": "pancreas"}, "training": []})
    )
    before = files_of(tmp_path)
    with pytest.raises(DatasetError, match=r"another kind of dataset.*liver"):
        save_training_case(tmp_path, make_case())
    assert files_of(tmp_path) == before


def test_a_folder_of_other_things_is_refused(tmp_path, make_case):
    (tmp_path / "thesis.docx").write_text("")
    with pytest.raises(DatasetError, match=r"not empty.*thesis\.docx"):
        save_training_case(tmp_path, make_case())
    with pytest.raises(DatasetError, match="is a file"):
        save_training_case(tmp_path / "thesis.docx", make_case())


def test_a_dataset_of_the_same_labels_keeps_its_own_cases(tmp_path, make_case):
    for part in ("imagesTr", "labelsTr"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "theirs.nii.gz").write_bytes(b"")
    entry = {"image": "./imagesTr/theirs.nii.gz", "label": "./labelsTr/theirs.nii.gz"}
    content = {"labels": {"background": 0, "pancreas": 1}, "training": [entry], "mine": 7}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    save_training_case(tmp_path, make_case())
    index = json.loads((tmp_path / "dataset.json").read_text())
    assert index["mine"] == 7
    assert entry in index["training"]
    cases = read_dataset(tmp_path).cases
    assert [case.labels_present for case in cases] == [("pancreas",), None]


def test_labels_take_the_values_of_the_folder(tmp_path, make_case):
    mask = np.zeros((12, 16, 20), np.uint8)
    mask[2, 2, 2:5], mask[5, 5, 5] = 1, 2
    save_training_case(tmp_path, make_case(0, mask=mask, labels={"spleen": 1, "pancreas": 2}))
    saved = save_training_case(tmp_path, make_case(1))
    dataset = read_dataset(tmp_path)
    assert dataset.labels == {"background": 0, "spleen": 1, "pancreas": 2}
    case = next(case for case in dataset.cases if case.name == saved.name)
    assert case.labels_present == ("pancreas",)
    assert set(np.unique(read_labels(case.label).voxels)) == {0, 2}
    with pytest.raises(DatasetError, match="another kind"):
        save_training_case(tmp_path, make_case(2, labels={"liver": 1}))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"mask": np.zeros((12, 16, 20), np.uint8)}, "empty"),
        ({"mask": np.ones((3, 3, 3), np.uint8)}, "does not lie"),
        ({"mask": np.full((12, 16, 20), 4, np.uint8)}, "value 4"),
        ({"marks": np.full((12, 16, 20), 3, np.uint8)}, "marks"),
        ({"state": "maybe"}, "maybe"),
        ({"ct": Volume(np.zeros((4, 16, 20), np.int16), Geometry((20, 16, 4), (1, 1, 1)))}, "4 slices"),
        ({"labels": {"pancreas": 0}}, "values from 1"),
    ],
)
def test_what_does_not_hold_together_is_refused(tmp_path, make_case, changes, what):
    with pytest.raises(DatasetError, match=what):
        save_training_case(tmp_path / "cases", make_case(**changes))
    assert not (tmp_path / "cases").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"cases": {"a": {"state": "accepted"}}}', '{"cases": 3}'])
def test_a_damaged_provenance_is_not_written_over(tmp_path, make_case, text):
    save_training_case(tmp_path, make_case(0))
    (tmp_path / "provenance.json").write_text(text)
    with pytest.raises(DatasetError, match=r"provenance"):
        save_training_case(tmp_path, make_case(1))
    with pytest.raises(DatasetError, match=r"provenance"):
        read_dataset(tmp_path)
    assert (tmp_path / "provenance.json").read_text() == text


def test_a_newer_format_is_refused(tmp_path, make_case):
    save_training_case(tmp_path, make_case(0))
    content = json.loads((tmp_path / "provenance.json").read_text()) | {"format_version": 99}
    (tmp_path / "provenance.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="Update PancreasSeg"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("where", ["write_provenance", "write_index"])
@pytest.mark.parametrize("again", [False, True], ids=["new", "replaced"])
def test_a_write_that_fails_leaves_the_folder_as_it_was(tmp_path, make_case, monkeypatch, where, again):
    save_training_case(tmp_path, make_case(0))
    before, content = files_of(tmp_path), everything(tmp_path)

    def full(*_):
        raise OutputError("The disk is full.")

    right = getattr(folder_module, where)
    calls = []
    monkeypatch.setattr(
        folder_module, where, lambda *a: calls.append(a) or (full() if len(calls) == 1 else right(*a))
    )
    mask = np.ones((12, 16, 20), np.uint8)
    with pytest.raises(OutputError, match="full"):
        save_training_case(tmp_path, make_case(0 if again else 1, mask=mask), overwrite=again)
    assert files_of(tmp_path) == before
    assert everything(tmp_path) == content


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path, make_case, monkeypatch):
    def full(path, *_, **__):
        raise OutputError("The disk is full.")

    monkeypatch.setattr(files_module, "write_mask", full)
    with pytest.raises(OutputError):
        save_training_case(tmp_path, make_case(0))
    assert files_of(tmp_path) == set()
    monkeypatch.undo()
    assert save_training_case(tmp_path, make_case(0)).accepted == 1


def test_saves_at_the_same_time_all_arrive(tmp_path):
    failed = []

    def save(seed: int) -> None:
        try:
            save_training_case(tmp_path, small_case(seed % 6))
        except CaseExistsError:
            failed.append(seed)

    threads = [threading.Thread(target=save, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(failed) == 6  # each CT twice: one of the two is refused
    assert len(read_dataset(tmp_path).cases) == 6
    assert count_cases(tmp_path) == (6, 0)


KILLED = """
    import sys
    from PancreasSegLib.data import training_folder
    from small_case import small_case
    step, folder = int(sys.argv[1]), sys.argv[2]
    import os
    calls = 0
    replace = os.replace
    from pathlib import Path
    kept = Path.replace
    def counted(self, target):
        global calls
        calls += 1
        if calls == step:
            print("now", flush=True)
            os.kill(os.getpid(), 9)
        return kept(self, target)
    Path.replace = counted
    training_folder.save_training_case(folder, small_case(1), overwrite=True)
    print("saved", calls, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
def test_a_kill_at_any_rename_leaves_whole_indexes(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    step = 0
    while True:
        step += 1
        folder = tmp_path / str(step)
        save_training_case(folder, small_case(0))
        command = [sys.executable, "-c", textwrap.dedent(KILLED), str(step), str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        json.loads((folder / "dataset.json").read_text())
        json.loads((folder / "provenance.json").read_text())
        assert len(read_dataset(folder).cases) in (1, 2)
        saved = save_training_case(folder, small_case(1), overwrite=True)
        assert saved.accepted == 2
        assert len(read_dataset(folder).cases) == 2
        assert not list(folder.glob(".pancreasseg-*"))
        if done.stdout.startswith("saved"):
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert step > 5


def test_a_writer_that_holds_on_is_named(tmp_path, make_case, monkeypatch):
    from PancreasSegLib.data.folder_lock import folder_lock

    with folder_lock(tmp_path):
        started = time.monotonic()
        with pytest.raises(DatasetError, match="Somebody else"), folder_lock(tmp_path, patience_s=0.2):
            pass
        assert time.monotonic() - started >= 0.2
    assert save_training_case(tmp_path, make_case()).accepted == 1
