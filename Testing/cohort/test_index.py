"""Archives as they are: what is found, what is chosen and why, and what stays secret."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from dicom_writer import body, write_series

from PancreasSegLib.cohort.choice import ChoiceRule, read_choices
from PancreasSegLib.cohort.folder import Cohort
from PancreasSegLib.cohort.index import make_index, read_index
from PancreasSegLib.cohort.table import read_table
from PancreasSegLib.errors import CohortError
from PancreasSegLib.io import write_volume
from PancreasSegLib.volume import Geometry, Volume

TALL = body(slices=50)


def archive(folder: Path) -> Path:
    """Write an export: a study of five series, one in two folders, a short one, an image, and what is broken."""
    first = {"study": "1.2.3", "spacing": (0.8, 0.8, 2.5)}

    def scout(number, header):
        header.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    def lung(number, header):
        header.ConvolutionKernel = "B70f"

    def soft(number, header):
        header.ConvolutionKernel = "B30f"

    write_series(folder / "a" / "1", body(), description="Scout", number=1, change=scout, **first)
    write_series(folder / "a" / "2", TALL, description="Abd arterial", number=2, change=soft, **first)
    write_series(folder / "a" / "3", TALL, description="Abd portal", number=3, change=lung, **first)
    write_series(folder / "a" / "4", TALL, description="Abd portal", number=4, change=soft, **first)
    write_series(folder / "a" / "5", TALL, description="T1", number=5, modality="MR", **first)
    paths = write_series(folder / "b" / "1", TALL, study="1.2.4", spacing=(0.8, 0.8, 2.5))
    (folder / "b" / "2").mkdir()
    for path in paths[25:]:
        path.rename(folder / "b" / "2" / path.name)
    write_series(folder / "c", body(), study="1.2.5", spacing=(0.8, 0.8, 2.5))
    write_volume(folder / "image.nii.gz", Volume(TALL, Geometry(TALL.shape[::-1], (0.8, 0.8, 2.5))))
    (folder / "broken.nii.gz").write_bytes(b"no image")
    (folder / "notes.txt").write_text("read me")
    return folder


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    return archive(tmp_path_factory.mktemp("archive"))


def index(source, folder, rule=None, by_hand=None) -> tuple[Cohort, list[dict]]:
    cohort = Cohort.make(folder)
    make_index(str(source), cohort, rule or ChoiceRule(), by_hand)
    return cohort, read_index(cohort)


def test_every_series_is_told_with_its_reason(export, tmp_path):
    cohort, rows = index(export, tmp_path / "cohort")
    codes = sorted(row["code"] for row in rows)
    assert codes == ["chosen"] * 3 + ["not-ct", "other-chosen", "other-chosen", "scout", "short", "unreadable"]
    portal = next(row for row in rows if row["chosen"] and row["phase"] == "portal" and row["soft"])
    assert (portal["slices"], portal["kernel"]) == (50, "B30f")
    assert portal["why"] == "Preferred to 2 other series of the study: a kernel for soft tissue."
    places = {row["scan"]: row for row in read_table(cohort.locations_file)}
    assert len(places[portal["scan"]]["urls"]) == 50


def test_a_series_in_two_folders_is_one_scan(export, tmp_path):
    _, rows = index(export / "b", tmp_path / "cohort")
    assert [(row["slices"], row["height_mm"], row["chosen"]) for row in rows] == [(50, 125.0, True)]


def test_nothing_tells_who_it_is(export, tmp_path):
    key = tmp_path / "key"
    cohort = Cohort.make(tmp_path / "cohort", key)
    make_index(str(export), cohort, ChoiceRule())
    shared = b"".join(p.read_bytes() for p in cohort.path.glob("*.parquet"))
    text = repr(read_index(cohort)) + shared.decode("latin-1")
    for secret in ("Secret", "4711", "1970", "2020", str(export), "image.nii"):
        assert secret not in text, secret
    _, rows = index(export, tmp_path / "other")
    assert {row["patient"] for row in rows}.isdisjoint(row["patient"] for row in read_index(cohort))
    key.write_text("00" * 32)
    with pytest.raises(CohortError, match="not the one"):
        Cohort.open(cohort.path)


def test_the_rule_and_the_user_decide(export, tmp_path):
    _, rows = index(export / "a", tmp_path / "one", ChoiceRule(order=("arterial",)))
    assert [row["phase"] for row in rows if row["chosen"]] == ["arterial"]
    sharp = next(row["scan"] for row in rows if row["soft"] is False)
    hand = tmp_path / "choices.csv"
    hand.write_text(f"scan,chosen\n{sharp},yes\n")
    cohort = Cohort.open(tmp_path / "one")
    make_index(str(export / "a"), cohort, ChoiceRule(), read_choices(hand))
    assert [row["scan"] for row in read_index(cohort) if row["chosen"]] == [sharp]
    with pytest.raises(CohortError, match="nothing that can be preferred"):
        ChoiceRule(order=("nicest",))


def test_headers_are_read_once(export, tmp_path, monkeypatch):
    _, before = index(export, tmp_path / "cohort")
    import PancreasSegLib.cohort.index as module

    read = []
    real = module.rows_of
    monkeypatch.setattr(module, "rows_of", lambda unit, cohort: read.append(unit.name) or real(unit, cohort))
    write_volume(
        export / "late.nii.gz", Volume(np.zeros((8, 8, 8), np.int16), Geometry((8, 8, 8), (1.0, 1.0, 20.0)))
    )
    try:
        _, after = index(export, tmp_path / "cohort")
    finally:
        (export / "late.nii.gz").unlink()
    assert [name for name in read if name] == ["late.nii.gz"]
    assert len(after) == len(before) + 1


def test_a_list_of_paths(export, tmp_path):
    for name, scans in {"list.csv": ["image.nii.gz", "b", "gone.nii.gz"]}.items():
        with (tmp_path / name).open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["path", "patient", "study"])
            writer.writerows([str(export / scan), "P1", f"S{n}"] for n, scan in enumerate(scans))
    _, rows = index(tmp_path / "list.csv", tmp_path / "cohort")
    assert len({row["patient"] for row in rows}) == 1
    assert sorted(row["code"] for row in rows) == ["chosen", "chosen", "unreadable"]


def test_another_source_is_refused(export, tmp_path):
    index(export / "a", tmp_path / "cohort")
    with pytest.raises(CohortError, match="another source"):
        index(export / "b", tmp_path / "cohort")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(CohortError, match="no cohort"):
        Cohort.make(tmp_path / "full")
