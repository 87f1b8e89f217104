"""What a model package holds: how to rebuild the networks and how to feed them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PancreasSegLib.models.axes import OURS, NetworkAxes
from PancreasSegLib.networks.imported import IMPORTED

_INSIDE = ("tumour", "tumor", "cancer", "lesion", "cyst")
"""Labels that, beside a pancreas, are parts of it (the Decathlon's Task07 calls its tumours cancer)."""


@dataclass(frozen=True)
class Original:
    """How the program that an imported network comes from runs it, where that differs from ours.

    Attributes
    ----------
    program : str
        ``"nnunet"`` or ``"monai"``: which grid it lays over a scan, and how it interpolates.
    as_filed : bool
        Whether it takes the axes of a scan as they lie in the file; ``axes`` then says only how it exchanges them.
    intensity : tuple of dict
        What follows the clipping and ``(HU - mean_hu) / std_hu``, in this order: ``{"step": "zscore"}`` and
        ``{"step": "range", "low", "high"}`` measure the whole scan, ``"zscore"`` also without what is 0
        (``"nonzero"``); ``{"step": "sigmoid"}``.
    mirrored_axes : tuple of int
        The network's axes along which it mirrors and averages at test time.
    blending : str
        ``"gaussian"`` or ``"constant"`` weights of overlapping windows.
    padding : str
        ``"constant"`` (0 after the normalisation) or ``"edge"``, where a scan is smaller than a window.
    restores : str
        What it interpolates back to the scan's grid: ``"scores"``, ``"probabilities"`` or ``"labels"``.
    kept_spacing : float
        A scan's spacing that differs by no more than this share from the network's is left as it is.
    """

    program: str
    as_filed: bool = False
    intensity: tuple[dict[str, Any], ...] = ()
    mirrored_axes: tuple[int, ...] = ()
    blending: str = "gaussian"
    padding: str = "constant"
    restores: str = "scores"
    kept_spacing: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One network of the cascade.

    Attributes
    ----------
    role : str
        ``"localiser"`` (coarse grid, finds the organ), ``"segmenter"`` (fine grid, inside the crop) or
        ``"refiner"`` (carries a reader's marks further; one score a voxel instead of classes).
    network : str
        Architecture name, as in `PancreasSegLib.networks`.
    arguments : dict
        Keyword arguments of the architecture; name and arguments alone rebuild it.
    weights : tuple of str
        Safetensors files relative to the package; several are members of an ensemble, whose probabilities are
        averaged.
    spacing_mm : tuple of 3 float
        Voxel spacing along canonical i (Left), j (Posterior), k (Superior).
    window_hu : tuple of 2 float
        HU are clipped to this window, then ``(HU - mean_hu) / std_hu``.
    mean_hu, std_hu : float
        Normalisation of the clipped HU.
    patch_ijk : tuple of 3 int
        Patch the network was trained on; a multiple of its strides. Larger crops use sliding windows or go
        through whole.
    multiple_ijk : tuple of 3 int
        Input sizes must be multiples of this.
    labels : dict of str to int
        Output channels of the softmax; 0 is background.
    hu_mask : str
        Use of the soft-tissue HU mask: ``"none"``, ``"mask"`` (air outside it) or ``"channel"`` (second input
        channel).
    temperature : float
        Scores are divided by it before the softmax, so that the probabilities are as sure as they are right on
        patients never seen (temperature scaling: Guo et al., ICML 2017, arXiv:1706.04599); 1 leaves them alone.
    axes : str
        Where the axes of the network's images lead, in the order of the array: ours are ``"SPL"``; see
        `PancreasSegLib.models.axes.NetworkAxes`. All other fields are along i, j, k whatever it says.
    activation : str
        ``"softmax"``; or ``"sigmoid"``, for networks that score each label by itself and the background not at
        all: the label of value v is their channel v - 1.
    original : Original or None
        How an imported network is run where it comes from; None for one of ours.
    """

    role: str
    network: str
    arguments: dict[str, Any]
    weights: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    window_hu: tuple[float, float]
    mean_hu: float
    std_hu: float
    patch_ijk: tuple[int, int, int]
    multiple_ijk: tuple[int, int, int]
    labels: dict[str, int]
    hu_mask: str = "none"
    temperature: float = 1.0
    axes: str = OURS
    activation: str = "softmax"
    original: Original | None = None

    @property
    def spatial_dims(self) -> int:
        """3, or 2 for a network that sees one axial slice at a time."""
        return 2 if self.arguments.get("spatial_dims") == 2 else 3

    @property
    def in_channels(self) -> int:
        """Images that the network takes."""
        return int(self.arguments.get("in_channels", 2 if self.hu_mask == "channel" else 1))

    @property
    def is_imported(self) -> bool:
        """Whether the network came from another program."""
        return self.network in IMPORTED

    @property
    def gives_scores(self) -> bool:
        """Whether an engine runs the network without an activation: scores are what is averaged."""
        return self.role == "refiner" or self.original is not None

    @property
    def takes_one_size(self) -> bool:
        """Whether the network was built for images of one size, so that windows must have it."""
        return "image_size" in self.arguments

    @property
    def keeps_patch(self) -> bool:
        """Whether windows have the size of the training patch: an imported network is fed as by its maker."""
        return self.takes_one_size or self.is_imported

    @property
    def patch_zyx(self) -> tuple[int, ...]:
        """Size of the training patch in the network's axes; without slices for a 2D network."""
        return self._seen(self.patch_ijk)

    @property
    def probe_zyx(self) -> tuple[int, ...]:
        """Size of the smallest image with more than a voxel at the deepest level, in the network's axes."""
        x, y, z = self.multiple_ijk
        return self.patch_zyx if self.takes_one_size else self._seen((2 * x, 2 * y, z))

    def _seen(self, size_ijk: tuple[int, int, int]) -> tuple[int, ...]:
        return NetworkAxes(self.axes).of_zyx(size_ijk[::-1])[3 - self.spatial_dims :]


@dataclass(frozen=True)
class ModelPackage:
    """A model package on disk: a MONAI bundle folder with a ``pancreasseg`` block in its metadata.

    Attributes
    ----------
    name, version, description : str
        Identity; `name` is what ``--model`` takes.
    path : Path
        The bundle's folder.
    stages : tuple of Stage
        In the order in which they run; a package with a single segmenter runs it on the whole proposal.
    labels : dict of str to int
        Labels of the masks that it writes, e.g. ``{"pancreas": 1}``.
    scores : dict
        Measured figures and on what they were measured.
    sources : tuple of dict
        Training data: name, doi or url, licence.
    licence : str
        Licence of the weights (SPDX where there is one).
    recipe : dict
        The recipe that made it.
    refiner : Stage or None
        The network for interactive correction, which is no stage of a run.
    settings : dict
        Fields of `PancreasSegLib.inference.CascadeSettings` that this package wants other than by default.
    """

    name: str
    version: str
    description: str
    path: Path
    stages: tuple[Stage, ...]
    labels: dict[str, int] = field(default_factory=lambda: {"pancreas": 1})
    scores: dict[str, Any] = field(default_factory=dict)
    sources: tuple[dict[str, Any], ...] = ()
    licence: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)
    refiner: Stage | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def organ(self) -> str:
        """The label that counts where there is one word for a result: the pancreas, or else the first."""
        return "pancreas" if "pancreas" in self.labels else next(iter(self.labels), "")

    @property
    def seeks_pancreas(self) -> bool:
        """Whether all that it writes is the pancreas or lies in it.

        Then the HU thresholds propose where to look, and what cannot be a pancreas is refused. Any other package
        searches the whole body.
        """
        return "pancreas" in self.labels and all(
            name in _INSIDE or name.startswith("pancrea") for name in self.labels
        )

    @property
    def all_stages(self) -> tuple[Stage, ...]:
        """The stages that run, and the refiner where there is one."""
        return self.stages if self.refiner is None else (*self.stages, self.refiner)

    def stage(self, role: str) -> Stage | None:
        """Return the stage of that role, None if the package has none."""
        return next((stage for stage in self.stages if stage.role == role), None)
