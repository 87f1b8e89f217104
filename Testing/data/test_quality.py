"""What is wrong with a case is found, what stands out is said, and a scan that is there twice is known again."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import source_trees as trees

from PancreasSegLib.data.adapters import survey
from PancreasSegLib.data.adapters.source_case import Remark
from PancreasSegLib.data.case_quality import HISTOGRAM_EDGES_HU, CaseQuality
from PancreasSegLib.data.composed_case import ComposedCase
from PancreasSegLib.data.inspection import inspect_dataset
from PancreasSegLib.data.label_selection import LabelSelection
from PancreasSegLib.data.quality_cohort import duplicates, outliers, overlaps
from PancreasSegLib.data.quality_files import read_qualities
from PancreasSegLib.data.quality_measures import measure_case
from PancreasSegLib.data.quality_report import QualityReport
from PancreasSegLib.data.thumbnail import likeness, thumbnail_of
from PancreasSegLib.errors import CancelledError, DatasetError
from PancreasSegLib.io import write_volume
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.volume import Geometry, Volume

VALUES = {"pancreas": 1}
SPACING = (3.0, 3.0, 5.0)
"""With these voxels the little pancreas has a usual volume."""


def composed(ct: Volume, mask: np.ndarray, values=VALUES) -> ComposedCase:
    return ComposedCase(ct, mask.astype(np.uint8), dict(values), (), {})


def measured(seed: int = 0, change_ct=lambda hu: hu, change_mask=lambda mask: mask, **grid) -> CaseQuality:
    ct, labels = trees.little_abdomen(seed, **grid)
    mask = change_mask(trees.one_organ(labels, "pancreas"))
    geometry = Geometry(ct.geometry.size_ijk, SPACING, ct.geometry.origin_lps, ct.geometry.direction_lps)
    return measure_case(f"case{seed}", f"patient{seed}", composed(Volume(change_ct(ct.voxels), geometry), mask))


def codes(quality: CaseQuality) -> set[str]:
    return {remark.code for remark in quality.remarks}


def test_the_figures_are_those_of_the_voxels():
    ct, labels = trees.little_abdomen(3, trees.RAS)
    mask = trees.one_organ(labels, "pancreas")
    quality = measured(3, direction=trees.RAS)
    label = quality.labels["pancreas"]
    assert label.volume_ml == pytest.approx(mask.sum() * np.prod(SPACING) / 1000, abs=1e-3)
    assert label.mean_hu == pytest.approx(ct.voxels[mask > 0].mean(), abs=0.01)
    assert label.sd_hu == pytest.approx(ct.voxels[mask > 0].std(), abs=0.01)
    assert (label.pieces, label.largest_share, label.touches) == (1, 1.0, ())
    assert quality.orientation == "RAS"
    assert quality.hu_range == (ct.voxels.min(), ct.voxels.max())
    assert sum(quality.histogram) == ct.voxels.size
    inner = HISTOGRAM_EDGES_HU.index(50)
    assert quality.histogram[inner] == np.count_nonzero((ct.voxels >= 50) & (ct.voxels < 75))
    assert CaseQuality.from_json(json.loads(json.dumps(quality.to_json()))) == quality


@pytest.mark.parametrize(
    ("change_ct", "change_mask", "code"),
    [
        (lambda hu: np.clip(hu, -125, 275), lambda m: m, "windowed"),
        (lambda hu: (hu + 1024).astype(np.int16), lambda m: m, "no-air"),
        (lambda hu: hu, lambda m: m * 0, "label-empty"),
        (lambda hu: hu, lambda m: np.roll(m, -3, 0), "label-at-border"),
        (lambda hu: hu, lambda m: np.roll(m, -12, 1), "label-hu"),
        (lambda hu: hu, lambda m: m | np.roll(m, 14, 1), "label-pieces"),
        (lambda hu: hu, lambda m: m * (np.arange(48) == 27), "label-volume"),
    ],
)
def test_what_is_wrong_with_a_case_is_found(change_ct, change_mask, code):
    assert code not in codes(measured(1))
    assert code in codes(measured(1, change_ct, change_mask))


def test_the_side_of_the_border_is_the_patients(tmp_path):
    ct, _ = trees.little_abdomen(0, trees.RAS)
    mask = np.zeros(trees.SHAPE, np.uint8)
    mask[5:9, 10:20, 0:6] = (
        1  # the file's first column lies to the patient's left, since its axis runs to the right
    )
    quality = measure_case("a", "a", composed(ct, mask))
    assert quality.labels["pancreas"].touches == ("left",)


def many(count: int = 9) -> list[CaseQuality]:
    """Return cases that differ as patients do."""
    base = measured(0)
    rng = np.random.default_rng(0)
    cases = []
    for n in range(count):
        label = replace(base.labels["pancreas"], volume_ml=80 + 3.0 * n, mean_hu=90 + n, sd_hu=20 + 0.1 * n)
        cube = rng.integers(0, 255, (16, 16, 16)).astype(np.uint8)
        from PancreasSegLib.data.thumbnail import to_text

        cases.append(
            replace(
                base,
                name=f"case{n}",
                patient=f"patient{n}",
                labels={"pancreas": label},
                content_sha256=f"{n:064x}",
                thumbnail=to_text(cube),
            )
        )
    return cases


def test_outliers_by_robust_z():
    cases = many()
    assert outliers(cases) == {}
    label = cases[4].labels["pancreas"]
    odd = replace(cases[4], labels={"pancreas": replace(label, volume_ml=600.0, mean_hu=10.0)})
    thick = replace(cases[5], spacing_mm=(3.0, 3.0, 12.0))
    found = outliers([*cases[:4], odd, thick, *cases[6:]])
    assert {remark.code for remark in found["case4"]} == {"outlier-label-volume", "outlier-label-hu"}
    assert {remark.code for remark in found["case5"]} == {"outlier-slice-distance", "outlier-scan-height"}
    assert set(found) == {"case4", "case5"}
    assert "600 mL, the median is" in found["case4"][0].sentence
    assert outliers([*cases[:3], odd]) == {}  # too few to tell


def test_a_scan_is_known_again_after_what_datasets_do_to_it():
    ct, _ = trees.little_abdomen(0)
    original = thumbnail_of(ct)
    copies = [
        Volume(np.clip(ct.voxels, -125, 275), ct.geometry),
        Volume(ct.voxels[:, ::-1], ct.geometry),
        ct.resampled((2.0, 2.0, 2.4)),
        Volume(ct.voxels.astype(np.float32) + 0.3, ct.geometry),
    ]
    assert likeness([original], [thumbnail_of(copy) for copy in copies]).min() > 0.97
    others = [thumbnail_of(trees.little_abdomen(seed)[0]) for seed in (1, 2)]
    moved = thumbnail_of(Volume(np.roll(ct.voxels, 5, 2), ct.geometry))
    assert likeness([original], [moved]).max() < 0.97
    assert likeness(others, others).diagonal() == pytest.approx(1, abs=1e-5)


def test_thin_scans_have_a_thumbnail():
    geometry = Geometry((10, 9, 8), (1, 1, 1))
    assert thumbnail_of(Volume(np.full(geometry.shape_zyx, 250, np.int16), geometry)).min() == 255


def test_duplicates_and_overlaps():
    cases = many(4)
    twin = replace(cases[1], name="twin", patient="other", content_sha256="f" * 64)
    copy = replace(cases[2], name="copy")
    pairs = {(pair.case, pair.other, pair.likeness) for pair in duplicates([*cases, twin, copy])}
    assert pairs == {("case1", "twin", 0.999), ("case2", "copy", 1.0)}
    elsewhere = overlaps(cases, [twin], "FLARE22")
    assert [(pair.case, pair.other) for pair in elsewhere] == [("case1", "twin")]
    assert "twin of FLARE22" in elsewhere[0].sentence
    report = QualityReport("x", "", "", "", ("pancreas",), (*cases, twin, copy), overlaps=tuple(elsewhere))
    kinds = {name: {remark.code for remark in found} for name, found in report.remarks.items()}
    assert kinds["case1"] == {"duplicate-across-patients", "in-other-dataset"}
    assert kinds["copy"] == {"duplicate"}


def test_what_is_true_of_most_is_said_once_and_unusual_flips_are_named():
    note = Remark("windowed", "The CT was windowed.")
    cases = [
        replace(case, remarks=(note,), facts={"label_flip": "y" if n else "none"})
        for n, case in enumerate(many(5))
    ]
    report = QualityReport("x", "", "", "", ("pancreas",), tuple(cases))
    assert report.common == {note: 5}
    assert {name: [r.code for r in found] for name, found in report.remarks.items()} == {"case0": ["flip-unusual"]}


def test_the_report_of_a_dataset(tmp_path):
    task = trees.write_msd(tmp_path / "<source>", ("pancreas_001", "pancreas_004", "pancreas_005"))
    (task / "imagesTr" / "pancreas_004.nii.gz").write_bytes(b"damaged")
    found = survey("msd", task)
    wanted = LabelSelection.parse(["pancreas=pancreas+cancer"])
    folder = tmp_path / "report"
    other = tmp_path / "other"
    trees.write_msd(other, ("pancreas_901",))
    report = inspect_dataset(found, folder, selection=wanted, against=[other / "Task07_Pancreas"])
    assert [case.name for case in report.failed] == ["pancreas_004"]
    assert [(pair.case, pair.other, pair.likeness) for pair in report.overlaps] == [
        ("pancreas_001", "pancreas_901", 1.0)
    ]
    content = json.loads((folder / "quality.json").read_text("utf-8"))
    assert [case["name"] for case in content["cases"]] == ["pancreas_001", "pancreas_005"]
    assert read_qualities(folder / "quality.json") == list(report.cases)
    rows = list(csv.DictReader((folder / "cases.csv").read_text("utf-8").splitlines()))
    assert float(rows[0]["pancreas volume_ml"]) == report.cases[0].labels["pancreas"].volume_ml
    assert "in-other-dataset" in rows[0]["remarks"]
    page = (folder / "report.html").read_text("utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', page)  # it needs nothing else
    assert page.count("data:image/jpeg;base64,") == 2
    assert "pancreas_901 of Task07_Pancreas" in page
    assert "<td>pancreas_004</td>" in page
    assert "unreadable-file" in page
    assert "FLARE22" in page

    # A second look reads only what is new; the report itself can be compared with.
    stamps = {p: p.stat().st_mtime_ns for p in (folder / "cases").iterdir()}
    again = inspect_dataset(found, folder, selection=wanted, against=[folder])
    assert {p: p.stat().st_mtime_ns for p in (folder / "cases").iterdir()} == stamps
    assert {(pair.case, pair.other) for pair in again.overlaps} == {
        ("pancreas_001", "pancreas_001"),
        ("pancreas_005", "pancreas_005"),
    }
    write_volume(task / "imagesTr" / "pancreas_005.nii.gz", trees.little_abdomen(9, trees.RAS)[0])
    changed = inspect_dataset(found, folder, selection=wanted)
    assert changed.cases[1].content_sha256 != report.cases[1].content_sha256


def test_names_cannot_write_into_the_page():
    from PancreasSegLib.data.quality_page import quality_page

    case = replace(measured(0), name="<script>alert(1)</script>", facts={"<i>": '"><b>'})
    report = QualityReport("<b>x</b>", '"licence"', "", "", ("pancreas",), (case,))
    page = quality_page(report, {})
    assert "<script>alert" not in page
    assert "<b>x</b>" not in page
    assert '"><b>' not in page


def test_what_is_no_dataset_cannot_be_compared_and_cancelling_is_obeyed(tmp_path):
    found = survey("msd", trees.write_msd(tmp_path))
    with pytest.raises(DatasetError, match="neither a dataset folder nor a quality report"):
        inspect_dataset(found, tmp_path / "r", against=[tmp_path / "nowhere"])
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CancelledError):
        inspect_dataset(found, tmp_path / "r", cancel=cancel)
    (tmp_path / "quality.json").write_text("{}")
    with pytest.raises(DatasetError, match="no quality report"):
        read_qualities(tmp_path / "quality.json")
