"""A prepared folder is whole at every moment, goes on where it ended, and says where each case is from."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import source_trees as trees

from PancreasSegLib.data import read_dataset, read_provenance
from PancreasSegLib.data.adapters import survey
from PancreasSegLib.data.inspection import report_prepared
from PancreasSegLib.data.label_selection import LabelSelection
from PancreasSegLib.data.preparation import prepare_dataset
from PancreasSegLib.errors import CancelledError, DatasetError, OutputError
from PancreasSegLib.io import read_labels, read_volume, write_mask, write_volume
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.volume import Volume

ORGAN = LabelSelection.parse(["pancreas=pancreas+tumour"])


def times(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*.nii.gz")}


def litter(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".pancreasseg-")]


@pytest.fixture
def task(tmp_path) -> Path:
    return trees.write_msd(tmp_path / "source", ("pancreas_001", "pancreas_004", "pancreas_005"))


def test_the_folder_is_as_the_contract_says(tmp_path, task):
    target = tmp_path / "prepared"
    found = survey("msd", task)
    done = prepare_dataset(found, target, ORGAN)
    assert done.written == ("pancreas_001", "pancreas_004", "pancreas_005")
    index = json.loads((target / "dataset.json").read_text())
    assert index["labels"] == {"0": "background", "1": "pancreas"}
    assert index["licence"] == "CC-BY-SA 4.0"
    assert index["name"] == "Pancreas"
    assert index["numTraining"] == 3
    for seed, case in enumerate(read_dataset(target).cases):
        ct, labels = trees.little_abdomen(seed, trees.RAS)
        assert np.array_equal(read_volume(case.image).voxels, ct.voxels)
        assert np.array_equal(read_labels(case.label).voxels, trees.one_organ(labels, "pancreas"))
        assert read_labels(case.label).geometry.matches(ct.geometry, 1e-3)
        record = case.record
        assert record.labels_present == ("pancreas",)
        assert record.source["dataset"] == "Pancreas"
        assert record.patient == case.name
        assert record.licence == "CC-BY-SA 4.0"
        ml = trees.one_organ(labels, "pancreas").sum() * ct.geometry.voxel_volume_ml
        assert record.volume_ml["pancreas"] == pytest.approx(ml, abs=1e-3)
        for file in record.files.values():
            assert hashlib.sha256((target / file["path"]).read_bytes()).hexdigest() == file["sha256"]


def test_a_second_run_does_what_is_new_and_no_more(tmp_path, task):
    target = tmp_path / "prepared"
    found = survey("msd", task)
    first = prepare_dataset(replace(found, cases=found.cases[:2]), target, ORGAN)
    before = times(target)
    second = prepare_dataset(found, target, ORGAN)
    assert (first.written, second.written) == (("pancreas_001", "pancreas_004"), ("pancreas_005",))
    assert second.kept == first.written
    assert before.items() <= times(target).items()
    # What has changed at the source is done again, and so is what is gone from the folder.
    ct, labels = trees.little_abdomen(40, trees.RAS)
    write_mask(task / "labelsTr" / "pancreas_004.nii.gz", labels == 2, ct.geometry)
    (target / "labelsTr" / "pancreas_005.nii.gz").unlink()
    third = prepare_dataset(survey("msd", task), target, ORGAN)
    assert third.written == ("pancreas_004", "pancreas_005")
    label = read_labels(target / "labelsTr" / "pancreas_004.nii.gz").voxels
    assert np.array_equal(label, labels == 2)
    # Other structures under the same label: all is done again.
    fourth = prepare_dataset(survey("msd", task), target, LabelSelection.parse(["pancreas"]))
    assert len(fourth.written) == 3


def test_other_labels_and_other_folders_are_refused(tmp_path, task):
    found = survey("msd", task)
    target = tmp_path / "prepared"
    prepare_dataset(found, target, ORGAN)
    with pytest.raises(DatasetError, match="another kind of dataset"):
        prepare_dataset(found, target, LabelSelection.parse(["pancreas", "tumour=cancer"]))
    other = tmp_path / "photos"
    other.mkdir()
    (other / "beach.jpg").write_bytes(b"x")
    with pytest.raises(DatasetError, match="is not empty"):
        prepare_dataset(found, other, ORGAN)
    with pytest.raises(DatasetError, match="no structure 'pancras'; perhaps 'pancreas'"):
        prepare_dataset(found, target, LabelSelection.parse(["pancras"]))


def test_nothing_that_is_there_is_written_over(tmp_path, task):
    both = LabelSelection.parse(["pancreas", "cancer"])
    before = times(task)
    for target in (task, task.parent):
        with pytest.raises(DatasetError, match="holds the dataset that is to be read"):
            prepare_dataset(survey("msd", task), target, both)
    theirs = trees.write_msd(tmp_path / "theirs")  # the same names and labels, prepared by nobody
    with pytest.raises(DatasetError, match="holds a case pancreas_001 of another dataset"):
        prepare_dataset(survey("msd", task), theirs, both)
    assert times(task) == before


def test_two_datasets_into_one_folder_keep_their_terms_and_what_was_read(tmp_path):
    trees.write_ircadb(tmp_path / "ircadb")
    trees.write_flare22(tmp_path / "flare")
    target = tmp_path / "both"
    wanted = LabelSelection.parse(["liver", "pancreas"])
    prepare_dataset(survey("ircadb", tmp_path / "ircadb"), target, wanted)
    prepare_dataset(survey("flare22", tmp_path / "flare"), target, wanted)
    records = read_provenance(target)
    assert {name: record.labels_present for name, record in records.items()} == {
        "3Dircadb1.1": ("liver", "pancreas"),
        "3Dircadb1.2": ("liver",),
        "FLARE22_Tr_0001": ("liver", "pancreas"),
        "FLARE22_Tr_0002": ("liver", "pancreas"),
    }
    assert records["3Dircadb1.1"].licence == "CC BY-NC-ND"
    index = json.loads((target / "dataset.json").read_text())
    assert index["name"] == "3D-IRCADb-01; FLARE22"
    assert index["licence"].startswith("CC BY-NC-ND; ")
    assert len(read_dataset(target).cases) == 4


def test_a_name_that_another_dataset_has_is_refused(tmp_path):
    for part in ("a", "b"):
        trees.write_folder(tmp_path / part)
    prepare_dataset(survey("folder", tmp_path / "a"), tmp_path / "out", LabelSelection.parse(["pancreas"]))
    with pytest.raises(DatasetError, match="holds a case first of another dataset"):
        prepare_dataset(survey("folder", tmp_path / "b"), tmp_path / "out", LabelSelection.parse(["pancreas"]))


def test_what_cannot_be_read_does_not_stop_the_rest(tmp_path, task):
    (task / "imagesTr" / "pancreas_001.nii.gz").write_bytes(b"damaged")
    ct, labels = trees.little_abdomen(1, trees.RAS)
    write_mask(task / "labelsTr" / "pancreas_004.nii.gz", np.zeros_like(labels), ct.geometry)
    done = prepare_dataset(survey("msd", task), tmp_path / "out", ORGAN)
    assert done.written == ("pancreas_005",)
    assert [(case.name, case.code) for case in done.failed] == [("pancreas_001", "unreadable-file")]
    assert [(case.name, case.code) for case in done.left_out] == [("pancreas_004", "empty")]
    kept = prepare_dataset(survey("msd", task), tmp_path / "out", ORGAN, keep_empty=True)
    assert kept.written == ("pancreas_004",)
    report = report_prepared(tmp_path / "out", left_out=done.left_out, failed=done.failed)
    assert [case.name for case in report.cases] == ["pancreas_004", "pancreas_005"]


def test_patients_who_were_not_read_for_the_organ_are_left_out(tmp_path):
    trees.write_ircadb(tmp_path / "source")
    done = prepare_dataset(
        survey("ircadb", tmp_path / "source"), tmp_path / "out", LabelSelection.parse(["pancreas"])
    )
    assert done.written == ("3Dircadb1.1",)
    assert [(case.name, case.code) for case in done.left_out] == [("3Dircadb1.2", "not-read")]


def test_the_evidence_for_a_flip_is_kept(tmp_path):
    trees.write_nih(tmp_path / "nih", (1,))
    prepare_dataset(survey("nih", tmp_path / "nih"), tmp_path / "out", LabelSelection.parse(["pancreas"]))
    source = read_provenance(tmp_path / "out")["PANCREAS_0001"].source
    assert source["label_flip"] == "y"
    assert "score by flip: none" in source["label_flip_evidence"]


def test_no_identifier_of_a_private_file_is_left(tmp_path):
    trees.write_folder(tmp_path / "source")
    image = tmp_path / "source" / "images" / "first_ct.nii.gz"
    raw = bytearray(gzip.decompress(image.read_bytes()))
    raw[148:156] = b"DOE^JOHN"  # descrip
    image.write_bytes(gzip.compress(bytes(raw)))
    prepare_dataset(survey("folder", tmp_path / "source"), tmp_path / "out", LabelSelection.parse(["pancreas"]))
    assert b"DOE" not in gzip.decompress((tmp_path / "out" / "imagesTr" / "first.nii.gz").read_bytes())
    # What holds no text is taken over byte for byte.
    copied = (tmp_path / "out" / "imagesTr" / "second.nii.gz").read_bytes()
    assert copied == (tmp_path / "source" / "images" / "second_ct.nii.gz").read_bytes()


def test_fractional_and_repaired_voxels_are_written_anew(tmp_path):
    trees.write_folder(tmp_path / "source")
    ct, _ = trees.little_abdomen(0)
    voxels = ct.voxels.astype(np.float32)
    voxels[0, 0, 0] = np.nan
    write_volume(tmp_path / "source" / "images" / "first_ct.nii.gz", Volume(voxels, ct.geometry))
    prepare_dataset(survey("folder", tmp_path / "source"), tmp_path / "out", LabelSelection.parse(["pancreas"]))
    stored = read_volume(tmp_path / "out" / "imagesTr" / "first.nii.gz")
    assert not stored.source["warnings"]
    assert stored.voxels[0, 0, 0] == -1024


def test_cancelling_keeps_whole_cases(tmp_path, task):
    cancel = CancelToken()
    target = tmp_path / "out"

    def after_the_first(event) -> None:
        if event.fraction > 0:
            cancel.cancel()

    with pytest.raises(CancelledError):
        prepare_dataset(survey("msd", task), target, ORGAN, progress=after_the_first, cancel=cancel)
    assert [case.name for case in read_dataset(target).cases] == ["pancreas_001"]
    assert not litter(target)
    assert prepare_dataset(survey("msd", task), target, ORGAN).written == ("pancreas_004", "pancreas_005")


def test_a_full_disk_leaves_whole_cases(tmp_path, task, monkeypatch):
    from PancreasSegLib.data import prepared_files

    target, calls = tmp_path / "out", []
    write = prepared_files.write_mask

    def full(path, *rest, **more):
        calls.append(path)
        if len(calls) == 2:
            raise OutputError("The disk is full.")
        write(path, *rest, **more)

    monkeypatch.setattr(prepared_files, "write_mask", full)
    with pytest.raises(OutputError):
        prepare_dataset(survey("msd", task), target, ORGAN)
    assert [case.name for case in read_dataset(target).cases] == ["pancreas_001"]
    assert not litter(target)
    assert {path.name for path in target.rglob("*.nii.gz")} == {"pancreas_001.nii.gz"}


def test_progress_is_true(tmp_path, task):
    events = []
    prepare_dataset(survey("msd", task), tmp_path / "out", ORGAN, progress=events.append)
    assert [event.fraction for event in events] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert events[-1].seconds_left == 0
    assert "3 of 3" in events[-1].message


@pytest.mark.slow
def test_several_processes_give_the_same(tmp_path, task):
    found = survey("msd", task)
    prepare_dataset(found, tmp_path / "one", ORGAN)
    done = prepare_dataset(found, tmp_path / "two", ORGAN, workers=2)
    assert len(done.written) == 3

    def hashes(folder: Path) -> dict:
        return {name: record.files for name, record in read_provenance(folder).items()}

    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CancelledError):
        prepare_dataset(found, tmp_path / "three", ORGAN, workers=2, cancel=cancel)
    assert not litter(tmp_path / "three")


KILLED = """
    import os, sys
    from pathlib import Path
    from PancreasSegLib.data.adapters import survey
    from PancreasSegLib.data.label_selection import LabelSelection
    from PancreasSegLib.data.preparation import prepare_dataset
    step, source, target = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    calls, kept = 0, Path.replace
    def counted(self, other):
        global calls
        calls += 1
        if calls == step:
            os.kill(os.getpid(), 9)
        return kept(self, other)
    Path.replace = counted
    prepare_dataset(survey("msd", source), target, LabelSelection.parse(["pancreas=pancreas+tumour"]))
"""


def killed_at(step: int, source: Path, target: Path) -> int:
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(step), str(source), str(target)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, env=environment, timeout=120, check=False).returncode


def check_killed(target: Path, source: Path) -> None:
    """What is listed is whole; the next run brings the rest and clears up."""
    cases = len(survey("msd", source).cases)
    if (target / "dataset.json").exists():
        for case in read_dataset(target).cases:
            for file in case.record.files.values():
                assert hashlib.sha256((target / file["path"]).read_bytes()).hexdigest() == file["sha256"]
    prepare_dataset(survey("msd", source), target, ORGAN)
    assert len(read_dataset(target).cases) == cases
    assert not litter(target)
    assert len(list(target.rglob("*.nii.gz"))) == 2 * cases


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
def test_a_kill_half_way_leaves_nothing_half(tmp_path, task):
    # The renames of a case: picture, measurement, image, label, provenance.json, dataset.json.
    target = tmp_path / "out"
    assert killed_at(10, task, target) == -signal.SIGKILL
    assert [case.name for case in read_dataset(target).cases] == ["pancreas_001"]
    assert litter(target)
    check_killed(target, task)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
def test_a_kill_at_any_rename(tmp_path):
    task = trees.write_msd(tmp_path / "source")
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        status = killed_at(step, task, tmp_path / str(step))
        check_killed(tmp_path / str(step), task)
    assert status == 0
    assert step > 12
