"""Learning from cases in which only some labels were read.

What was not read may be anything but a label that was read: its probability and that of the background are summed
and compared with "none of the read labels" (the marginal loss of Shi et al. 2021, "Marginal loss and exclusion
loss for partially supervised multi-organ segmentation", Medical Image Analysis 70:101979; also Fang and Yan 2020,
"Multi-organ segmentation over partially labeled datasets with multi-scale feature abstraction", IEEE TMI 39:3619).
So a case read for the pancreas alone never teaches a network that the liver is background.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

Read = tuple[int, ...] | None
"""Class indices that were read, in rising order, background left out; None means all."""


def merge_unread(
    logits: torch.Tensor, label: torch.Tensor, read: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum background and the unread classes into one, and number the classes anew.

    Parameters
    ----------
    logits : Tensor of float32, shape (n, classes, z, y, x)
        Scores before the softmax.
    label : Tensor of int64, shape (n, z, y, x)
        0 and read classes; an unread class counts as 0.
    read : sequence of int
        The classes that were read, in rising order.

    Returns
    -------
    logits : Tensor, shape (n, 1 + len(read), z, y, x)
        Their softmax is the summed probability of all that was not read, then that of each read class.
    label : Tensor of int64
        0, and 1 to ``len(read)``.

    Examples
    --------
    >>> logits = torch.log(torch.tensor([0.1, 0.2, 0.3, 0.4])).reshape(1, 4, 1, 1, 1)
    >>> merged, label = merge_unread(logits, torch.full((1, 1, 1, 1), 3), [3])
    >>> [round(p, 3) for p in merged.softmax(1).flatten().tolist()], label.item()
    ([0.6, 0.4], 1)
    """
    kept = torch.as_tensor(list(read), dtype=torch.int64, device=logits.device)
    rest = [index for index in range(logits.shape[1]) if index == 0 or index not in set(read)]
    background = torch.logsumexp(logits[:, rest], dim=1, keepdim=True)
    table = torch.zeros(logits.shape[1], dtype=torch.int64, device=logits.device)
    table[kept] = torch.arange(1, len(kept) + 1, device=logits.device)
    return torch.cat([background, logits[:, kept]], dim=1), table[label]


def groups_of(read: Sequence[Read], classes: int) -> dict[Read, list[int]]:
    """Return the samples of a batch by what was read in them; all classes read is None.

    Examples
    --------
    >>> groups_of([None, (2,), (1, 2), (2,)], 3)
    {None: [0, 2], (2,): [1, 3]}
    """
    every = tuple(range(1, classes))
    groups: dict[Read, list[int]] = {}
    for number, classes_read in enumerate(read):
        groups.setdefault(None if classes_read == every else classes_read, []).append(number)
    return groups
