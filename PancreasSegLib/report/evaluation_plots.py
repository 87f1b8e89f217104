"""The plots of an evaluation report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from PancreasSegLib.evaluation.agreement import Agreement
from PancreasSegLib.evaluation.case_score import CaseScore
from PancreasSegLib.evaluation.confidence import ConfidenceQuality
from PancreasSegLib.report.figures import FAINT, INK, MARKERS, SERIES, new_plot, svg

_MOST_NAMED = 40
"""Cases; more names would not be legible below an axis."""


def dice_plot(scores: Mapping[str, Sequence[CaseScore]], label: str) -> str:
    """Draw the Dice of every case, sorted by the first model, a mark a model."""
    first = next(iter(scores.values()))
    names = [score.case for score in sorted(first, key=lambda score: score.dice)]
    names += sorted({s.case for other in scores.values() for s in other} - set(names))
    figure, (axes,) = new_plot(max(5.5, min(11.0, 1.5 + 0.32 * len(names))), 3.6)
    for number, (model, found) in enumerate(scores.items()):
        dice = {score.case: score.dice for score in found}
        x = [n for n, name in enumerate(names) if name in dice]
        axes.plot(
            x,
            [dice[names[n]] for n in x],
            linestyle="none",
            marker=MARKERS[number % len(MARKERS)],
            color=SERIES[number % len(SERIES)],
            markersize=6,
            label=model,
        )
    if len(scores) > 1:
        for n, name in enumerate(names):
            values = [s.dice for found in scores.values() for s in found if s.case == name]
            axes.plot([n, n], [min(values), max(values)], color=FAINT, linewidth=0.8, zorder=0)
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="lower right")
    if len(names) <= _MOST_NAMED:
        axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    else:
        axes.set_xlabel(f"{len(names)} cases, sorted")
    axes.set_ylabel("Dice")
    low = min(score.dice for found in scores.values() for score in found)
    axes.set_ylim(max(-0.02, np.floor(10 * low - 0.5) / 10), 1.0)
    return svg(figure, f"Dice of the {label}, case by case, for {', '.join(scores)}")


def volume_plot(scores: Sequence[CaseScore], agreement: Agreement, model: str, label: str) -> str:
    """Draw the difference of the volumes against their mean, with bias and limits of agreement."""
    figure, (axes,) = new_plot(5.2, 3.6)
    means = [(score.volume_ml + score.reference_ml) / 2 for score in scores]
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.plot(
        means, [s.volume_error_ml for s in scores], linestyle="none", marker="o", color=SERIES[0], markersize=5
    )
    lines = [(agreement.bias, agreement.bias_interval, "bias")]
    if agreement.lower is not None and agreement.upper is not None:
        lines += [
            (agreement.upper, agreement.upper_interval, "bias + 1.96 SD"),
            (agreement.lower, agreement.lower_interval, "bias - 1.96 SD"),
        ]
    low, high = min(means), max(means)
    width = max(high - low, 1.0)
    axes.set_xlim(low - 0.06 * width, high + 0.16 * width)
    for number, (value, interval, name) in enumerate(lines):
        axes.axhline(value, color=INK, linewidth=1.2, linestyle="-" if number == 0 else (0, (5, 3)))
        if interval is not None:
            edge = high + (0.09 + 0.025 * number) * width
            axes.plot(
                [edge, edge], [interval.low, interval.high], color=INK, linewidth=1.2, marker="_", markersize=7
            )
        axes.annotate(
            f"{name}: {value:+.1f}",
            (low - 0.05 * width, value),
            xytext=(0, 2),
            textcoords="offset points",
            va="bottom",
            color=INK,
            fontsize=8,
        )
    axes.set_xlabel("mean of prediction and reference, mL")
    axes.set_ylabel("prediction - reference, mL")
    return svg(figure, f"Bland-Altman plot of the volume of the {label} by {model}: bias {agreement.bias:+.1f} mL")


def reliability_plot(scores: Sequence[CaseScore], quality: ConfidenceQuality, model: str, label: str) -> str:
    """Draw the true Dice against the reported one, and against that after a fit to the other patients."""
    figure, (axes,) = new_plot(4.4, 3.6)
    by_case = {score.case: score for score in scores}
    known = [by_case[name] for name in quality.names]
    dice = [score.dice for score in known]
    reported = [score.confidence if np.isfinite(score.confidence) else 0.0 for score in known]
    low = max(0.0, np.floor(10 * min(dice + reported) - 0.3) / 10)
    axes.plot([low, 1], [low, 1], color=FAINT, linewidth=1)
    axes.axhline(quality.failure_dice, color=FAINT, linewidth=0.8, linestyle=(0, (4, 4)))
    axes.plot(
        reported,
        dice,
        linestyle="none",
        marker="o",
        color=SERIES[0],
        markersize=6,
        label="as the model reports it",
    )
    if quality.left_out_expected:
        axes.plot(
            quality.left_out_expected,
            dice,
            linestyle="none",
            marker="x",
            color=SERIES[1],
            markersize=6,
            label="refitted on the other patients",
        )
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="upper left")
    axes.set_xlim(low, 1)
    axes.set_ylim(low, 1)
    axes.set_aspect("equal")
    axes.set_xlabel("expected Dice (confidence)")
    axes.set_ylabel("true Dice")
    return svg(figure, f"True against expected Dice of the {label} by {model}")


def paired_plot(
    first: Mapping[str, float], second: Mapping[str, float], names: tuple[str, str], measure: str, label: str
) -> str:
    """Draw a line a case from the first to the second model, and the differences beside it.

    Parameters
    ----------
    first, second : mapping of str to float
        Value by case, the same cases.
    names : tuple of str
        The models.
    measure : str
        What the axis is called.
    label : str
        What was compared.
    """
    figure, (lines, differences) = new_plot(5.3, 3.2, columns=2)
    for case in first:
        better = second[case] >= first[case]
        lines.plot(
            [0, 1],
            [first[case], second[case]],
            color=SERIES[0] if better else SERIES[1],
            linestyle="-" if better else (0, (4, 2)),
            marker="o",
            markersize=3.5,
            linewidth=1,
        )
    lines.set_xticks([0, 1], names)
    lines.set_xlim(-0.25, 1.25)
    lines.set_ylabel(measure)
    gained = np.array(sorted(second[case] - first[case] for case in first))
    colours = [SERIES[0] if value >= 0 else SERIES[1] for value in gained]
    differences.barh(range(len(gained)), gained, color=colours, height=0.7)
    differences.axvline(0, color=INK, linewidth=0.8)
    differences.axvline(float(gained.mean()), color=INK, linewidth=1.2, linestyle=(0, (5, 3)))
    differences.set_yticks([])
    differences.set_xlabel(f"{names[1]} - {names[0]}, a bar a case")
    return svg(figure, f"{measure} of the {label} by {names[0]} and {names[1]}, case by case")
