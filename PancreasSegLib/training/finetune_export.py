"""Make a model package of a fine-tuned model, with what it learnt from and what that changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from PancreasSegLib.models import ModelPackage, load_weights, write_package
from PancreasSegLib.training.finetune_cases import FinetuneData
from PancreasSegLib.training.finetune_recipe import FinetuneRecipe

Pair = tuple[float, float]


@dataclass(frozen=True)
class FinetuneScores:
    """Dice before and after on held-out cases, by case; the whole cascade on the CT's own grid.

    Attributes
    ----------
    held_out : dict of str to (float, float)
        Corrected cases.
    base : dict of str to (float, float)
        Base cases.
    """

    held_out: dict[str, Pair]
    base: dict[str, Pair]

    def compared(self, after: FinetuneScores) -> FinetuneScores:
        """Return the scores of this object as before, those of another as after."""
        return FinetuneScores(
            {name: (pair[0], after.held_out[name][0]) for name, pair in self.held_out.items()},
            {name: (pair[0], after.base[name][0]) for name, pair in self.base.items()},
        )

    def better(self, tolerance: float) -> bool | None:
        """Whether the corrected cases gained and the base cases lost at most `tolerance`; None if unmeasured."""
        kept = not self.base or mean_pair(self.base)[1] >= mean_pair(self.base)[0] - tolerance
        if self.held_out:
            before, after = mean_pair(self.held_out)
            return after > before and kept
        return None if kept else False

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; what was not measured is None."""
        return {
            part: {name: [None if math.isnan(v) else v for v in pair] for name, pair in pairs.items()}
            for part, pairs in (("held_out", self.held_out), ("base", self.base))
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> FinetuneScores:
        """Rebuild from `to_json`."""

        def pairs(part: dict[str, list[float | None]]) -> dict[str, Pair]:
            return {
                name: (math.nan if a is None else float(a), math.nan if b is None else float(b))
                for name, (a, b) in part.items()
            }

        return cls(pairs(value["held_out"]), pairs(value["base"]))


def mean_pair(pairs: Mapping[str, Pair]) -> Pair:
    """Return the mean before and after.

    Examples
    --------
    >>> mean_pair({"a": (0.5, 0.75), "b": (0.5, 0.25)})
    (0.5, 0.5)
    """
    count = len(pairs)
    return sum(p[0] for p in pairs.values()) / count, sum(p[1] for p in pairs.values()) / count


def export_finetuned(
    parent: ModelPackage,
    weights: Mapping[str, Path],
    recipe: FinetuneRecipe,
    data: FinetuneData,
    scores: FinetuneScores | None,
) -> ModelPackage:
    """Write the package into the run folder; an earlier one there is replaced.

    Parameters
    ----------
    parent : ModelPackage
        What was trained on; its stages that were not keep their weights.
    weights : mapping of str to Path
        Trained networks (safetensors) by the names that they have in the package.
    recipe : FinetuneRecipe
        Settings.
    data : FinetuneData
        What it learnt from.
    scores : FinetuneScores or None
        Dice before and after; None while it is not measured yet.
    """
    from safetensors.torch import load_file

    stages, states = [], {}
    for stage in parent.stages:
        files = tuple(f"models/{stage.role}-{member}.safetensors" for member in range(len(stage.weights)))
        for member, file in enumerate(files):
            states[file] = load_file(weights[file]) if file in weights else load_weights(parent, stage, member)
        stages.append(replace(stage, weights=files))
    for number, name in enumerate(parent.refiner.weights if parent.refiner else ()):
        states[name] = load_weights(parent, parent.refiner, number)  # type: ignore[arg-type]
    now = datetime.now(timezone.utc)
    learnt = len(data.split.learn)
    package = replace(
        parent,
        name=recipe.name,
        version=f"{parent.version.split('+')[0]}+{now:%Y%m%d.%H%M}",
        description=f"{parent.description.split('; fine-tuned')[0].rstrip('.')}; fine-tuned on {_cases(learnt)} "
        f"from {parent.name} {parent.version}",
        stages=tuple(stages),
        scores=_scores(parent, scores, data),
        sources=(*parent.sources, _source(data)),
        recipe={
            **parent.recipe,
            "finetune": recipe.model_dump(mode="json", exclude={"dataset", "base", "output"}),
        },
    )
    return write_package(
        recipe.run_folder / "package",
        package,
        states,
        _card(package, parent, recipe, data, scores),
        overwrite=True,
    )


def _cases(count: int) -> str:
    return f"{count} corrected case{'' if count == 1 else 's'}"


def _source(data: FinetuneData) -> dict[str, Any]:
    licences = {case.record.licence for case in data.new.cases if case.record and case.record.licence}
    return {
        "name": f"{_cases(len(data.split.learn))} of {data.new.name!r}",
        "licence": ", ".join(sorted(licences)) or data.new.licence or "not stated",
        "cases": list(data.split.learn),
    }


def _scores(parent: ModelPackage, scores: FinetuneScores | None, data: FinetuneData) -> dict[str, Any]:
    """Return the scores of a package: Dice on held-out corrected cases first, where a list looks for it."""
    result: dict[str, Any] = {}
    if scores is not None and scores.held_out:
        before, after = mean_pair(scores.held_out)
        values = [pair[1] for pair in scores.held_out.values()]
        result["finetuning"] = {
            "what": "Dice on corrected cases that it did not learn from; the state was chosen by looking at them",
            "summary": {
                "dice": {"mean": round(after, 4), "min": min(values), "max": max(values), "cases": len(values)}
            },
            "before": round(before, 4),
            "dice_by_case": {name: list(pair) for name, pair in scores.held_out.items()},
        }
    if scores is not None and scores.base:
        before, after = mean_pair(scores.base)
        result["base"] = {
            "what": "Dice on base cases that the fine-tuning did not use; the first training may have",
            "before": round(before, 4),
            "after": round(after, 4),
            "dice_by_case": {name: list(pair) for name, pair in scores.base.items()},
        }
    result["parent"] = {"name": parent.name, "version": parent.version}
    return result


def _card(
    package: ModelPackage,
    parent: ModelPackage,
    recipe: FinetuneRecipe,
    data: FinetuneData,
    scores: FinetuneScores | None,
) -> str:
    """Return the model card: from what, on what, how, measured how."""
    split = data.split
    lines = [f"# {package.name} {package.version}", "", package.description, ""]
    lines += ["Research use only; not a medical device.", "", "## Where it comes from", ""]
    lines += [
        f"`{parent.name}` {parent.version}, whose weights are under {parent.licence or 'no stated licence'}, "
        f"trained on with {_cases(len(split.learn))}. Whether it may be passed on depends on the terms of these "
        "cases too.",
        "",
    ]
    lines += [f"- {source.get('name', '?')}: {source.get('licence', '?')}" for source in package.sources]
    base = f"{len(split.base)} base cases gave {recipe.base_share:.0%} of the patches" if split.base else ""
    lines += [
        "",
        "## How",
        "",
        f"{', '.join(recipe.stages)}; at most {recipe.steps} steps a network at a rate of "
        f"{recipe.learning_rate:g}, pulled towards the start with {recipe.anchor:g}. {base or 'No base data'}. "
        "Labels that a case was not read for were not taught.",
        "",
        "## Measured",
        "",
    ]
    return "\n".join(lines + _measured_lines(scores) + _parents_card(parent)) + "\n"


def _parents_card(parent: ModelPackage) -> list[str]:
    """Return the card of the model that it comes from: its data and known failures are this one's, too."""
    path = parent.path / "MODEL_CARD.md"
    if not path.is_file():
        return []
    return [
        "",
        "---",
        "",
        f"The card of {parent.name} {parent.version}, from which it comes:",
        "",
        path.read_text("utf-8"),
    ]


def _measured_lines(scores: FinetuneScores | None) -> list[str]:
    if scores is None or not (scores.held_out or scores.base):
        return ["Nothing: no case was held out. Whether it is better than what it comes from is not known."]
    lines = ["Dice of the whole cascade on the CT's own grid.", "", "| case | before | after |", "|---|---|---|"]
    for title, pairs in (("corrected", scores.held_out), ("base", scores.base)):
        lines += [f"| {title} {name} | {pair[0]:.3f} | {pair[1]:.3f} |" for name, pair in pairs.items()]
        if pairs:
            before, after = mean_pair(pairs)
            lines.append(f"| **mean, {title}** | **{before:.3f}** | **{after:.3f}** |")
    lines += [
        "",
        "None of these cases was learnt from here. The state that was kept was chosen by looking at them, so",
    ]
    lines += ["the figures are slightly optimistic; the first training may have seen the base cases."]
    if not scores.held_out:
        lines += ["No corrected case was held out: what was gained on such cases is not known."]
    return lines
