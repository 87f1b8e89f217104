"""A last layer by least squares for networks of random weights: their masks follow tissue then, not noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

_BORDERS_HU = (-60.0, 20.0, 80.0, 130.0)
_MOST = 40_000  # voxels of each class
_RIDGE = 1e-3


def targets(hu: NDArray[np.float32], wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return a class a voxel: 1 what is wanted, 0 and 2 to 5 the rest by its HU."""
    rest = np.array([0, 2, 3, 4, 5])[np.digitize(hu, _BORDERS_HU)]
    found: NDArray[np.int64] = np.where(wanted, 1, rest).astype(np.int64)
    return found


def fit_last_layer(
    network: nn.Module, layer: Any, image: torch.Tensor, target: NDArray[np.int64], sigmoid: bool = False
) -> None:
    """Fit the first rows of a last convolution of one voxel to a class each; the others never win.

    A larger one keeps its random weights, and its first label gets a tenth of the voxels.

    Parameters
    ----------
    network : Module
        Its batch normalisations take the image's statistics.
    layer : convolution
        The network's last.
    image : Tensor, shape (n, c, ...)
        What it sees.
    target : ndarray of int, shape (...) or (n, 1, ...)
        From `targets`.
    sigmoid : bool
        Whether classes overlap and the first row is the wanted label's.
    """
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None
    seen: list[torch.Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    with torch.no_grad():
        network.train()
        network(image)
        network.eval()
        seen.clear()
        network(image)
    hook.remove()
    if any(size > 1 for size in layer.kernel_size):
        _shift_bias(network, layer, image)
        return
    features = seen[-1].movedim(1, -1).reshape(-1, seen[-1].shape[1]).double().numpy()
    classes = target.reshape(-1)
    picks = np.random.default_rng(0)
    found = [np.flatnonzero(classes == number) for number in range(6)]
    rows = np.concatenate([picks.choice(f, min(_MOST, len(f)), replace=False) for f in found if len(f)])
    x = np.concatenate([features[rows], np.ones((len(rows), 1))], axis=1)
    y = np.eye(6)[classes[rows]]
    size = np.trace(x.T @ x) / x.shape[1]
    solved = np.linalg.solve(x.T @ x + _RIDGE * size * np.eye(x.shape[1]), x.T @ y).T
    wanted = [(solved[1] - [*[0] * (x.shape[1] - 1), 0.5]) * 10] if sigmoid else solved * 10
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.fill_(-25)
        for row, numbers in enumerate(wanted[: len(layer.weight)]):
            layer.weight[row].view(-1)[:] = torch.from_numpy(numbers[:-1]).float()
            layer.bias[row] = float(numbers[-1])


def _shift_bias(network: nn.Module, layer: Any, image: torch.Tensor) -> None:
    with torch.no_grad():
        scores = network(image)[0]
        others = torch.cat([scores[:1], scores[2:]]).amax(dim=0)
        layer.bias[1] -= torch.from_numpy(np.quantile((scores[1] - others).numpy(), [0.9]))[0]
