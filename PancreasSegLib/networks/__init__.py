"""The architectures by name: ``build_network("dynunet", in_channels=1, out_channels=2)``.

Name and arguments alone rebuild a network, and the arguments are plain JSON, so a model package or a recipe
can hold them.

Conventions
-----------
- Inputs are tensors ``(n, channels, z, y, x)``. **Every argument a axis (strides, kernel sizes, image sizes) is
  therefore in z, y, x order**, the reverse of the ``*_ijk`` triples elsewhere in the library.
- In evaluation mode ``network(x)`` is one tensor ``(n, out_channels, z, y, x)`` of scores (logits), on the grid of
  the input.
- In training mode it is a list of such tensors from fine to coarse, each at its own resolution; its length is 1
  for a network without deep supervision. `training_outputs` accepts either.
- Names in the state dict are MONAI's, so that weights go to and from MONAI's own classes.
- ``filters`` and ``strides`` have one entry a level, the finest first, in every convolutional network.

This module imports neither torch nor MONAI; building a network does.
"""

from PancreasSegLib.networks.architecture import Architecture, Argument
from PancreasSegLib.networks.outputs import training_outputs
from PancreasSegLib.networks.registry import (
    NETWORKS,
    PRESETS,
    build_network,
    describe,
    find_network,
    input_multiple,
    monai_definition,
)

__all__ = [
    "NETWORKS",
    "PRESETS",
    "Architecture",
    "Argument",
    "build_network",
    "describe",
    "find_network",
    "input_multiple",
    "monai_definition",
    "training_outputs",
]
