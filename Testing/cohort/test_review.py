"""Reviews: what is doubtful is asked for, answers are never lost, corrections are learnt from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from PancreasSegLib.cli.app import run
from PancreasSegLib.cohort.review import (
    Answer,
    doubts_of,
    give_answer,
    open_scan,
    read_answers,
)
from PancreasSegLib.cohort.run import run_cohort
from PancreasSegLib.cohort.table import read_table, write_table
from PancreasSegLib.data import read_provenance
from PancreasSegLib.errors import CohortError
from PancreasSegLib.io import read_labels


@pytest.fixture
def reviewed(cohort_of, client):
    """A cohort that was run, and the key of its model."""
    cohort, settings = cohort_of()
    run_cohort(cohort, client, settings)
    return cohort, Path(settings.results).name


def done_scans(cohort, model) -> list[str]:
    rows = read_table(cohort.results(model) / "table.parquet")
    return [row["scan"] for row in rows if row["outcome"] == "done"]


def test_outliers_and_the_unsure_come_before_what_has_no_mask(reviewed):
    cohort, model = reviewed
    place = cohort.results(model) / "table.parquet"
    rows = read_table(place)
    done = next(row for row in rows if row["outcome"] == "done")
    many = [
        done | {"scan": f"{n:02d}", "confidence": 0.9, "volume_ml": 80.0 + n % 5, "length_mm": 150.0 + n % 3}
        for n in range(20)
    ]
    many[3] |= {"volume_ml": 300.0}
    many[7] |= {"confidence": 0.5}
    many[9] |= {"confidence": 0.6, "volume_ml": 2.0}
    failed = {"scan": "f", "outcome": "failed", "code": "unreadable-file", "reason": "It ends too early."}
    write_table(place, [failed, *(row for row in rows if row["outcome"] == "no pancreas"), *many])
    doubts = doubts_of(cohort, model)
    assert [doubt.scan for doubt in doubts[:3]] == ["09", "07", "03"]
    assert doubts[0].reasons[0] == "expected Dice 0.60" and doubts[0].reasons[1].startswith("volume 2 mL (score -")
    assert {doubt.row["outcome"] for doubt in doubts[3:]} == {"failed", "no pancreas"}


def test_a_scan_is_opened_with_what_was_found(reviewed):
    cohort, model = reviewed
    scan = done_scans(cohort, model)[0]
    opened = open_scan(cohort, model, scan)
    assert opened.parts.shape == opened.ct.geometry.shape_zyx and set(np.unique(opened.parts)) == {0, 1, 2, 3}
    assert opened.probability is not None and opened.probability.voxels.max() > 0.9
    with pytest.raises(CohortError, match="no scan"):
        open_scan(cohort, model, "nobody")
    empty = next(doubt for doubt in doubts_of(cohort, model) if doubt.row["outcome"] == "no pancreas")
    assert not open_scan(cohort, model, empty.scan).parts.any()


def test_two_readers_do_not_overwrite_each_other(reviewed):
    cohort, model = reviewed
    scan = done_scans(cohort, model)[0]

    def answer(number: int) -> Answer:
        return give_answer(cohort, Answer(scan, model, "accepted", reader=f"R{number}"))

    with ThreadPoolExecutor(8) as readers:
        list(readers.map(answer, range(40)))
    assert sorted(a.reader for a in read_answers(cohort)) == sorted(f"R{n}" for n in range(40))


def test_a_correction_is_kept_and_becomes_a_training_case(reviewed):
    cohort, model = reviewed
    scan = done_scans(cohort, model)[0]
    ct = open_scan(cohort, model, scan).ct
    for reader, first in (("A", 4), ("B", 5)):
        mask = np.zeros(ct.geometry.shape_zyx, bool)
        mask[first:12, 20:26, 20:40] = True
        kept = give_answer(cohort, Answer(scan, model, "corrected", reader), (ct, mask))
        assert kept.mask is not None and np.array_equal(read_labels(kept.mask).voxels != 0, mask)
    one, two = read_answers(cohort)
    assert (one.reader, two.reader) == ("A", "B") and one.mask != two.mask
    (record,) = read_provenance(cohort.training_folder).values()
    assert (record.reader, record.state) == ("B", "accepted")  # the later one is learnt from
    empty = next(doubt for doubt in doubts_of(cohort, model) if doubt.row["outcome"] == "no pancreas")
    give_answer(cohort, Answer(empty.scan, model, "failed", "A", "phantom without one"))
    again = next(doubt for doubt in doubts_of(cohort, model) if doubt.scan == empty.scan)
    assert [(a.answer, a.remark) for a in again.answers] == [("failed", "phantom without one")]


def test_what_is_killed_while_it_is_written_is_no_answer(reviewed, monkeypatch):
    cohort, model = reviewed
    scan = done_scans(cohort, model)[0]
    ct = open_scan(cohort, model, scan).ct

    def die(*_args, **_settings):
        raise OSError("the disk is full")

    monkeypatch.setattr("PancreasSegLib.cohort.review.write_mask", die)
    with pytest.raises(OSError, match="disk"):
        give_answer(cohort, Answer(scan, model, "corrected", "A"), (ct, np.ones(ct.geometry.shape_zyx, bool)))
    assert read_answers(cohort) == []
    assert not cohort.training_folder.exists()


@pytest.mark.parametrize("word", ["perfect", "corrected"])
def test_half_an_answer_is_refused(reviewed, word):
    cohort, model = reviewed
    with pytest.raises(CohortError, match="no whole answer"):
        give_answer(cohort, Answer(done_scans(cohort, model)[0], model, word))


def test_the_command_lists_the_queue_and_writes_the_answers(reviewed, tmp_path, capsys):
    cohort, model = reviewed
    empty = next(doubt for doubt in doubts_of(cohort, model) if doubt.row["outcome"] == "no pancreas")
    give_answer(cohort, Answer(empty.scan, model, "failed", "A. Reader"))
    table = tmp_path / "answers.csv"
    key = ["--key", str(cohort.path.parent / "key")]
    assert run(["cohort", "review", str(cohort.path), *key, "--answers", str(table)]) == 0
    said = capsys.readouterr().out
    assert empty.scan in said and "scans to look at" in said
    header, line = table.read_text("utf-8").splitlines()
    assert header == "scan,model,answer,reader,remark,answered"
    assert line.startswith(f"{empty.scan},{model},failed,A. Reader,,20")
