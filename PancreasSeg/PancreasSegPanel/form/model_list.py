"""The models that can be chosen, in words for the list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PancreasSegLib.models.registry import DEFAULT, Entry, remove_package, scan_packages
from PancreasSegPanel.translation import translator

_ = translator(__name__)


@dataclass(frozen=True)
class ModelChoice:
    """One line of the list.

    Attributes
    ----------
    name : str
        What the worker is given.
    text : str
        Name, version and mean Dice.
    details : str
        What it is, how it was measured, its licence; or why it cannot be used.
    usable : bool
        Whether the package can be read.
    removable : bool
        Whether the user added it.
    """

    name: str
    text: str
    details: str
    usable: bool
    removable: bool


def model_choices() -> list[ModelChoice]:
    """Return the default and what the user added; broken ones last, with the reason.

    Raises
    ------
    ModelPackageError
        If the models folder cannot be read.
    """
    choices = [_choice(entry) for entry in scan_packages()]
    return sorted(choices, key=lambda choice: not choice.usable)


def add_model(source: Path) -> str:
    """Check a zip or a folder against its SHA-256 sums, copy it to the user's models, return its name.

    Raises
    ------
    ModelPackageError, OutputError
        As :func:`PancreasSegLib.models.transfer.add_package` says.
    """
    from PancreasSegLib.models import add_package

    return add_package(source).name


def remove_model(name: str) -> None:
    """Delete a model that the user added."""
    remove_package(name)


def _choice(entry: Entry) -> ModelChoice:
    package = entry.package
    if package is None:
        return ModelChoice(
            entry.name,
            _("{name} (cannot be used)").format(name=entry.name),
            str(entry.error),
            False,
            not entry.built_in,
        )
    dice = mean_dice(package.scores)
    title = _("Default") if entry.name == DEFAULT else entry.name
    score = _(", Dice {dice:.2f}").format(dice=dice) if dice is not None else _(", not measured")
    details = [f"{package.description.rstrip('.')}."]
    if dice is not None:
        details.append(_how_measured(package.scores))
    if package.licence:
        details.append(_("Licence of the weights: {licence}.").format(licence=package.licence))
    return ModelChoice(
        entry.name,
        _("{title} (version {version}){score}").format(title=title, version=package.version, score=score),
        "\n".join(details),
        True,
        not entry.built_in,
    )


def mean_dice(scores: dict[str, Any]) -> float | None:
    """Return the mean Dice that a package's scores give, None where they give none."""
    for score in (scores.get("cross_validation"), *scores.values()):
        if not isinstance(score, dict):
            continue
        dice = score.get("summary", score).get("dice")
        value = dice.get("mean") if isinstance(dice, dict) else dice
        if isinstance(value, (int, float)):
            return float(value)
    return None


def _how_measured(scores: dict[str, Any]) -> str:
    tuned = scores.get("finetuning")
    if isinstance(tuned, dict) and isinstance(tuned.get("before"), (int, float)):
        mean, count = mean_dice({"finetuning": tuned}), tuned.get("summary", {}).get("dice", {}).get("cases", "?")
        return _("Dice on corrected cases held out: {after:.2f}, {before:.2f} before (cases: {count}).").format(
            after=mean or 0, before=tuned["before"], count=count
        )
    score = scores.get("cross_validation")
    dice = score.get("summary", {}).get("dice", {}) if isinstance(score, dict) else {}
    if not isinstance(dice, dict) or "min" not in dice:
        return _("How its Dice was measured is in its model card.")
    return _(
        "Dice on patients it never saw: {mean:.2f} on average, {min:.2f} to {max:.2f} "
        "({count} patients, cross-validated)."
    ).format(count=dice.get("cases", "?"), **{key: dice[key] for key in ("mean", "min", "max")})
