"""Where the pancreas of known patients lies: the summary kept with the library."""

from __future__ import annotations

import numpy as np
import pytest
from trunk import Trunk

from PancreasSegLib.roi import propose_roi
from PancreasSegLib.roi.statistics import QUANTITIES, LocationStatistics, Spread, location_statistics


def test_the_kept_summary_is_complete_and_plausible():
    kept = location_statistics()
    for quantity in QUANTITIES:
        spread = kept[quantity]
        assert spread.least <= spread.mean <= spread.greatest
        assert spread.patients >= 13
    assert kept["top_below_dome"].patients == 26
    assert kept["top_below_dome"].mean < kept["bottom_below_dome"].mean
    assert kept["bottom_above_crest"].mean < kept["top_above_crest"].mean
    assert kept["right_of_spine"].mean < 0 < kept["left_of_spine"].mean
    assert kept["front_of_spine"].mean < kept["back_of_spine"].mean


def test_json_round_trip():
    kept = location_statistics()
    assert LocationStatistics.from_json(kept.to_json()) == kept


def test_summary_of_patients_of_whom_some_lack_a_landmark():
    patients = [dict.fromkeys(QUANTITIES, value) for value in (1.0, 2.0, 6.0)]
    del patients[2]["top_above_crest"]
    summary = LocationStatistics.of(patients)
    assert summary["left_of_spine"] == Spread(3, 1.0, 6.0, 3.0, float(np.round(np.std([1, 2, 6], ddof=1), 3)))
    assert summary["top_above_crest"].patients == 2


@pytest.mark.parametrize(
    ("quantity", "field", "shift", "axis", "end"),
    [
        ("bottom_below_dome", "greatest", -15, 2, 0),
        ("top_above_crest", "greatest", -15, 2, 1),
        ("right_of_spine", "least", 15, 0, 0),
        ("left_of_spine", "greatest", -15, 0, 1),
        ("front_of_spine", "least", 15, 1, 0),
        ("back_of_spine", "greatest", -15, 1, 1),
    ],
)
def test_each_extreme_moves_its_own_face(quantity, field, shift, axis, end):
    trunk = Trunk(
        extras=("lungs", "spine", "table") if "dome" in quantity else ("lungs", "spine", "wings", "table")
    )
    kept = location_statistics().to_json()
    for share in ("right_share", "left_share", "front_share"):
        kept[share]["greatest"] = 3.0  # so that the mm decide
    before = propose_roi(trunk.volume(), LocationStatistics.from_json(kept)).box.to_json()
    kept[quantity][field] += shift
    after = propose_roi(trunk.volume(), LocationStatistics.from_json(kept)).box.to_json()
    moved = [(a, e) for a in range(3) for e in (0, 1) if before[a][e] != after[a][e]]
    assert (axis, end) in moved
    if axis != 2:  # other levels see another part of the body
        assert moved == [(axis, end)]
