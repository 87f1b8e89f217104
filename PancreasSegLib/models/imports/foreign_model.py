"""What is known of a model of another program, before it becomes a package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.models.axes import NetworkAxes
from PancreasSegLib.models.imports.organs import USUAL_ORGAN
from PancreasSegLib.models.metadata import PROGRAM_SUFFIX
from PancreasSegLib.models.package import ModelPackage, Original, Stage

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class ForeignModel:
    """A model of another program in our terms, but for its axes.

    Attributes
    ----------
    kind : str
        ``"MONAI bundle"`` or ``"nnU-Net v2 model"``.
    name, version, description, licence : str
        As it says itself.
    network : str
        Architecture, as in `PancreasSegLib.networks`.
    arguments : dict
        Of the architecture; values an axis are in the network's own order.
    weights : list of state dict or Path
        One a member; a path is a TorchScript program.
    labels : dict of str to int
        Foreground labels; their channel, plus 1 with a sigmoid.
    axes : str
        Of the network's images.
    activation : str
        ``"softmax"`` or ``"sigmoid"``.
    spacing_mm, patch, multiple : tuple of 3
        In the order of the network's axes.
    window_hu, mean_hu, std_hu
        As in `Stage`.
    original : Original
        What else its program does.
    overlap : float
        Of its windows.
    cleaned : bool
        Whether its program cleans the mask up.
    notes : list of str
        What was assumed or left out, a sentence each, for the user.
    licence_text : str
        Its licence file.
    recipe : dict
        Where it came from, plain JSON.
    """

    kind: str
    name: str
    version: str
    description: str
    licence: str
    network: str
    arguments: dict[str, Any]
    weights: list[Mapping[str, Tensor] | Path]
    labels: dict[str, int]
    axes: str
    activation: str
    spacing_mm: Sequence[float]
    patch: Sequence[int]
    multiple: Sequence[int]
    window_hu: tuple[float, float]
    mean_hu: float
    std_hu: float
    original: Original
    overlap: float = 0.5
    cleaned: bool = False
    notes: list[str] = field(default_factory=list)
    licence_text: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Spell the pancreas as everything else here does, so that it is looked for where a pancreas lies."""
        usual = [name for name in self.labels if name.casefold() == USUAL_ORGAN]
        if len(usual) == 1:
            self.labels = {USUAL_ORGAN if name in usual else name: v for name, v in self.labels.items()}

    def stage(self, organs: Mapping[str, Sequence[str]]) -> Stage:
        """Describe its network as a segmenter of some organs; sizes go from the network's axes to i, j, k."""
        axes = NetworkAxes(self.axes)
        sx, sy, sz = axes.to_zyx([float(v) for v in self.spacing_mm])[::-1]
        px, py, pz = axes.to_zyx([int(v) for v in self.patch])[::-1]
        mx, my, mz = axes.to_zyx([int(v) for v in self.multiple])[::-1]
        return Stage(
            role="segmenter",
            network=self.network,
            arguments={**self.arguments, "kept": self._channels(organs), "background": self._exclusive},
            weights=tuple(self.files()),
            spacing_mm=(sx, sy, sz),
            window_hu=self.window_hu,
            mean_hu=self.mean_hu,
            std_hu=self.std_hu,
            patch_ijk=(px, py, pz),
            multiple_ijk=(mx, my, mz),
            labels={"background": 0} | {organ: value for value, organ in enumerate(organs, 1)},
            axes=self.axes,
            activation=self.activation,
            original=self.original,
        )

    @property
    def _exclusive(self) -> bool:
        """Whether a voxel has one label, the background among them."""
        return self.activation == "softmax"

    def _channels(self, organs: Mapping[str, Sequence[str]]) -> list[list[int]]:
        shift = 0 if self._exclusive else 1
        return [[self.labels[label] - shift for label in labels] for labels in organs.values()]

    def files(self) -> dict[str, Mapping[str, Tensor] | Path]:
        """Weights by the file that the package gives them."""
        return {
            f"models/segmenter-{i}{PROGRAM_SUFFIX if isinstance(weights, Path) else '.safetensors'}": weights
            for i, weights in enumerate(self.weights)
        }

    def package(self, name: str, organs: Mapping[str, Sequence[str]], settings: Mapping[str, Any]) -> ModelPackage:
        """Describe a package that writes some organs; the masks hold 1, 2, ... in that order.

        Labels that overlap are written in the order of their channels, as their program does.
        """
        if not self._exclusive:
            organs = dict(sorted(organs.items(), key=lambda item: max(self.labels[label] for label in item[1])))
        stage = self.stage(organs)
        return ModelPackage(
            name=name,
            version=self.version or "0",
            description=self.description,
            path=Path(),
            stages=(stage,),
            labels={organ: value for value, organ in enumerate(organs, 1)},
            licence=self.licence,
            recipe={**self.recipe, "labels": list(self.labels), "organs": {k: list(v) for k, v in organs.items()}},
            settings={
                "single_pass": True,
                "extra_scales": (),
                "overlap": min(self.overlap, 0.9),
                "cleaned": self.cleaned,
                **settings,
            },
        )
