"""Ranking and calibration of the confidence, and fits that leave the judged patient out."""

import math

import numpy as np
import pytest
from score_cases import score

from PancreasSegLib.evaluation.confidence import auroc, confidence_quality
from PancreasSegLib.evaluation.temperature import TEMPERATURES, expected_at, expected_dice_curve, fit_temperature
from PancreasSegLib.postprocess import expected_dice
from PancreasSegLib.volume import Geometry, Volume


def test_auroc_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    values, positive = rng.integers(0, 6, 40).astype(float), rng.random(40) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in values[positive] for b in values[~positive]]
    assert auroc(values, positive) == pytest.approx(np.mean(pairs))
    assert auroc(values, np.ones(40, bool)) is None


def test_figures_by_hand():
    dices, sure = [0.5, 0.6, 0.8, 0.9], [0.6, 0.75, 0.7, 0.95]
    found = confidence_quality(
        [score(str(n), d, confidence=c) for n, (d, c) in enumerate(zip(dices, sure, strict=True))]
    )
    assert found.spearman == pytest.approx(0.8)  # one neighbouring pair in the wrong order: 1 - 6 * 2 / (4 * 15)
    assert (found.failures, found.auroc) == (2, 0.75)
    assert found.reported.bias == pytest.approx(0.05)
    assert found.reported.mae == pytest.approx((0.1 + 0.15 + 0.1 + 0.05) / 4)
    assert found.left_out is None


def test_a_refused_run_counts_as_no_confidence_and_a_file_without_one_does_not():
    refused = score("lost", 0.0, error="No pancreas was found.", volume_ml=0.0)
    found = confidence_quality([score("a", 0.8, confidence=0.8), score("b", 0.9, confidence=0.9), refused])
    assert (found.cases, found.failures, found.auroc) == (3, 1, 1.0)
    assert confidence_quality([score("a", 0.8), score("b", 0.9)]) is None


def test_what_is_constant_has_no_rank():
    found = confidence_quality([score(str(n), d, confidence=0.8) for n, d in enumerate((0.7, 0.8, 0.9))])
    assert found.spearman is None
    assert found.auroc is None


def curve(at_one: float) -> tuple[float, ...]:
    """Expected Dice that falls with the temperature as a real one does."""
    return tuple(float(np.clip(at_one - 0.3 * math.log(t), 0, 1)) for t in TEMPERATURES)


def test_the_fit_finds_the_temperature_that_the_scores_were_made_with():
    made = [curve(value) for value in (0.7, 0.8, 0.9)]
    dices = [float(expected_at(c, 1.3)) for c in made]
    assert fit_temperature(made, dices) == pytest.approx(1.3, rel=0.02)


def test_nobody_is_judged_by_a_fit_that_saw_them():
    # all but one are too sure by the same amount; the odd one out is its own patient
    scores = [
        score(f"p{n}", 0.7 + 0.02 * n, confidence=0.8 + 0.02 * n, confidence_curve=curve(0.8 + 0.02 * n))
        for n in range(6)
    ]
    found = confidence_quality(scores)
    assert found.reported.bias == pytest.approx(0.1)
    assert abs(found.left_out.bias) < 0.01
    odd = score("odd", 0.2, confidence=0.9, confidence_curve=curve(0.9))
    with_odd = confidence_quality([*scores, odd])
    assert with_odd.left_out_expected[-1] == pytest.approx(
        float(expected_at(curve(0.9), math.exp(1 / 3))), abs=0.01
    )


def test_scans_of_one_patient_are_left_out_together():
    scores = [
        score(f"{n}", 0.5 + 0.1 * n, confidence=0.8, confidence_curve=curve(0.8), patient=f"p{n // 2}")
        for n in range(4)
    ]
    assert confidence_quality(scores).left_out is None  # two patients: no fit is left
    more = [*scores, score("9", 0.8, confidence=0.8, confidence_curve=curve(0.8), patient="p9")]
    assert confidence_quality(more).left_out is not None


def test_curve_of_a_mask_on_a_flipped_grid():
    ct = Geometry((40, 30, 20), (1.0, 1.0, 2.0), (0, 29, 0), (1, 0, 0, 0, -1, 0, 0, 0, 1))
    crop = Geometry((30, 20, 14), (1.0, 1.0, 2.0), (5.0, 5.0, 6.0))
    z, y, x = np.indices(crop.shape_zyx)
    away = np.sqrt(((x - 15) / 9) ** 2 + ((y - 10) / 6) ** 2 + ((z - 7) / 4) ** 2)
    probability = Volume((1 / (1 + np.exp(8 * (away - 1)))).astype(np.float16), crop)
    mask = np.zeros(ct.shape_zyx, bool)
    canonical = np.zeros((20, 30, 40), bool)
    canonical[3:17, 5:25, 5:35] = probability.voxels >= 0.5
    mask[:] = canonical[:, ::-1]
    found = expected_dice_curve(mask, ct, probability)
    plain = expected_dice(probability.voxels >= 0.5, probability.voxels.astype(np.float64))
    assert found[TEMPERATURES.index(1.0)] == pytest.approx(plain, abs=0.01)
    assert list(found) == sorted(found, reverse=True)
    assert expected_dice_curve(np.zeros_like(mask), ct, probability) == (0.0,) * len(TEMPERATURES)
