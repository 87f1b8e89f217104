"""The report of an evaluation as one HTML file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PancreasSegLib._version import __version__
from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.evaluation.case_score import CaseScore
from PancreasSegLib.evaluation.cohort import Cohort
from PancreasSegLib.evaluation.run import EvaluationRun
from PancreasSegLib.evaluation.summary import Evaluation, LabelSummary
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.pictures.comparison_view import comparison_view
from PancreasSegLib.report.evaluation_plots import dice_plot, paired_plot, reliability_plot, volume_plot
from PancreasSegLib.report.evaluation_tables import (
    cases_table,
    comparison_table,
    confidence_table,
    digits,
    labels_table,
    measures_table,
    overview_table,
    strata_table,
)
from PancreasSegLib.report.figures import jpeg
from PancreasSegLib.report.html_page import figure, page, paragraph, section, text
from PancreasSegLib.report.measures import CONVENTIONS, DEFINITIONS
from PancreasSegLib.report.run_report import DISCLAIMER


def write_evaluation_report(
    path: Path, evaluation: Evaluation, run: EvaluationRun | None = None, *, pictures: int = 3
) -> None:
    """Write the report; whole or not at all.

    Parameters
    ----------
    path : Path
        Ends in ``.html``.
    evaluation : Evaluation
        The figures.
    run : EvaluationRun, optional
        Where the scans and masks of the pictures come from; without it there are none.
    pictures : int
        How many of the worst and how many of the best cases are shown, for each model and label.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    body = [_head(evaluation), _contents(evaluation)]
    if len(evaluation.labels) > 1:
        body.append(section("Labels", "labels", labels_table(evaluation.summaries, list(evaluation.cohorts))))
    for label, summaries in evaluation.summaries.items():
        body += _label_sections(evaluation, label, summaries, run, pictures)
    body += [_definitions(), _provenance(evaluation)]
    whole = page(f"Evaluation: {evaluation.about.get('dataset', '')}", body)
    with atomic_path(path) as temporary:
        temporary.write_text(whole, encoding="utf-8")


def _anchor(*words: str) -> str:
    return "-".join("".join(c if c.isalnum() else "-" for c in word.lower()) for word in words)


def _head(evaluation: Evaluation) -> str:
    models = ", ".join(evaluation.cohorts)
    cases = len({score.case for cohort in evaluation.cohorts.values() for score in cohort.scores})
    about = evaluation.about
    lines = [
        f"<h1>{text(about.get('dataset', 'Evaluation'))}</h1>",
        paragraph(
            f"{models} against the references of {cases} cases, on {about.get('grid', 'their own grid')}. "
            f"Made {evaluation.made[:10]} by PancreasSeg {__version__}. {DISCLAIMER}",
            "by",
        ),
    ]
    lines += [paragraph(note, "note") for note in evaluation.notes]
    return "\n".join(["<header>", *lines, "</header>"])


def _contents(evaluation: Evaluation) -> str:
    items = [f'<li><a href="#{_anchor(label)}">{text(label)}</a></li>' for label in evaluation.labels]
    items.append('<li><a href="#definitions">What the measures mean</a></li>')
    items.append('<li><a href="#made">How it was made</a></li>')
    return f'<nav aria-label="Contents"><ul>{"".join(items)}</ul></nav>'


def _label_sections(
    evaluation: Evaluation,
    label: str,
    summaries: Mapping[str, LabelSummary],
    run: EvaluationRun | None,
    pictures: int,
) -> Iterator[str]:
    cohorts = {name: evaluation.cohorts[name].of_label(label) for name in summaries}
    scores = {name: cohort.scores for name, cohort in cohorts.items()}
    yield section(
        label.capitalize(),
        _anchor(label),
        overview_table(label, summaries),
        figure(dice_plot(scores, label), "Dice case by case, sorted by the first model."),
    )
    if len(cohorts) > 1:
        yield _comparison(evaluation, label, cohorts)
    yield _volumes(label, scores, summaries)
    confidence = _confidence(label, scores, summaries)
    if confidence:
        yield confidence
    tables = [strata_table(name, summary.strata) for name, summary in summaries.items() if summary.strata]
    if tables:
        yield section(
            f"{label.capitalize()}: what makes a case hard",
            _anchor(label, "strata"),
            *tables,
            paragraph("Parts of a few cases say little; the intervals tell how little.", "by"),
        )
    if run is not None and pictures:
        for name, found in scores.items():
            yield _case_pictures(run, name, label, found, pictures)
    yield section(
        f"{label.capitalize()}: all figures",
        _anchor(label, "figures"),
        *(measures_table(name, summary) for name, summary in summaries.items()),
        *(
            f"<details><summary>Every case of {text(name)}</summary>{cases_table(name, found)}</details>"
            for name, found in scores.items()
        ),
    )


def _comparison(evaluation: Evaluation, label: str, cohorts: Mapping[str, Cohort]) -> str:
    comparisons = [c for c in evaluation.comparisons if c.label == label]
    plots = []
    for comparison in comparisons:
        if comparison.measure not in ("dice", "nsd_2mm") or not comparison.cases:
            continue
        one, other = (
            dict(zip([s.case for s in cohort.scores], cohort.values(comparison.measure), strict=True))
            for cohort in (cohorts[comparison.first], cohorts[comparison.second])
        )
        shared = [case for case in one if case in other]
        names = (comparison.first, comparison.second)
        plot = paired_plot(
            {case: one[case] for case in shared},
            {case: other[case] for case in shared},
            names,
            DEFINITIONS[comparison.measure][0],
            label,
        )
        plots.append(figure(plot, f"A line a case; dashed where {names[1]} is worse. Dashed bar line: mean."))
    return section(
        f"{label.capitalize()}: comparison",
        _anchor(label, "comparison"),
        comparison_table(label, comparisons),
        f'<div class="row">{"".join(plots)}</div>',
    )


def _volumes(label: str, scores: Mapping[str, Sequence[CaseScore]], summaries: Mapping[str, LabelSummary]) -> str:
    content, plots = [], []
    for name, summary in summaries.items():
        found = summary.agreement
        if found is None:
            continue
        sentence = f"{name}: bias {digits(found.bias, 'volume_ml', signed=True)} mL"
        if found.lower is not None and found.bias_interval is not None:
            low, high = found.bias_interval.low, found.bias_interval.high
            sentence += (
                f" (95 % CI {digits(low, 'volume_ml', signed=True)} to {digits(high, 'volume_ml', signed=True)}), "
                f"limits of agreement {digits(found.lower, 'volume_ml', signed=True)} to "
                f"{digits(found.upper, 'volume_ml', signed=True)} mL"
            )
        if found.slope is not None and found.slope_interval is not None:
            low, high = found.slope_interval.low, found.slope_interval.high
            grows = (
                "the error changes with the organ's size"
                if low * high > 0
                else "no clear change of the error with size"
            )
            sentence += f"; slope {found.slope:+.2f} ({low:+.2f} to {high:+.2f}): {grows}".replace("-", "−")
        content.append(paragraph(sentence + "."))
        plots.append(figure(volume_plot(scores[name], found, name, label), name))
    return section(
        f"{label.capitalize()}: volume",
        _anchor(label, "volume"),
        *content,
        f'<div class="row">{"".join(plots)}</div>',
    )


def _confidence(
    label: str, scores: Mapping[str, Sequence[CaseScore]], summaries: Mapping[str, LabelSummary]
) -> str | None:
    known = {name: s.confidence for name, s in summaries.items() if s.confidence is not None}
    if not known:
        return None
    plots = [figure(reliability_plot(scores[name], quality, name, label), name) for name, quality in known.items()]
    return section(
        f"{label.capitalize()}: confidence",
        _anchor(label, "confidence"),
        confidence_table(known),
        f'<div class="row">{"".join(plots)}</div>',
        paragraph("On the line, a mask is as good as the run expected; below it the run was too sure.", "by"),
    )


def _case_pictures(run: EvaluationRun, name: str, label: str, scores: Sequence[CaseScore], count: int) -> str:
    """Return the worst cases and the best ones in pictures; no case twice."""
    ranked = sorted(scores, key=lambda s: (s.dice, s.nsd_2mm, -s.hd95_mm if math.isfinite(s.hd95_mm) else -1e9))
    worst = ranked[:count]
    best = ranked[len(worst) :][::-1][:count]
    content = []
    for heading, chosen in (("Worst", worst), ("Best", best)):
        if chosen:
            content.append(f"<h3>{heading}</h3>")
            content += [_case_picture(run, name, label, score) for score in chosen]
    content.append(
        paragraph(
            "Surfaces are coloured by the distance to the other one: blue is missed, orange is too much, pale is "
            "right (to about a voxel). They are smoothed for the eye; the figures are not taken from them.",
            "by",
        )
    )
    return section(f"{label.capitalize()}: cases, {name}", _anchor(label, "cases", name), *content)


def _case_picture(run: EvaluationRun, name: str, label: str, score: CaseScore) -> str:
    source = next(source for source in run.sources if source.name == name)
    case = next(case for case in run.cases[name] if case.name == score.case)
    caption = (
        f"{score.case}: Dice {digits(score.dice)}, NSD 2 mm {digits(score.nsd_2mm)}, HD95 "
        f"{digits(score.hd95_mm, 'hd95_mm')} mm, {digits(score.volume_ml, 'volume_ml')} mL against "
        f"{digits(score.reference_ml, 'volume_ml')} mL"
    )
    if math.isfinite(score.confidence):
        caption += f", expected Dice {digits(score.confidence)}"
    if score.error:
        caption += f". Refused: {score.error}"
    try:
        ct, reference, masks = run.compared(source, case)
    except PancreasSegError as problem:
        return paragraph(f"{score.case} cannot be drawn: {problem}", "note")
    drawn = comparison_view(ct, reference.voxels == run.labels[label], masks[label])
    return figure(jpeg(drawn, f"Outlines and surfaces of {caption}"), caption)


def _definitions() -> str:
    terms = "".join(f"<dt>{text(name)}</dt><dd>{text(meaning)}</dd>" for name, meaning in DEFINITIONS.values())
    points = "".join(f"<li>{text(sentence)}</li>" for sentence in CONVENTIONS)
    return section("What the measures mean", "definitions", f"<dl>{terms}</dl>", f"<ul>{points}</ul>")


def _provenance(evaluation: Evaluation) -> str:
    about = evaluation.about
    lines = [
        f"Dataset: {about.get('dataset', '?')} ({about.get('licence') or 'licence not stated'}).",
        f"Bootstrap: {evaluation.resamples} resamples, seed {evaluation.seed}, patients as units.",
    ]
    for name, cohort in evaluation.cohorts.items():
        if cohort.about.get("kind") == "model":
            lines.append(f"{name}: nothing here tells whether the model was trained on these patients.")
        if cohort.about.get("kind") == "files":
            lines.append(f"{name}: files in {cohort.about['folder']}, other grids {cohort.about['other_grids']}.")
        for package in cohort.about.get("packages", ()):
            sums = ", ".join(f"{file} {digest[:12]}" for file, digest in package["weights"].items())
            lines.append(f"{name}: model {package['name']} {package['version']}, SHA-256 {sums}.")
    if about.get("command"):
        lines.append(f"Command: {about['command']}")
    return section("How it was made", "made", *(paragraph(line) for line in lines))
