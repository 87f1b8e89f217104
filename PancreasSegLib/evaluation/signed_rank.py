"""Wilcoxon's signed-rank test, exact with ties too, and Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXACT_UP_TO = 200
"""Differences; beyond it the normal approximation differs in the fourth digit at most."""


@dataclass(frozen=True)
class SignedRank:
    """What the test found.

    Attributes
    ----------
    statistic : float
        Sum of the ranks of the positive differences.
    p : float
        Two-sided; 1 when there is no difference at all.
    pairs : int
        Differences that are not zero; the others have no direction and are left out, as Wilcoxon did.
    exact : bool
        Whether p comes from the exact distribution over all signs.
    """

    statistic: float
    p: float
    pairs: int
    exact: bool


def signed_rank(differences: ArrayLike) -> SignedRank:
    """Test whether paired differences are symmetric about zero.

    The exact null distribution of the rank sum over all 2^n signs is counted, with mid-ranks where differences
    tie, so that it is exact there too; above 200 differences the normal approximation is taken (Wilcoxon,
    Biometrics Bulletin 1:80, 1945).

    Parameters
    ----------
    differences : array of float
        One a patient; finite.

    Examples
    --------
    >>> signed_rank([0.1, 0.2, 0.3, 0.4, 0.5]).p
    0.0625
    """
    from scipy.stats import rankdata, wilcoxon

    array = np.asarray(differences, dtype=np.float64)
    array = array[array != 0]
    if array.size == 0:
        return SignedRank(0.0, 1.0, 0, True)
    ranks = rankdata(np.abs(array))
    statistic = float(ranks[array > 0].sum())
    if array.size > EXACT_UP_TO:
        return SignedRank(statistic, float(wilcoxon(array, method="approx").pvalue), array.size, False)
    doubled = np.rint(2 * ranks).astype(int)  # mid-ranks are multiples of a half
    chances = _rank_sum_chances(doubled)
    seen = round(2 * statistic)
    tail = min(chances[: seen + 1].sum(), chances[seen:].sum())
    return SignedRank(statistic, float(min(1.0, 2 * tail)), array.size, True)


def _rank_sum_chances(ranks: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the probability of each sum of those of the ranks that a fair coin picks."""
    chances = np.zeros(int(ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in ranks:
        picked = np.zeros_like(chances)
        picked[rank:] = chances[: len(chances) - rank]
        chances = (chances + picked) / 2
    return chances


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number (Holm, Scand J Stat 6:65, 1979), in the order given.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    corrected, highest = [0.0] * len(p_values), 0.0
    for place, number in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[number]))
        corrected[number] = highest
    return corrected
