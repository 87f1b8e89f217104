"""What is known of a model of another program, before it becomes a package."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models.axes import NetworkAxes
from PancreasSegLib.models.metadata import PROGRAM_SUFFIX
from PancreasSegLib.models.package import ModelPackage, Stage

if TYPE_CHECKING:
    from torch import Tensor

USUAL_ORGAN = "pancreas"


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
        Architecture, as in :mod:`PancreasSegLib.networks`.
    arguments : dict
        Of the architecture; values an axis are in the network's own order.
    weights : list of state dict or Path
        One a member; a path is a TorchScript program.
    labels : dict of str to int
        Foreground labels with the value that :attr:`Stage.labels` gives them.
    axes : str
        Of the network's images.
    activation : str
        ``"softmax"`` or ``"sigmoid"``.
    spacing_mm, patch, multiple : tuple of 3
        In the order of the network's axes.
    window_hu, mean_hu, std_hu
        As in :class:`Stage`.
    overlap : float
        Of its windows.
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
    overlap: float = 0.5
    notes: list[str] = field(default_factory=list)
    licence_text: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Spell the pancreas as everything else here does, so that it is looked for where a pancreas lies."""
        usual = [name for name in self.labels if name.casefold() == USUAL_ORGAN]
        if len(usual) == 1:
            self.labels = {USUAL_ORGAN if name in usual else name: v for name, v in self.labels.items()}

    def stage(self) -> Stage:
        """Describe its network as a segmenter; sizes go from the network's axes to i, j, k."""
        axes = NetworkAxes(self.axes)
        sx, sy, sz = axes.to_zyx([float(v) for v in self.spacing_mm])[::-1]
        px, py, pz = axes.to_zyx([int(v) for v in self.patch])[::-1]
        mx, my, mz = axes.to_zyx([int(v) for v in self.multiple])[::-1]
        return Stage(
            role="segmenter",
            network=self.network,
            arguments=self.arguments,
            weights=tuple(self.files()),
            spacing_mm=(sx, sy, sz),
            window_hu=self.window_hu,
            mean_hu=self.mean_hu,
            std_hu=self.std_hu,
            patch_ijk=(px, py, pz),
            multiple_ijk=(mx, my, mz),
            labels={"background": 0} | self.labels,
            axes=self.axes,
            activation=self.activation,
        )

    def files(self) -> dict[str, Mapping[str, Tensor] | Path]:
        """Weights by the file that the package gives them."""
        return {
            f"models/segmenter-{i}{PROGRAM_SUFFIX if isinstance(weights, Path) else '.safetensors'}": weights
            for i, weights in enumerate(self.weights)
        }

    def package(self, name: str, organs: Sequence[str]) -> ModelPackage:
        """Describe a package that writes some of the labels; the masks hold 1, 2, ... in that order."""
        return ModelPackage(
            name=name,
            version=self.version or "0",
            description=self.description,
            path=Path(),
            stages=(self.stage(),),
            labels={organ: value for value, organ in enumerate(organs, 1)},
            licence=self.licence,
            recipe=self.recipe,
            settings={"single_pass": True, "extra_scales": (), "overlap": min(self.overlap, 0.9)},
        )


def chosen_organs(labels: Mapping[str, int], wanted: Sequence[str], source: str) -> list[str]:
    """Choose the labels that a package writes.

    Parameters
    ----------
    labels : mapping of str to int
        Those that the model knows.
    wanted : sequence of str
        What the user asked for; if nothing, the pancreas, or the only one there is.
    source : str
        The model, for the sentence.

    Returns
    -------
    list of str
        As the model spells them.

    Raises
    ------
    ModelPackageError
        If one is not there, or nothing was asked for and there are several without a pancreas.
    """
    known = {name.casefold(): name for name in labels}
    if not wanted:
        if USUAL_ORGAN in known or len(labels) == 1:
            return [known.get(USUAL_ORGAN, next(iter(labels)))]
        raise ModelPackageError(
            f"{source} finds {_listed(labels)}, and no pancreas.",
            "Say what to write: `pancreasseg models import ... --organ NAME`.",
        )
    for organ in wanted:
        if organ.casefold() not in known:
            close = difflib.get_close_matches(organ.casefold(), known, 1)
            meant = f"Did you mean {known[close[0]]!r}? " if close else ""
            raise ModelPackageError(f"{source} does not find {organ!r}.", f"{meant}It finds {_listed(labels)}.")
    return list(dict.fromkeys(known[organ.casefold()] for organ in wanted))


def _listed(labels: Mapping[str, int]) -> str:
    shown = sorted(labels)
    more = f" and {len(shown) - 30} more" if len(shown) > 30 else ""
    return ", ".join(shown[:30]) + more
