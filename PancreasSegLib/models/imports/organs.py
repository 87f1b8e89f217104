"""Which organs an imported model writes, and of which of its labels each is made."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from PancreasSegLib.errors import ModelPackageError, UndecidedModelError

USUAL_ORGAN = "pancreas"
_NAMES = ("pancreas", "pancreatic parenchyma", "pancreas parenchyma", "parenchyma")
_PARTS = {
    "tumour",
    "tumor",
    "tumors",
    "cancer",
    "lesion",
    "lesions",
    "cyst",
    "cysts",
    "pdac",
    "mass",
    "pnet",
    "ipmn",
}
_OWN = {"pancreas", "pancreatic", "parenchyma", "duct", "pdac", "pnet", "ipmn"}
_OTHERS_PARTS = {"bile", "biliary"}
_BESIDE = {"vein", "veins", "artery", "arteries", "vessel", "vessels", "duct", "ducts", "bile", "common", "aorta"}
_MANY = 30


def chosen_organs(labels: Sequence[str], wanted: Sequence[str], source: str) -> dict[str, list[str]]:
    """Choose what a package writes.

    Parameters
    ----------
    labels : sequence of str
        Those that the model knows.
    wanted : sequence of str
        What the user asked for: a label; ``name=label+label``, which adds their probabilities; or ``all``. If
        nothing, the pancreas with what lies in it, or the only label there is.
    source : str
        The model, for the sentence.

    Returns
    -------
    dict of str to list of str
        The labels of each organ, as the model spells them.

    Raises
    ------
    ModelPackageError
        If one is not there, or nothing was asked for and there are several without a pancreas.
    """
    known = {_plain(name): name for name in labels}
    if not wanted:
        return usual_organs(labels) or _refused(labels, source)
    organs: dict[str, list[str]] = {}
    for asked in wanted:
        if asked.casefold() == "all" and "all" not in known:
            organs |= {name: [name] for name in labels}
            continue
        name, _, parts = asked.partition("=")
        found = [_found(part, known, labels, source) for part in (parts or name).split("+")]
        organs[(name.strip() if parts else found[0])] = list(dict.fromkeys(found))
    taken = [label for parts in organs.values() for label in parts]
    double = next((label for label in taken if taken.count(label) > 1), "")
    if double:
        raise ModelPackageError(f"The label {double!r} is asked for in two organs.", "A voxel gets one of them.")
    return organs


def usual_organs(labels: Sequence[str]) -> dict[str, list[str]]:
    """Return the pancreas and the labels that are parts of it, or the only label; nothing if there are others."""
    pancreas = next((name for wanted in _NAMES for name in labels if _plain(name) == wanted), "")
    if pancreas:
        parts = [name for name in labels if name != pancreas and _is_part(name, labels, pancreas)]
        return {USUAL_ORGAN: [pancreas, *parts]}
    return {labels[0]: [labels[0]]} if len(labels) == 1 else {}


def sum_note(organs: Mapping[str, Sequence[str]]) -> list[str]:
    """Say which organs are made of several labels."""
    return [
        f"The {organ} is the sum of {', '.join(labels[:-1])} and {labels[-1]}; for one of them alone import it "
        f"again with --organ {_quoted(labels[0])}."
        for organ, labels in organs.items()
        if len(labels) > 1
    ]


def _quoted(name: str) -> str:
    return f"'{name}'" if " " in name else name


def _is_part(name: str, labels: Sequence[str], pancreas: str) -> bool:
    """Whether a label lies in the pancreas: by its own words, or a lesion where no other organ could have it."""
    words = _words(name)
    if words & _OTHERS_PARTS:
        return False
    if words & _OWN and words <= _OWN | _PARTS | {"main"}:
        return True
    others = [label for label in labels if label not in (name, pancreas)]
    return words <= _PARTS and all(_words(o) <= _PARTS | _OWN or _words(o) & _BESIDE for o in others)


def _words(name: str) -> set[str]:
    return set(_plain(name).split())


def _plain(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.strip().casefold()))


def _found(part: str, known: Mapping[str, str], labels: Sequence[str], source: str) -> str:
    if _plain(part) in known:
        return known[_plain(part)]
    close = difflib.get_close_matches(_plain(part), known, 1)
    meant = f"Did you mean {known[close[0]]!r}? " if close else ""
    raise ModelPackageError(f"{source} does not find {part.strip()!r}.", f"{meant}It finds {listed(labels)}.")


def _refused(labels: Sequence[str], source: str) -> dict[str, list[str]]:
    raise UndecidedModelError(
        f"{source} finds {listed(labels)}, and no pancreas.",
        "Say what to write: `pancreasseg models import ... --organ NAME`, or --organ all.",
        "organ",
        labels,
    )


def listed(labels: Sequence[str]) -> str:
    """Name the labels, not too many of them."""
    shown = sorted(labels)
    more = f" and {len(shown) - _MANY} more" if len(shown) > _MANY else ""
    return ", ".join(shown[:_MANY]) + more
