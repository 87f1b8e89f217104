"""A model of MONAI's Auto3DSeg as 3D Slicer's MONAIAuto3DSeg keeps it: ``model.pt`` and ``labels.csv``."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models.checkpoint import harmless_globals, read_checkpoint, state_dict_in
from PancreasSegLib.models.imports.bundle_transforms import CT_HU
from PancreasSegLib.models.imports.foreign_model import ForeignModel
from PancreasSegLib.models.imports.monai_network import rebuilt_network
from PancreasSegLib.models.json_fields import JsonFields
from PancreasSegLib.models.package import Original
from PancreasSegLib.models.weights import check_finite
from PancreasSegLib.networks.imported import monai_class

MODEL, LABELS = "model.pt", "labels.csv"
_OVERLAP = 0.625
_NEARLY = 0.25
"""A spacing within this share of the wanted one is left as it is."""


def find_auto3dseg(folder: Path) -> Path | None:
    """Find such a model in a folder, or in the only folder in it."""
    if not folder.is_dir():
        return None
    inside = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
    for place in (folder, *(inside if len(inside) == 1 else [])):
        if (place / MODEL).is_file() and (place / LABELS).is_file():
            return place
    return None


def read_auto3dseg(folder: Path) -> ForeignModel:
    """Read a model as data.

    Raises
    ------
    UntrustedModelError
        If the checkpoint names more than tensors and plain values.
    ModelPackageError
        If a part is missing, or cannot be translated; the sentence names it.
    """
    path = folder / MODEL
    content = read_checkpoint(path, harmless_globals())
    if not isinstance(content, dict) or not isinstance(content.get("config"), dict):
        raise ModelPackageError(f"{path} does not say how its network is fed: it has no config.")
    config = JsonFields(content["config"], str(path), "config")
    weights = state_dict_in(content, path)
    check_finite(weights, path)
    patch = list(config.sizes("roi_size"))
    network = config.mapping("network")
    known = monai_class(str(network.get("_target_", "")))
    if known is None:
        raise ModelPackageError(f"{path}: the network {network.get('_target_')!r} cannot be imported.")
    options = {name: value for name, value in network.items() if not name.startswith("_")}
    name, arguments, weights, out_channels, multiple = rebuilt_network(known, options, weights, path, patch)
    activation = "sigmoid" if config.get("sigmoid", False) else "softmax"
    mean, std, intensity = _normalisation(config)
    return ForeignModel(
        kind="Auto3DSeg model",
        name=folder.name,
        version="",
        description=f"Imported from Auto3DSeg: {folder.name}.",
        licence="",
        network=name,
        arguments=arguments,
        weights=[weights],
        labels=_labels(folder / LABELS, out_channels, activation),
        axes="RAS" if config.get("orientation_ras", False) else "LPS",
        activation=activation,
        spacing_mm=config.numbers("resample_resolution", 3, positive=True),
        patch=patch,
        multiple=multiple,
        window_hu=CT_HU,
        mean_hu=mean,
        std_hu=std,
        original=Original(
            program="monai",
            as_filed=not config.get("orientation_ras", False),
            intensity=intensity,
            restores="probabilities",
            kept_spacing=_NEARLY,
        ),
        overlap=_OVERLAP,
        notes=["Where its program cuts the scan to its foreground, ours does not."],
        recipe={"imported_from": "Auto3DSeg", "name": folder.name},
    )


def _normalisation(config: JsonFields) -> tuple[float, float, tuple[dict[str, Any], ...]]:
    """Return what is subtracted from HU, by what they are divided, and what follows."""
    mode = config.text("normalize_mode")
    if mode in ("range", "ct"):
        low, high = config.numbers("intensity_bounds", 2)
        if low >= high:
            raise config.error("intensity_bounds", "a lower and a higher HU")
        return (low + high) / 2, (high - low) / 2, ({"step": "sigmoid"},)
    if mode in ("meanstd", "mri"):
        return 0.0, 1.0, ({"step": "zscore", "nonzero": True},)
    if mode == "none":
        return 0.0, 1.0, ()
    raise config.error("normalize_mode", "range, ct, meanstd or none, which can be taken over")


def label_names(folder: Path) -> tuple[str, ...]:
    """Return the names of a model's labels, none if they cannot be read."""
    try:
        return tuple(_values(folder / LABELS))
    except ModelPackageError:
        return ()


def _labels(path: Path, out_channels: int, activation: str) -> dict[str, int]:
    """Read the labels, and check that they fit the network."""
    found = _values(path)
    most = out_channels if activation == "sigmoid" else out_channels - 1
    if not found or max(found.values()) > most:
        raise ModelPackageError(f"{path} does not fit its network, which has {most} labels.")
    return found


def _values(path: Path) -> dict[str, int]:
    """Read the names of the labels with their value in the masks."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [{str(k).strip().lower(): v for k, v in row.items()} for row in csv.DictReader(file)]
        value = next(name for name in rows[0] if "value" in name)
        title = next(name for name in rows[0] if name.endswith("name"))
        found = {str(row[title]).strip(): int(row[value]) for row in rows}
    except (OSError, csv.Error, LookupError, StopIteration, TypeError, ValueError) as error:
        raise ModelPackageError(f"{path} has no columns with the value and the name of each label.") from error
    return {name: v for name, v in found.items() if v > 0}
