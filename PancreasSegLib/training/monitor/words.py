"""Figures as a person would say them."""

from __future__ import annotations

from PancreasSegLib.training.observer import NetworkRun


def run_title(run: NetworkRun) -> str:
    """Return recipe, fold and network, as the folders are called."""
    return " · ".join([run.folder.parent.parent.name, run.folder.parent.name, run.name])


def duration(seconds: float) -> str:
    """Return a length of time in words.

    Examples
    --------
    >>> duration(42), duration(750), duration(9000)
    ('42 s', '12 min', '2 h 30 min')
    """
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
