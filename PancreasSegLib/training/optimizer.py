"""Optimisers by name."""

from __future__ import annotations

from torch import nn, optim

from PancreasSegLib.training.recipe import OptimizerRecipe


def build_optimizer(network: nn.Module, recipe: OptimizerRecipe) -> optim.Optimizer:
    """Return the recipe's optimiser for the parameters of a network.

    Parameters
    ----------
    network : Module
        What is to learn.
    recipe : OptimizerRecipe
        Name, rate, weight decay (decoupled for AdamW, L2 for Adam and SGD), momentum.
    """
    parameters, rate, decay = network.parameters(), recipe.learning_rate, recipe.weight_decay
    if recipe.name == "sgd":
        nesterov = recipe.nesterov and recipe.momentum > 0
        return optim.SGD(parameters, lr=rate, momentum=recipe.momentum, nesterov=nesterov, weight_decay=decay)
    kind = optim.AdamW if recipe.name == "adamw" else optim.Adam
    return kind(parameters, lr=rate, weight_decay=decay)
