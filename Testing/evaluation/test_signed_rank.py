"""Wilcoxon's test against scipy and by enumeration, Holm's correction by hand."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, wilcoxon

from PancreasSegLib.evaluation.signed_rank import holm, signed_rank


@pytest.mark.parametrize("count", [1, 2, 5, 14, 30, 50])
def test_without_ties_it_is_scipys_exact_test(count):
    differences = np.random.default_rng(count).normal(0.3, 1, count)
    found = signed_rank(differences)
    assert found.exact
    assert found.p == pytest.approx(wilcoxon(differences, method="exact").pvalue)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_with_ties_and_zeros_it_is_the_enumeration_of_all_signs(differences):
    used = np.array([value for value in differences if value])
    found = signed_rank(differences)
    assert found.pairs == used.size
    if used.size == 0:
        assert found.p == 1
        return
    ranks = rankdata(np.abs(used))
    sums = np.array([ranks[np.array(signs)].sum() for signs in product((False, True), repeat=used.size)])
    seen = ranks[used > 0].sum()
    tail = min((sums <= seen + 1e-9).mean(), (sums >= seen - 1e-9).mean())
    assert found.p == pytest.approx(min(1, 2 * tail))


def test_many_differences_are_approximated():
    differences = np.random.default_rng(1).normal(0.1, 1, 400)
    found = signed_rank(differences)
    assert not found.exact
    assert found.p == pytest.approx(wilcoxon(differences, method="approx").pvalue)


def test_it_depends_on_the_order_of_sizes_alone():
    differences = np.array([0.3, -0.1, 0.2, 0.5, -0.4])
    assert signed_rank(differences).p == signed_rank(10 * differences).p == signed_rank(-differences).p


def test_holm_by_hand():
    assert holm([]) == []
    assert holm([0.2]) == [0.2]
    assert holm([0.01, 0.02, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert holm([0.5, 0.9, 0.001]) == pytest.approx([1.0, 1.0, 0.003])
