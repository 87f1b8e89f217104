"""The region of interest as it is written on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PancreasSegLib.cli.region import region_of
from PancreasSegLib.errors import RegionError

ranges = st.tuples(st.integers(0, 999), st.integers(1, 999)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.tuples(ranges, ranges, ranges), st.sampled_from([",", ", ", " ,"]))
def test_box_round_trip(box, comma):
    assert region_of(comma.join(f"{a}:{b}" for a, b in box)).to_json() == [list(pair) for pair in box]


@pytest.mark.parametrize("word", ["auto", "none", " AUTO ", "None"])
def test_words(word):
    assert region_of(word) == word.strip().lower()


@pytest.mark.parametrize(
    "text", ["", "all", "1:2,3:4", "1:2,3:4,5:6,7:8", "-1:2,3:4,5:6", "1:2,3:4,5:", "a:b,c:d,e:f", "1.5:2,3:4,5:6"]
)
def test_nonsense_is_refused_with_an_example(text):
    with pytest.raises(RegionError, match="not understood") as caught:
        region_of(text)
    assert "120:400" in caught.value.hint


@pytest.mark.parametrize("text", ["5:5,0:9,0:9", "0:9,7:3,0:9"])
def test_empty_box_is_refused(text):
    with pytest.raises(RegionError, match="empty"):
        region_of(text)
