"""Which member of an ensemble sees the scan at which scale."""

from __future__ import annotations

from collections.abc import Sequence


def share_out_scales(members: int, scales: Sequence[float]) -> list[tuple[float, tuple[int, ...]]]:
    """Give every member a scale and every scale a member, in turn.

    Members err differently, and so does one member at other scales: a pass that differs in both brings as much
    as two, at the cost of one. All pairs would cost `members` times `scales` passes; these are the larger of
    the two numbers.

    Parameters
    ----------
    members : int
        Networks of the stage.
    scales : sequence of float
        Factors of the stage's spacing, 1 first.

    Returns
    -------
    list of tuple (float, tuple of int)
        Each scale with the members that see it, in the order of `scales`.

    Examples
    --------
    >>> share_out_scales(3, [1.0, 0.9, 1.1])
    [(1.0, (0,)), (0.9, (1,)), (1.1, (2,))]
    >>> share_out_scales(1, [1.0, 0.9])
    [(1.0, (0,)), (0.9, (0,))]
    >>> share_out_scales(3, [1.0])
    [(1.0, (0, 1, 2))]
    """
    turns = range(max(members, len(scales)))
    return [
        (scale, tuple(turn % members for turn in turns if turn % len(scales) == number))
        for number, scale in enumerate(scales)
    ]
