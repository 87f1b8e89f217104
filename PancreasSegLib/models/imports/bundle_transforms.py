"""What a MONAI bundle does before and after its network, said in the terms of a stage."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models.axes import are_axes
from PancreasSegLib.models.imports.bundle_config import BundleConfig

CT_HU = (-1024.0, 3071.0)
"""Where HU are clipped for a network that was fed without a window: a CT's twelve bits."""

HARMLESS_BEFORE = {
    "LoadImage",
    "EnsureChannelFirst",
    "AddChannel",
    "AsChannelFirst",
    "EnsureType",
    "ToTensor",
    "CastToType",
    "ToDevice",
    "Identity",
    "SelectItems",
    "DeleteItems",
    "CropForeground",  # it moves the windows, and what is cut off is air
    "SpatialPad",  # windows pad as far as they must
    "DivisiblePad",
}
HARMLESS_AFTER = {
    "EnsureType",
    "MapLabelValue",  # labels are chosen by name
    "SaveImage",
    "ToDevice",
    "ToTensor",
    "CastToType",
    "SelectItems",
    "DeleteItems",
    "CopyItems",
    "Identity",
}
_OF_CLICKS = ("Guidance", "Click", "Prompt")
_OURS_AFTER = {"KeepLargestConnectedComponent", "FillHoles", "RemoveSmallObjects"}


_UNUSED = {
    *("device", "dtype", "mode", "padding_mode", "align_corners", "labels", "lazy", "allow_missing_keys"),
    *("transform", "orig_keys", "orig_meta_keys", "meta_keys", "post_func", "to_tensor"),
}
"""Fields of transforms that no translation reads."""


@dataclass
class Preprocessing:
    """From a CT in HU to a network's input.

    Attributes
    ----------
    axes : str
        Where the axes lead, "" if the bundle leaves them as they are in the file.
    spacing_mm : tuple of 3 float or None
        Along those axes, None if the bundle does not resample.
    scale, shift : float
        The network sees ``HU * scale + shift``, of HU clipped to the window.
    window_hu : tuple of 2 float
        Infinite where nothing is clipped.
    intensity : list of dict
        What follows and measures each scan.
    notes : list of str
        What is done in another way.
    """

    axes: str = ""
    spacing_mm: tuple[float, ...] | None = None
    scale: float = 1.0
    shift: float = 0.0
    window_hu: tuple[float, float] = (-math.inf, math.inf)
    intensity: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def measured(self, **step: Any) -> None:
        """Add a step that measures the whole scan, as `Original.intensity` has it."""
        self.intensity.append(step)

    def rescaled(self, scale: float, shift: float) -> None:
        """Multiply and add."""
        self._before_measuring()
        self.scale, self.shift = self.scale * scale, self.shift * scale + shift

    def _before_measuring(self) -> None:
        if self.intensity:
            raise ValueError("it follows one that measures each scan, and nothing but another of the kind may")

    def clipped(self, low: float, high: float) -> None:
        """Clip what the network would see now."""
        self._before_measuring()
        bounds = [(v - self.shift) / self.scale for v in (low, high)]
        self.window_hu = (max(self.window_hu[0], bounds[0]), min(self.window_hu[1], bounds[1]))

    def normalisation(self) -> tuple[tuple[float, float], float, float]:
        """Return window, mean and SD as a stage has them."""
        low, high = self.window_hu
        window = (low if math.isfinite(low) else CT_HU[0], high if math.isfinite(high) else CT_HU[1])
        return window, -self.shift / self.scale, 1.0 / self.scale


def transforms_of(config: BundleConfig, name: str, harmless: Collection[str]) -> list[dict[str, Any]]:
    """Return the transforms of a ``Compose`` or a list that are not disabled and may matter, as plain data.

    Parameters
    ----------
    config : BundleConfig
        The bundle's configuration.
    name : str
        ``"preprocessing"`` or ``"postprocessing"``.
    harmless : collection of str
        Transforms of which only the keys are read, by name.

    Raises
    ------
    UntrustedModelError
        If a field that matters is an expression, and the bundle is not trusted.
    ModelPackageError
        If it is no list of transforms.
    """
    value, place = config.follow(config.content.get(name, []), name)
    if isinstance(value, dict) and _name(value) == "Compose":
        value, place = config.follow(value.get("transforms", []), f"{place}::transforms")
    if isinstance(value, str):
        value = config.plain(value, place)
    found = []
    for number, entry in enumerate(value if isinstance(value, list) else [value]):
        transform, at = config.follow(entry, f"{place}::{number}" if isinstance(value, list) else place)
        if not isinstance(transform, dict) or not isinstance(transform.get("_target_"), str):
            raise ModelPackageError(f"{config.file}: {at} is no transform.")
        if config.plain(transform.get("_disabled_", False), f"{at}::_disabled_") in (True, "true", "True"):
            continue
        fields = {"_target_", "keys"} if _name(transform) in harmless else transform.keys() - _UNUSED
        found.append({k: config.plain(v, f"{at}::{k}") for k, v in transform.items() if k in fields})
    return found


def _name(transform: dict[str, Any]) -> str:
    """The transform's name without its module and the d of dictionaries."""
    name = str(transform.get("_target_", "")).rpartition(".")[2]
    for ending in ("Dict", "D", "d"):
        if name.endswith(ending):
            return name[: -len(ending)]
    return name


def read_preprocessing(transforms: Sequence[dict[str, Any]], file: str) -> Preprocessing:
    """Translate the transforms before the network.

    Parameters
    ----------
    transforms : sequence of dict
        As `transforms_of` gives them, references followed.
    file : str
        For the errors.

    Raises
    ------
    ModelPackageError
        If one cannot be translated; the sentence names it.
    """
    found = Preprocessing()
    image = _image_key(transforms)
    for transform in transforms:
        if not _concerns(transform, image) or _name(transform) in HARMLESS_BEFORE:
            continue
        translate = _TRANSLATIONS.get(_name(transform))
        if any(word in _name(transform) for word in _OF_CLICKS):
            raise ModelPackageError(
                f"{file}: the model takes a reader's clicks beside the CT ({_name(transform)}), so that it cannot "
                "segment by itself.",
                "Use a model that segments by itself; every mask can be corrected by strokes here.",
            )
        if translate is None:
            raise _refusal(transform, file, "which has no translation")
        try:
            translate(found, transform)
        except (TypeError, ValueError, KeyError, ZeroDivisionError) as error:
            raise _refusal(transform, file, str(error)) from error
    if not found.scale > 0:
        raise ModelPackageError(f"{file}: the transforms turn HU upside down.")
    return found


def _image_key(transforms: Sequence[dict[str, Any]]) -> str:
    for transform in transforms:
        if _name(transform) == "LoadImage":
            keys = transform.get("keys", "image")
            return str(keys[0] if isinstance(keys, list) and keys else keys)
    return "image"


def _concerns(transform: dict[str, Any], image: str) -> bool:
    keys = transform.get("keys", image)
    return image in keys if isinstance(keys, list) else keys == image


def _refusal(transform: dict[str, Any], file: str, why: str) -> ModelPackageError:
    shown = {k: v for k, v in transform.items() if k not in ("_target_", "keys")}
    return ModelPackageError(
        f"{file}: the transform {transform['_target_']} {shown} cannot be taken over: {why}.",
        "Resources/Docs/models.md says which transforms can be.",
    )


def _orientation(found: Preprocessing, transform: dict[str, Any]) -> None:
    axes = "RAS" if transform.get("as_closest_canonical") else transform.get("axcodes")
    if isinstance(axes, list):
        axes = "".join(map(str, axes))
    if not are_axes(axes):
        raise ValueError("its axes are not three letters of L or R, P or A, S or I")
    if found.spacing_mm is not None and len(set(found.spacing_mm)) > 1:
        raise ValueError("it comes after the change of spacing, so that the spacing is along unknown axes")
    found.axes = str(axes)


def _spacing(found: Preprocessing, transform: dict[str, Any]) -> None:
    pixdim = transform["pixdim"]
    if not isinstance(pixdim, list) or len(pixdim) != 3 or not all(_is_number(v) and v > 0 for v in pixdim):
        raise ValueError("its pixdim is not three positive numbers")
    found.spacing_mm = tuple(float(v) for v in pixdim)


def _scale_range(found: Preprocessing, transform: dict[str, Any]) -> None:
    a_min, a_max = _number(transform, "a_min"), _number(transform, "a_max")
    b_min, b_max = (0.0 if transform.get(b) is None else _number(transform, b) for b in ("b_min", "b_max"))
    if transform.get("b_min") is None or transform.get("b_max") is None:
        b_min, b_max = 0.0, 1.0
    if a_min >= a_max or b_min >= b_max:
        raise ValueError("it turns HU upside down")
    scale = (b_max - b_min) / (a_max - a_min)
    found.rescaled(scale, b_min - a_min * scale)
    if transform.get("clip", False):
        found.clipped(b_min, b_max)


def _normalize(found: Preprocessing, transform: dict[str, Any]) -> None:
    subtrahend, divisor = (_single(transform.get(name)) for name in ("subtrahend", "divisor"))
    if subtrahend is None and divisor is None:
        found.measured(step="zscore", **({"nonzero": True} if transform.get("nonzero") else {}))
        return
    if subtrahend is None or divisor is None:
        raise ValueError("it measures only one of mean and SD")
    if transform.get("nonzero"):
        raise ValueError("it treats voxels of 0 HU as no image")
    found.rescaled(1.0 / divisor, -subtrahend / divisor)


def _threshold(found: Preprocessing, transform: dict[str, Any]) -> None:
    threshold = _number(transform, "threshold")
    above = transform.get("above", True)
    if transform.get("cval", 0.0) != threshold:
        raise ValueError("its cval is not its threshold, so that it does not clip")
    found.clipped(*((threshold, math.inf) if above else (-math.inf, threshold)))


def _clip(found: Preprocessing, transform: dict[str, Any]) -> None:
    low, high = (transform.get(name) for name in ("minv", "maxv"))
    found.clipped(-math.inf if low is None else float(low), math.inf if high is None else float(high))


def _scale_image(found: Preprocessing, transform: dict[str, Any]) -> None:
    if transform.get("minv", 0.0) is None and _is_number(transform.get("factor")):
        found.rescaled(1.0 + float(transform["factor"]), 0.0)
        return
    low, high = transform.get("minv", 0.0), transform.get("maxv", 1.0)
    if not _is_number(low) or not _is_number(high) or low >= high:
        raise ValueError("its minv and maxv are not a lower and a higher number")
    found.measured(step="range", low=float(low), high=float(high))


_TRANSLATIONS: dict[str, Callable[[Preprocessing, dict[str, Any]], None]] = {
    "Orientation": _orientation,
    "Spacing": _spacing,
    "ScaleIntensityRange": _scale_range,
    "NormalizeIntensity": _normalize,
    "ThresholdIntensity": _threshold,
    "ClipIntensity": _clip,
    "ScaleIntensity": _scale_image,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _number(transform: dict[str, Any], name: str) -> float:
    value = transform[name]
    if not _is_number(value):
        raise ValueError(f"its {name} is {value!r}, not a number")
    return float(value)


def _single(value: Any) -> float | None:
    """Return a number, also one in a list of one; None if there is none."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return None
    if not _is_number(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


@dataclass
class Postprocessing:
    """From a network's scores to a mask.

    Attributes
    ----------
    activation : str
        ``"softmax"`` or ``"sigmoid"``.
    restores : str
        What is brought back to the scan's grid, as `Original.restores` has it.
    cleaned : bool
        Whether stray pieces or holes are cleaned up.
    notes : list of str
        What ours does in another way.
    """

    activation: str = "softmax"
    restores: str = "scores"
    cleaned: bool = False
    notes: list[str] = field(default_factory=list)


def read_postprocessing(transforms: Sequence[dict[str, Any]], file: str) -> Postprocessing:
    """Translate the transforms after the network.

    Raises
    ------
    ModelPackageError
        If one changes the result in a way that ours does not.
    """
    found, activated, inverted = Postprocessing(), False, False
    for transform in transforms:
        name = _name(transform)
        if name == "Activations":
            if transform.get("other") or bool(transform.get("softmax")) == bool(transform.get("sigmoid")):
                raise _refusal(transform, file, "ours are softmax and sigmoid")
            found.activation, activated = "softmax" if transform.get("softmax") else "sigmoid", True
            if not inverted:
                found.restores = "probabilities"
        elif name == "AsDiscrete" and (activated or transform.get("threshold") is None):
            if not inverted:
                found.restores = "labels"
        elif name == "AsDiscrete":
            raise _refusal(transform, file, "what it cuts is no probability: there is no Activationsd before it")
        elif name == "Invert":
            inverted = True
            if transform.get("nearest_interp", True):
                found.restores = "labels"
        elif name in _OURS_AFTER:
            found.cleaned = True
            found.notes.append(
                f"{transform['_target_']} is replaced by our own clean-up of small pieces and holes."
            )
        elif name not in HARMLESS_AFTER:
            raise _refusal(transform, file, "it changes the result and has no translation")
    if not inverted:  # SaveImaged brings it back then
        found.restores = "labels"
    return found
