"""Names of structures, alike whatever a dataset calls them."""

from __future__ import annotations

import fnmatch
import re

_SEPARATORS = re.compile(r"[\s_\-.]+")
_SPELLINGS = (
    ("tumour", "tumor"),
    ("cancer", "tumor"),
    ("oesophagus", "esophagus"),
    ("inferiorvenacava", "postcava"),
)
_SIDES = ("left", "right")


def plain_name(name: str) -> str:
    """Return a name without case, separators and differences of spelling, the side in front.

    Parameters
    ----------
    name : str
        As a dataset writes it; ``*`` and ``?`` stay.

    Examples
    --------
    >>> plain_name("kidney_left"), plain_name("Left Kidney"), plain_name("leftkidney")
    ('leftkidney', 'leftkidney', 'leftkidney')
    >>> plain_name("Esophagus"), plain_name("cancer"), plain_name("livertumor01")
    ('esophagus', 'tumor', 'livertumor01')
    """
    plain = _SEPARATORS.sub("", name.strip().lower())
    for theirs, ours in _SPELLINGS:
        plain = plain.replace(theirs, ours)
    for side in _SIDES:
        if plain.endswith(side) and plain != side:
            return side + plain[: -len(side)]
    return plain


def has_wildcard(name: str) -> bool:
    """Whether a name stands for several."""
    return any(sign in name for sign in "*?")


def matching(pattern: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that a pattern stands for, in their own order; the exact name alone where it is there.

    Examples
    --------
    >>> matching("livertumor*", ("liver", "livertumor1", "livertumor2"))
    ('livertumor1', 'livertumor2')
    >>> matching("Tumour", ("pancreas", "cancer"))
    ('cancer',)
    """
    if pattern in names:
        return (pattern,)
    wanted = plain_name(pattern)
    return tuple(name for name in names if fnmatch.fnmatchcase(plain_name(name), wanted))
