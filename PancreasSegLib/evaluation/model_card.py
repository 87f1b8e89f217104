"""The measured part of a model card, made from the files that the measurements left."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.evaluation.intervals import Interval
from PancreasSegLib.evaluation.score_file import ScoreFile, read_json
from PancreasSegLib.models.checksums import sha256

BLOCKS = ("summary", "cases", "confidence", "correction")
_BEGIN, _END = "<!-- measured: {name} -->", "<!-- measured: end -->"
_SHORT = ("dice", "nsd_2mm", "nsd_3mm", "hd95_mm", "assd_mm", "volume_error_ml", "absolute_volume_error_ml")
_SCORE_KEYS: tuple[str, ...] = ("cross_validation", "evaluation")
_SHOWN_CORRECTIONS = (0, 1, 3, 5, 10)


def measured_blocks(scores: Sequence[ScoreFile], corrections: Mapping[str, Path]) -> dict[str, str]:
    """Return the Markdown of each block that there are figures for.

    Parameters
    ----------
    scores : sequence of ScoreFile
        The first one gives the table of cases and the confidence.
    corrections : mapping of str to Path
        ``TOOL.json`` of ``benchmark-correction`` by title.

    Raises
    ------
    DatasetError
        If a file is not what it should be.
    """
    blocks = {}
    if scores:
        blocks["summary"] = _summary(scores)
        blocks["cases"] = _cases(scores[0])
        confidence = _confidence(scores[0])
        if confidence:
            blocks["confidence"] = confidence
    if corrections:
        blocks["correction"] = _corrections(corrections)
    return blocks


def with_blocks(card: str, blocks: Mapping[str, str]) -> str:
    r"""Return a model card with its measured blocks replaced.

    A block begins with ``<!-- measured: NAME -->`` and ends with ``<!-- measured: end -->``, each on a line of its
    own. A block that the card does not have yet is put at the end of its section *Measured*, which is made at the
    end of the card if there is none.

    Parameters
    ----------
    card : str
        Markdown.
    blocks : mapping of str to str
        Markdown by name.

    Raises
    ------
    DatasetError
        If a block has no end, or is there twice.

    Examples
    --------
    >>> print(with_blocks("# Mine\n\n<!-- measured: cases -->\n<!-- measured: end -->\n", {"cases": "Two."}))
    # Mine
    <BLANKLINE>
    <!-- measured: cases -->
    Two.
    <!-- measured: end -->
    <BLANKLINE>
    """
    for name, content in blocks.items():
        begin = _BEGIN.format(name=name)
        whole = f"{begin}\n{content.strip()}\n{_END}"
        pattern = re.compile(f"^{re.escape(begin)}[ \\t]*\\n(?:(?!<!-- measured:).*\\n)*?{re.escape(_END)}", re.M)
        count = card.count(begin)
        if count == 0:
            card = _inserted(card, whole)
        elif count > 1 or not pattern.search(card):
            raise DatasetError(
                f"The block {name} of the model card is there twice or has no end.",
                f"Let it begin with {begin} and end with {_END}, each on its own line, once.",
            )
        else:
            card = pattern.sub(whole.replace("\\", r"\\"), card, count=1)
    return card


def measured_scores(
    scores: Sequence[ScoreFile], corrections: Mapping[str, Path], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the package's metadata says of its scores.

    Parameters
    ----------
    scores, corrections
        As for `measured_blocks`. The first of the scores becomes ``cross_validation`` (``evaluation`` where
        the model may have seen the patients); further ones carry their title behind that.
    before : mapping
        The scores that are there; those that do not come from here (of a fine-tuning, say) stay.
    """
    replaced = _SCORE_KEYS if scores else ()
    replaced += ("correction",) if corrections else ()
    found = {key: value for key, value in before.items() if not key.startswith(replaced)}
    for number, file in enumerate(scores):
        key = "cross_validation" if file.unseen else "evaluation"
        found[key if number == 0 else f"{key}_{_slug(file.title)}"] = _entry(file)
    if corrections:
        found["correction"] = _correction_entry(corrections)
    return found


def _inserted(card: str, block: str) -> str:
    heading = re.search(r"^## Measured[ \t]*$", card, re.M)
    if heading is None:
        return f"{card.rstrip()}\n\n## Measured\n\n{block}\n"
    following = re.search(r"^## ", card[heading.end() :], re.M)
    place = heading.end() + following.start() if following else len(card)
    rest = card[place:]
    return f"{card[:place].rstrip()}\n\n{block}\n" + (f"\n{rest}" if rest else "")


def _summary(scores: Sequence[ScoreFile]) -> str:
    lines = [
        "| measured on | Dice, mean (95 % CI) | median (least to most) | NSD at 2 mm | NSD at 3 mm | HD95 mm "
        "| volume error mL | absolute mL |",
        "|---|---|---|---|---|---|---|---|",
    ]
    notes = []
    for file in scores:
        found = file.summary
        m, dice = found.measures, found.measures["dice"]
        cells = (
            file.title,
            _n(dice["mean"]) + _ci(found.intervals["dice"]),
            f"{_n(dice.get('median'))} ({_n(dice.get('min'))} to {_n(dice.get('max'))})",
            _n(m["nsd_2mm"]["mean"]),
            _n(m["nsd_3mm"]["mean"]),
            _n(m["hd95_mm"]["mean"], 1),
            _n(m["volume_error_ml"]["mean"], 1, "+"),
            _n(m["absolute_volume_error_ml"]["mean"], 1),
        )
        lines.append(f"| {' | '.join(cells)} |")
        empty = found.outcomes["missed"] + found.outcomes["invented"]
        sentence = f"{file.title[:1].upper()}{file.title[1:]}: {file.about}"
        if empty:
            sentence += f"; one mask was empty in {empty} cases, which count with Dice 0 and have no HD95"
        if found.agreement is not None and found.agreement.lower is not None:
            a = found.agreement
            sentence += (
                f"; limits of agreement of the volume {_n(a.lower, 1, '+')} to {_n(a.upper, 1, '+')} mL "
                "(Bland-Altman)"
            )
        notes.append(f"- {sentence}. From `{file.path.name}`, SHA-256 {file.digest[:16]}.")
    return "\n".join([*lines, "", *notes])


def _cases(file: ScoreFile) -> str:
    lines = [
        "| case | Dice | NSD 2 mm | NSD 3 mm | HD95 mm | mL | reference mL | confidence |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for s in file.cohort.scores:
        numbers = (_n(s.dice), _n(s.nsd_2mm), _n(s.nsd_3mm), _n(s.hd95_mm, 1), _n(s.volume_ml, 0))
        last = (_n(s.reference_ml, 0), _n(s.confidence, 2))
        lines.append(f"| {' | '.join([s.case, *numbers, *last])} |")
    return "\n".join(lines)


def _confidence(file: ScoreFile) -> str:
    found = file.summary.confidence
    if found is None:
        return ""
    r = found.reported
    ranking = (
        [f"rank correlation (Spearman) with the true Dice {_n(found.spearman, 2)}"]
        if found.spearman is not None
        else []
    )
    if found.auroc is not None:
        ranking.append(
            f"AUROC {_n(found.auroc, 2)} for a Dice below {found.failure_dice:g} "
            f"({found.failures} of {found.cases})"
        )
    sentence = (
        f"Confidence (the expected Dice that a run reports), same runs: mean {_n(r.mean_expected, 2)} against a "
        f"mean Dice of {_n(r.mean_true, 2)}, bias {_n(r.bias, 3, '+')}, mean absolute difference {_n(r.mae, 3)}"
    )
    if found.left_out is not None:
        sentence += (
            f" ({_n(found.left_out.bias, 3, '+')} and {_n(found.left_out.mae, 3)} with a temperature fitted to "
            f"the other patients, {found.temperatures[0]:.2f} to {found.temperatures[1]:.2f})"
        )
    return "; ".join([sentence, *ranking]) + "."


def _corrections(files: Mapping[str, Path]) -> str:
    shown = " | ".join(str(n) for n in _SHOWN_CORRECTIONS)
    lines = [
        f"| simulated reader, median Dice after | {shown} corrections | one made it worse | time, median (95 %) |",
        "|---" * (len(_SHOWN_CORRECTIONS) + 3) + "|",
    ]
    for title, path in files.items():
        content, method = _benchmark(path)
        for group in ("all", "worst third"):
            if group not in method["groups"]:
                continue
            cases, curve = content["groups"][group], method["groups"][group]["curves"]["dice"]
            medians = [_n(curve[n]["median"]) if n < len(curve) else "-" for n in _SHOWN_CORRECTIONS]
            harm, time = method["harm"], method["latency_s"]
            last = ["", ""]
            if group == "all":
                last = [
                    f"{harm['worse']} of {harm['corrections']}, at most {_n(harm['largest_loss'])}",
                    f"{_n(time['median'], 2)} ({_n(time['p95'], 2)}) s",
                ]
            lines.append(f"| {' | '.join([f'{group} ({len(cases)}), {title}', *medians, *last])} |")
    return "\n".join(lines)


def _benchmark(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the content of a benchmark and its figures for our own method."""
    content = read_json(path)
    try:
        method = content["methods"].get("refine") or next(iter(content["methods"].values()))
        if not {"groups", "harm", "latency_s"} <= set(method) or "all" not in content["groups"]:
            raise KeyError("groups")
    except (KeyError, AttributeError, StopIteration, TypeError) as error:
        raise DatasetError(
            f"{path} is no result of benchmark-correction.", "Give its stroke.json, point.json or slice.json."
        ) from error
    return content, method


def _entry(file: ScoreFile) -> dict[str, Any]:
    found = file.summary
    summary = {
        name: {key: _round(found.measures[name].get(key)) for key in ("mean", "sd", "median", "min", "max")}
        | {"cases": found.measures[name]["cases"]}
        for name in _SHORT
        if found.measures[name]["cases"]
    }
    interval = found.intervals["dice"]
    if interval is not None:
        summary["dice"] |= {"ci95_low": _round(interval.low), "ci95_high": _round(interval.high)}
    entry: dict[str, Any] = {
        "what": file.about,
        "command": _command(file),
        "source": {"file": file.path.name, "sha256": file.digest},
        "summary": summary,
        "dice_by_case": {score.case: _round(score.dice) for score in file.cohort.scores},
    }
    if found.confidence is not None:
        q = found.confidence
        entry["confidence"] = {
            "spearman": _round(q.spearman),
            "auroc": _round(q.auroc),
            "failure_dice": q.failure_dice,
            "bias": _round(q.reported.bias),
            "mean_absolute_difference": _round(q.reported.mae),
        }
        entry["confidence_by_case"] = {
            score.case: _round(score.confidence) if score.confidence == score.confidence else None
            for score in file.cohort.scores
        }
    return entry


def _command(file: ScoreFile) -> str:
    about = file.cohort.about
    if "command" in about:
        return str(about["command"])
    in_plane = f" --in-plane {about['in_plane_mm']:g}" if about.get("in_plane_mm") is not None else ""
    return (
        f"pancreasseg cross-validate {about['recipe']}{in_plane}" if "recipe" in about else "pancreasseg evaluate"
    )


def _correction_entry(files: Mapping[str, Path]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "what": f"median Dice after {', '.join(map(str, _SHOWN_CORRECTIONS))} corrections of a simulated reader",
        "command": "pancreasseg benchmark-correction",
    }
    for number, (title, path) in enumerate(files.items()):
        _, method = _benchmark(path)
        medians: dict[str, Any] = {
            group.replace(" ", "_"): [
                _round(found["curves"]["dice"][n]["median"])
                for n in _SHOWN_CORRECTIONS
                if n < len(found["curves"]["dice"])
            ]
            for group, found in method["groups"].items()
            if group in ("all", "worst third")
        }
        medians["source"] = {"file": path.name, "sha256": sha256(path)}
        entry |= medians if number == 0 else {_slug(title): medians}
    return entry


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _n(value: float | None, digits: int = 3, sign: str = "") -> str:
    if value is None or value != value:
        return "-"
    return "none" if value in (float("inf"), float("-inf")) else f"{value:{sign}.{digits}f}"


def _ci(interval: Interval | None) -> str:
    return "" if interval is None else f" ({_n(interval.low)} to {_n(interval.high)})"
