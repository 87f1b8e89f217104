"""Labels are chosen and merged by name, whatever a dataset calls its structures."""

from __future__ import annotations

import pytest

from PancreasSegLib.data.label_selection import LabelSelection
from PancreasSegLib.data.structure_name import matching, plain_name
from PancreasSegLib.errors import DatasetError


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("kidney_left", "left kidney"),
        ("LeftKidney", "left-kidney"),
        ("esophagus", "Oesophagus"),
        ("inferior vena cava", "postcava"),
        ("livertumor01", "liver tumour 01"),
        ("cancer", "tumour"),
    ],
)
def test_names_that_mean_the_same(first, second):
    assert plain_name(first) == plain_name(second)
    assert matching(second, (first, "spleen")) == (first,)


def test_names_that_do_not():
    for first, second in (("kidney_left", "kidney_right"), ("liver", "livertumor"), ("aorta", "portal vein")):
        assert plain_name(first) != plain_name(second)


def test_subsets_merges_and_patterns():
    wanted = LabelSelection.parse(["liver=liver+livertumor*, kidneys=kidney_left+right kidney", "pancreas"])
    assert wanted.values == {"liver": 1, "kidneys": 2, "pancreas": 3}
    structures = ("liver", "livertumor1", "livertumor2", "leftkidney", "kidney_right", "pancreas")
    wanted.check(structures, "a dataset")
    assert wanted.of_case(structures) == {
        "liver": ("liver", "livertumor1", "livertumor2"),
        "kidneys": ("leftkidney", "kidney_right"),
        "pancreas": ("pancreas",),
    }
    # One kidney was not outlined: the label of both is unknown here. A patient without a tumour has a liver.
    assert wanted.of_case(("liver", "leftkidney")) == {"liver": ("liver",)}


def test_a_pattern_alone_needs_something_to_fit():
    wanted = LabelSelection.parse(["tumour=livertumor*"])
    assert wanted.of_case(("liver",)) == {}
    assert wanted.of_case(("liver", "livertumor1")) == {"tumour": ("livertumor1",)}


@pytest.mark.parametrize(
    "text", ["", "=liver", "liver=", "liver=a++b", "liv*", "a,,b", "liver=a,liver=b", "background"]
)
def test_what_makes_no_sense_is_refused(text):
    with pytest.raises(DatasetError):
        LabelSelection.parse([text])


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(DatasetError, match="no structure 'livr'; perhaps 'liver'") as problem:
        LabelSelection.parse(["livr"]).check(("liver", "spleen"), "This")
    assert "liver, spleen" in problem.value.hint


def test_more_labels_than_a_mask_holds():
    with pytest.raises(DatasetError, match="256 labels"):
        LabelSelection.all_of([str(n) for n in range(256)])
