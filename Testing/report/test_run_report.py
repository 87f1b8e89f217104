"""The JSON report of a run."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from PancreasSegLib import __version__
from PancreasSegLib.errors import OutputError
from PancreasSegLib.inference.result import Segmentation, SegmentationWarning
from PancreasSegLib.report import REPORT_FORMAT, report_json, write_report
from PancreasSegLib.roi import RoiProposal
from PancreasSegLib.volume import Box, Geometry, Volume

GEOMETRY = Geometry((6, 5, 4), (1.5, 1.5, 5.0), (-10.0, 4.0, -100.0))


def segmentation(**changes) -> Segmentation:
    mask = np.zeros(GEOMETRY.shape_zyx, np.uint8)
    mask[1:3, 1:4, 2:5] = 1
    crop = Box((1, 1, 1), (5, 4, 3))
    given_values = {
        "mask": mask,
        "geometry": GEOMETRY,
        "labels": {"pancreas": 1, "tumour": 2},
        "probability": {"pancreas": Volume(np.ones((2, 3, 4), np.float16), crop.geometry(GEOMETRY))},
        "roi": RoiProposal(crop, GEOMETRY, {"lung_base": {"k": np.int64(3)}}, ["seen"]),
        "statistics": {
            "pancreas": {
                "volume_ml": np.float32(0.2025),
                "mean_hu": 91.5,
                "sd_hu": np.float64(12.0),
                "extent_mm": (4.5, 4.5, 10.0),
                "centre_lps": np.array([-5.5, 7.0, -92.5]),
                "confidence": 0.83,
                "components": 1,
            },
            "tumour": {"volume_ml": 0.0, "mean_hu": float("nan"), "extent_mm": (0.0, 0.0, 0.0)},
        },
        "warnings": [SegmentationWarning("thick-slices", "The slices are thick.")],
        "timings": {"read": 0.5, "segment": np.float64(2.25)},
        "provenance": {"model": "default", "device": "cpu", "checksums": {"a": "0f"}},
    }
    return Segmentation(**{**given_values, **changes})


def refuse_constant(name):
    raise AssertionError(f"{name} is not strict JSON")


def test_the_report_round_trips_as_strict_json(tmp_path):
    path = tmp_path / "räport.json"
    written = write_report(path, segmentation(), input_path=tmp_path / "ct.nii.gz", output_path="m.nii.gz")
    read = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse_constant)
    assert read == written
    assert read["format"] == REPORT_FORMAT and read["software"]["version"] == __version__
    pancreas = read["organs"]["pancreas"]
    assert pancreas["volume_ml"] == pytest.approx(0.2025)
    assert (pancreas["mean_hu"], pancreas["sd_hu"], pancreas["confidence_expected_dice"]) == (91.5, 12.0, 0.83)
    assert pancreas["extent_mm"] == {"left_right": 4.5, "anterior_posterior": 4.5, "superior_inferior": 10.0}
    assert pancreas["centre_lps_mm"] == [-5.5, 7.0, -92.5]
    assert pancreas["found"] and pancreas["voxels"] == 18 and pancreas["components"] == 1
    assert Geometry.from_json(read["geometry"]) == GEOMETRY
    assert Geometry.from_json(read["probability_grids"]["pancreas"]).size_ijk == (4, 3, 2)
    assert Box.from_json(read["roi"]["box_ijk"]) == Box((1, 1, 1), (5, 4, 3))
    assert read["warnings"] == [{"code": "thick-slices", "sentence": "The slices are thick."}]
    assert read["timings_s"] == {"read": 0.5, "segment": 2.25} and read["total_s"] == 2.75
    assert read["provenance"]["checksums"] == {"a": "0f"}
    assert read["input"].endswith("ct.nii.gz") and read["output"].startswith("/") | (":" in read["output"])


def test_what_is_not_known_is_null():
    report = report_json(segmentation(roi=None, probability={}, statistics={}, timings={}))
    tumour, pancreas = report["organs"]["tumour"], report["organs"]["pancreas"]
    assert not tumour["found"] and tumour["volume_ml"] == 0
    assert tumour["mean_hu"] is tumour["extent_mm"] is tumour["confidence_expected_dice"] is None
    assert pancreas["volume_ml"] == pytest.approx(18 * 1.5 * 1.5 * 5 / 1000)  # from the mask itself
    assert report["roi"] is report["input"] is None
    assert report["total_s"] == 0
    missing = report_json(segmentation())["organs"]["tumour"]
    assert missing["mean_hu"] is None and missing["extent_mm"] is None


SMALL = {"max_size": 3}


@given(
    st.recursive(
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.floats(width=32).map(np.float32),
            st.integers(-99, 99).map(np.int16), st.booleans().map(np.bool_),
        ),
        lambda inner: st.one_of(st.lists(inner, **SMALL), st.dictionaries(st.text(**SMALL), inner, **SMALL)),
        max_leaves=8,
    )
)  # fmt: skip
def test_any_provenance_becomes_strict_json(value):
    report = report_json(segmentation(provenance={"value": value, "path": np.arange(2)}))
    text = json.dumps(report, allow_nan=False)
    kept = json.loads(text)["provenance"]
    assert kept["path"] == [0, 1]
    if isinstance(value, float):
        assert kept["value"] == (value if math.isfinite(value) else None)


def test_an_unwritable_place_gets_a_sentence_and_no_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(tmp_path / "file" / "r.json", segmentation())
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
