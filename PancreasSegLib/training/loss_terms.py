"""The terms that losses are made of, by name; MONAI supplies all but the binary cross-entropy.

Every term compares logits ``(n, classes, ...)`` with class indices ``(n, 1, ...)`` by the softmax, in 2D and 3D.
Overlap terms leave the background out and are taken over the whole batch. ``weight`` holds one weight a class, the
background included.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from PancreasSegLib.training.recipe import LossRecipe

Term = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def loss_terms(recipe: LossRecipe, weight: torch.Tensor) -> list[tuple[float, Term]]:
    """Return the terms of a loss with their weights.

    Parameters
    ----------
    recipe : LossRecipe
        Name, weights and exponents.
    weight : Tensor, shape (classes,)
        Weight of each class.
    """
    overlap, voxels, boundary = recipe.dice, recipe.cross_entropy, recipe.boundary
    shares: dict[str, dict[str, float]] = {
        "dice_ce": {"cross_entropy": voxels, "dice": overlap},
        "dice_focal": {"focal": voxels, "dice": overlap},
        "bce_dice": {"bce": voxels, "dice": overlap},
        "dice": {"dice": overlap},
        "cross_entropy": {"cross_entropy": voxels},
        "bce": {"bce": voxels},
        "focal": {"focal": voxels},
        "generalized_dice": {"generalized_dice": overlap},
        "generalized_dice_focal": {"focal": voxels, "generalized_dice": overlap},
        "tversky": {"tversky": overlap},
        "focal_tversky": {"focal_tversky": overlap},
        "hausdorff": {"cross_entropy": voxels, "dice": overlap, "hausdorff": boundary},
        "cl_dice": {"cross_entropy": voxels, "dice": overlap, "cl_dice": boundary},
    }
    return [(share, _TERMS[name](recipe, weight)) for name, share in shares[recipe.name].items() if share > 0]


def _foreground(weight: torch.Tensor) -> torch.Tensor:
    """Return the weights of the foreground classes, 1 on average."""
    return weight[1:] * (len(weight) - 1) / weight[1:].sum()


def _dice(recipe: LossRecipe, weight: torch.Tensor) -> Term:
    """Soft Dice after Drozdzal et al. 2016 and Isensee et al. 2021."""
    from monai.losses import DiceLoss

    return DiceLoss(
        include_background=False, softmax=True, to_onehot_y=True, batch=True, weight=_foreground(weight)
    )


def _cross_entropy(recipe: LossRecipe, weight: torch.Tensor) -> Term:
    return lambda logits, target: F.cross_entropy(logits, target[:, 0], weight=weight)


def _bce(recipe: LossRecipe, weight: torch.Tensor) -> Term:
    """Binary cross-entropy of each foreground class against the rest, from the probabilities of the softmax."""
    weight = _foreground(weight)

    def term(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        total = torch.logsumexp(logits, 1)
        loss = logits.new_zeros(())
        for index in range(1, logits.shape[1]):
            others = torch.cat([logits[:, :index], logits[:, index + 1 :]], 1)
            inside, outside = logits[:, index] - total, torch.logsumexp(others, 1) - total
            loss = loss - weight[index - 1] * torch.where(target[:, 0] == index, inside, outside).mean()
        return loss / len(weight)

    return term


def _focal(recipe: LossRecipe, weight: torch.Tensor) -> Term:
    """Focal loss of Lin et al. 2017; with ``gamma`` 0 and equal weights it is the cross-entropy."""
    from monai.losses import FocalLoss

    loss = FocalLoss(
        include_background=True,
        to_onehot_y=True,
        use_softmax=True,
        gamma=recipe.gamma,
        weight=weight * len(weight) / weight.sum(),
    )
    return lambda logits, target: loss(logits, target) * logits.shape[1]  # MONAI's mean runs over the classes, too


def _generalized_dice(recipe: LossRecipe, weight: torch.Tensor) -> Term:
    """Generalised Dice of Sudre et al. 2017, classes weighted by the inverse square of their size."""
    from monai.losses import GeneralizedDiceLoss

    return GeneralizedDiceLoss(include_background=False, softmax=True, to_onehot_y=True, batch=True)


def _tversky(recipe: LossRecipe, weight: torch.Tensor, exponent: float = 1.0) -> Term:
    """Tversky loss of Salehi et al. 2017."""
    from monai.losses import TverskyLoss

    weight = _foreground(weight)
    loss = TverskyLoss(
        include_background=False,
        softmax=True,
        to_onehot_y=True,
        batch=True,
        reduction="none",
        alpha=recipe.false_positives,
        beta=recipe.false_negatives,
    )

    def term(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        by_class = loss(logits, target)
        if exponent != 1.0:
            by_class = by_class.clamp_min(1e-6) ** exponent  # the slope at 0 is infinite
        return (by_class * weight).mean()

    return term


def _focal_tversky(recipe: LossRecipe, weight: torch.Tensor) -> Term:
    """Tversky loss to the power of ``1 / gamma``, Abraham and Khan 2019."""
    return _tversky(recipe, weight, 1.0 / max(recipe.gamma, 1e-3))


def _hausdorff(recipe: LossRecipe, weight: torch.Tensor) -> Term:
    """Logarithm of the Hausdorff loss by distance transforms of Karimi and Salcudean 2019 (on the CPU: slow)."""
    from monai.losses import LogHausdorffDTLoss

    return LogHausdorffDTLoss(include_background=False, softmax=True, to_onehot_y=True, batch=True)


def _cl_dice(recipe: LossRecipe, weight: torch.Tensor) -> Term:
    """Overlap of soft centre lines of Shit et al. 2021."""
    from monai.losses import SoftclDiceLoss

    return SoftclDiceLoss(include_background=False, softmax=True, to_onehot_y=True)


_TERMS: dict[str, Callable[[LossRecipe, torch.Tensor], Term]] = {
    "dice": _dice,
    "cross_entropy": _cross_entropy,
    "bce": _bce,
    "focal": _focal,
    "generalized_dice": _generalized_dice,
    "tversky": _tversky,
    "focal_tversky": _focal_tversky,
    "hausdorff": _hausdorff,
    "cl_dice": _cl_dice,
}
