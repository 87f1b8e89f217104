"""MONAI's MedNeXt with one kind of output; a module of its own, since MONAI has it from 1.5 on."""

from __future__ import annotations

from monai.networks import nets
from torch import Tensor

from PancreasSegLib.errors import MissingPackageError
from PancreasSegLib.networks.monai_nets import Scores

if not hasattr(nets, "MedNeXt"):
    raise MissingPackageError("The network mednext needs MONAI 1.5 or later.", "pip install 'monai>=1.5'")


class MedNeXt(nets.MedNeXt):
    """`monai.networks.nets.MedNeXt`."""

    def forward(self, x: Tensor) -> Scores:
        """Scores ``(n, classes, z, y, x)``; in training a list from fine to coarse."""
        outputs = super().forward(x)
        if not self.training:
            return outputs
        return list(outputs) if isinstance(outputs, tuple) else [outputs]
