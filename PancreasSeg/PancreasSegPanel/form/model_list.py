"""The models that can be chosen, and those that can be imported or fetched, in words for the lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.models.registry import DEFAULT, Entry, scan_packages
from PancreasSegPanel.translation import translator

if TYPE_CHECKING:
    from PancreasSegLib.models.catalogue import FoundModel, PublicModel
    from PancreasSegLib.models.package import ModelPackage

_ = translator(__name__)

_MOST_LABELS = 6
_PROGRAMS = {"nnunet": "nnU-Net", "monai": "MONAI"}


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
        What it is, finds, how well and how quickly, its licence; or why it cannot be used.
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


@dataclass(frozen=True)
class ModelOffer:
    """A model that is not in the list yet.

    Attributes
    ----------
    text : str
        Its line.
    details : str
        What it finds, and its terms.
    path : Path or None
        Where it lies on this computer.
    public : PublicModel or None
        Its entry in the catalogue, if it is to be fetched.
    """

    text: str
    details: str
    path: Path | None = None
    public: PublicModel | None = None


def model_choices(seconds_of: Callable[[str], float] = lambda name: 0.0) -> list[ModelChoice]:
    """Return the default and what the user added; broken ones last, with the reason.

    Parameters
    ----------
    seconds_of : callable
        Returns how long a model's last run took on this computer, 0 if that is not known.

    Raises
    ------
    ModelPackageError
        If the models folder cannot be read.
    """
    choices = [_choice(entry, seconds_of(entry.name)) for entry in scan_packages()]
    return sorted(choices, key=lambda choice: not choice.usable)


def _choice(entry: Entry, seconds: float) -> ModelChoice:
    package, removable = entry.package, not entry.built_in
    if package is None:
        text = _("{name} (cannot be used)").format(name=entry.name)
        return ModelChoice(entry.name, text, str(entry.error), False, removable)
    dice = mean_dice(package.scores)
    title = _("Default") if entry.name == DEFAULT else entry.name
    score = _("not measured") if dice is None else _("Dice {dice:.2f}").format(dice=dice)
    text = _("{title} (version {version}), {score}").format(title=title, version=package.version, score=score)
    return ModelChoice(entry.name, text, "\n".join(_details(entry.name, package, seconds)), True, removable)


def _details(name: str, package: ModelPackage, seconds: float) -> list[str]:
    """Say of a model what it is, what it finds and sees, how well, how quickly, and under which licence."""
    stage = package.stages[-1]
    lines = [f"{package.description.rstrip('.')}."]
    if stage.original is not None:
        program = _PROGRAMS.get(stage.original.program, stage.original.program)
        lines.append(_("Imported from {program}.").format(program=program))
    spacing = " × ".join(f"{mm:g}" for mm in stage.spacing_mm)
    finds = _("Finds {organs}, at {spacing} mm.")
    lines.append(finds.format(organs=_listed(list(package.labels)), spacing=spacing))
    lines.append(_how_good(name, package.scores))
    if seconds:
        lines.append(_("Its last run here took {seconds:.0f} s.").format(seconds=seconds))
    licence = package.licence or _("not told: ask its makers")
    lines.append(_("Licence of the weights: {licence}.").format(licence=licence))
    return lines


def offers() -> list[ModelOffer]:
    """Look for models of other programs on this computer, and read the catalogue; for the other thread."""
    from PancreasSegLib.models.catalogue import find_models, public_models

    public = [model for model in public_models() if not model.by_hand]
    return [*map(_found_offer, find_models()), *map(_public_offer, public)]


def _found_offer(model: FoundModel) -> ModelOffer:
    text = _("On this computer: {name} ({program})").format(name=model.name, program=model.place)
    organs = _listed(list(model.labels)) if model.labels else _("organs that it does not tell")
    details = _("{kind} in {path}. It finds {organs}. Its licence is that of its makers.")
    return ModelOffer(text, details.format(kind=model.kind, path=model.path, organs=organs), path=model.path)


def _public_offer(model: PublicModel) -> ModelOffer:
    text = _("Get: {title} ({size}, {licence})").format(title=model.title, size=model.size, licence=model.licence)
    lines = [_("Finds {organs}.").format(organs=model.finds), f"{_licence(model)}"]
    if model.figures:
        lines.append(_("Published: {figures}.").format(figures=model.figures))
    lines.append(_("To be cited: {citation}.").format(citation=model.citation))
    return ModelOffer(text, "\n".join(lines), public=model)


def _licence(model: PublicModel) -> str:
    return f"{_('Licence: {licence}.').format(licence=model.licence)} {model.terms}".strip()


def agreement(model: PublicModel) -> str:
    """Return what is asked before a model is fetched: size, place and licence first."""
    question = _("Download {title}, {size}, from {url}?").format(title=model.title, size=model.size, url=model.url)
    return f"{question}\n\n{_licence(model)}\n\n{_('OK means that you agree to this licence.')}"


def _listed(labels: list[str]) -> str:
    """Name some labels, a pancreas first."""
    first = sorted(labels, key=lambda name: name != "pancreas")
    more = len(first) - _MOST_LABELS
    text = ", ".join(first[:_MOST_LABELS])
    return _("{labels} and {count} more").format(labels=text, count=more) if more > 0 else text


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


def _how_good(name: str, scores: dict[str, Any]) -> str:
    """Say how well a model does, and who measured that."""
    if mean_dice(scores) is None:
        from PancreasSegLib.models.catalogue import public_models

        published = next((model.figures for model in public_models() if model.name == name), "")
        if published:
            return _("Published: {figures}.").format(figures=published)
        return _("How well it does was not measured.")
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
