"""Which series can show the pancreas, and which one of a study is taken."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import CohortError

Row = dict[str, Any]

_RANKS: dict[str, tuple[str, Callable[[Row], float]]] = {
    "original": ("not computed from other images", lambda row: -float(row["derived"])),
    "portal": ("portal venous by its description", lambda row: float(row["phase"] == "portal")),
    "arterial": ("arterial by its description", lambda row: float(row["phase"] == "arterial")),
    "unenhanced": ("unenhanced by its description", lambda row: float(row["phase"] == "unenhanced")),
    "soft": ("a kernel for soft tissue", lambda row: {True: 1.0, None: 0.5, False: 0.0}[row["soft"]]),
    "tall": ("more of the body", lambda row: min(row["height_mm"], 350.0) // 50),
    "thin": ("thinner slices", lambda row: -row["spacing_z_mm"]),
    "thick": ("thicker slices", lambda row: row["spacing_z_mm"]),
}
RANKS = tuple(_RANKS)
"""What the order of preference may name."""


@dataclass(frozen=True)
class ChoiceRule:
    """How one scan of each study is chosen.

    Attributes
    ----------
    order : tuple of str
        What decides, the first first; names of `RANKS`. What is equal in all of them is decided by the
        number of slices, then by the id.
    least_slices : int
    least_height_mm, most_spacing_mm : float
        A series that covers less, or whose slices are further apart, is left out.
    """

    order: tuple[str, ...] = ("original", "portal", "soft", "tall", "thin")
    least_slices: int = 8
    least_height_mm: float = 80.0
    most_spacing_mm: float = 10.0

    def __post_init__(self) -> None:
        unknown = [name for name in self.order if name not in _RANKS]
        if unknown:
            raise CohortError(
                f"{unknown[0]!r} is nothing that can be preferred.", f"Name some of: {', '.join(RANKS)}."
            )

    @property
    def sentence(self) -> str:
        """The rule, as a paper would state it."""
        reasons = "; ".join(_RANKS[name][0] for name in self.order)
        return (
            f"Of each study the CT series was taken that came first by: {reasons}; then by more slices. Left out "
            "were scout views, pictures, reformats, series that the header places elsewhere than in the abdomen, "
            f"and those with fewer than {self.least_slices} slices, less than {self.least_height_mm:g} mm of the "
            f"body, or slices more than {self.most_spacing_mm:g} mm apart."
        )


def choose(rows: list[Row], rule: ChoiceRule, by_hand: Mapping[str, bool] | None = None) -> None:
    """Set ``chosen``, ``code`` and ``why`` of every row.

    Parameters
    ----------
    rows : list of dict
        One a series, as `SeriesRow` gives it.
    rule : ChoiceRule
    by_hand : mapping of str to bool, optional
        By id: series that the user wants, or not, whatever the rule says.
    """
    by_hand = by_hand or {}
    wanted = {row["study"] for row in rows if by_hand.get(row["scan"]) and not row["problem"]}
    studies: dict[str, list[Row]] = {}
    for row in rows:
        row["chosen"] = False
        row["code"], row["why"] = _objection(row, rule)
        if row["scan"] in by_hand and not row["problem"]:
            row["chosen"] = by_hand[row["scan"]]
            row["code"] = "chosen" if row["chosen"] else "by-hand"
            row["why"] = f"{'Chosen' if row['chosen'] else 'Left out'} by hand."
        elif not row["code"] and row["study"] in wanted:
            row["code"], row["why"] = "other-chosen", "Another series of the study was chosen by hand."
        elif not row["code"]:
            studies.setdefault(row["study"], []).append(row)
    for study in studies.values():
        _choose_of(study, rule)


def read_choices(path: Path) -> dict[str, bool]:
    """Read choices by hand: a CSV with the columns ``scan`` and ``chosen`` (1, yes, true; 0, no, false).

    Raises
    ------
    CohortError
        If it is no such table.
    """
    words = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return {row["scan"].strip(): words[row["chosen"].strip().lower()] for row in csv.DictReader(stream)}
    except (OSError, KeyError, AttributeError, UnicodeDecodeError) as error:
        raise CohortError(
            f"{str(path)!r} is no table of choices.", "Give a CSV with the columns scan and chosen (1 or 0)."
        ) from error


def _objection(row: Row, rule: ChoiceRule) -> tuple[str, str]:
    """Return a code and a sentence where a series cannot be taken; empty texts where it can."""
    pictures = {
        "scout": "A scout view.",
        "picture": "A picture (dose report, screenshot, colour), no slices.",
        "reformat": "A reformat or projection of other images.",
    }
    tests: Iterable[tuple[bool, str, str]] = (
        (bool(row["problem"]), "unreadable", row["problem"]),
        (row["modality"] != "CT", "not-ct", f"{row['modality'] or 'No image'}, no CT."),
        (bool(row["picture"]), row["picture"], pictures.get(row["picture"], "")),
        (row["region"] == "elsewhere", "not-abdomen", "By its header no abdomen."),
        (row["slices"] < rule.least_slices, "few-slices", f"{row['slices']} slices."),
        (0 < row["height_mm"] < rule.least_height_mm, "short", f"{row['height_mm']:.0f} mm of the body."),
        (
            row["spacing_z_mm"] > rule.most_spacing_mm,
            "thick-slices",
            f"Slices {row['spacing_z_mm']:.1f} mm apart.",
        ),
    )
    return next(((code, why) for fails, code, why in tests if fails), ("", ""))


def _choose_of(study: list[Row], rule: ChoiceRule) -> None:
    """Choose one of the series of a study that can all be taken."""

    def worth(row: Row) -> list[float]:
        return [_RANKS[name][1](row) for name in rule.order] + [row["slices"]]

    ranked = sorted(study, key=lambda row: ([-value for value in worth(row)], row["scan"]))
    best = ranked[0]
    best["chosen"], best["code"] = True, "chosen"
    best["why"] = "The only series of its study that can be taken."
    names = [_RANKS[name][0] for name in rule.order] + ["more slices"]
    for other in ranked[1:]:
        pairs = zip(names, worth(best), worth(other), strict=True)
        decided = next((name for name, mine, its in pairs if mine != its), "the order of the ids")
        other["code"], other["why"] = "other-chosen", f"Another series of the study was preferred: {decided}."
        if other is ranked[1]:
            best["why"] = f"Preferred to {len(ranked) - 1} other series of the study: {decided}."
