"""A MONAI bundle: networks of MONAI with a state dict as data, everything else only where it is trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import ModelPackageError, UntrustedModelError
from PancreasSegLib.models.checkpoint import read_checkpoint, state_dict_in
from PancreasSegLib.models.imports.bundle_config import TRUST_HINT, BundleConfig, read_config
from PancreasSegLib.models.imports.bundle_transforms import (
    CT_HU,
    HARMLESS_AFTER,
    HARMLESS_BEFORE,
    read_postprocessing,
    read_preprocessing,
    transforms_of,
)
from PancreasSegLib.models.imports.foreign_model import ForeignModel
from PancreasSegLib.models.imports.labels import channel_labels
from PancreasSegLib.models.imports.monai_network import rebuilt_network
from PancreasSegLib.models.imports.open_ends import OpenEnds
from PancreasSegLib.models.imports.probe import probe_network
from PancreasSegLib.models.imports.program_bundle import opened_program, traced_program
from PancreasSegLib.models.json_fields import JsonFields
from PancreasSegLib.models.metadata import METADATA_FILE, PROGRAM_SUFFIX
from PancreasSegLib.models.package import Original
from PancreasSegLib.models.weights import check_finite
from PancreasSegLib.networks.imported import TORCHSCRIPT, monai_class

if TYPE_CHECKING:
    from torch import Tensor, nn

_NETWORKS = ("network_def", "network", "net", "model")
_STATE_SUFFIXES = (".pt", ".pth", ".safetensors")


def read_bundle(folder: Path, ends: OpenEnds, work: Path, *, trust: bool = False) -> ForeignModel:
    """Read a MONAI bundle.

    Parameters
    ----------
    folder : Path
        With ``configs/inference.json`` or ``.yaml``, ``configs/metadata.json`` and ``models``.
    ends : OpenEnds
        What the user says of what the bundle leaves open.
    work : Path
        A folder for a program that is made of it.
    trust : bool
        Whether its code may be run.

    Raises
    ------
    UntrustedModelError
        If something needs its code and it is not trusted; the sentence says what would be run.
    ModelPackageError
        If a part is missing, or cannot be translated; the sentence names it.
    """
    config = BundleConfig(folder, trust)
    metadata = read_config(folder, METADATA_FILE) if (folder / METADATA_FILE).is_file() else {}
    _refuse_prompts(config, metadata)
    before = read_preprocessing(transforms_of(config, "preprocessing", HARMLESS_BEFORE), config.file)
    after = read_postprocessing(transforms_of(config, "postprocessing", HARMLESS_AFTER), config.file)
    window, mean, std = before.normalisation()
    notes = [*before.notes, *after.notes]
    if CT_HU[0] in window or CT_HU[1] in window:
        notes.append(f"Its HU are not clipped on both sides; ours are, at {window[0]:g} and {window[1]:g}.")
    axes = ends.checked_axes(before.axes, config.file)
    spacing = ends.checked_spacing(before.spacing_mm, axes, config.file)
    patch, overlap, blending, padding = _windows(config, metadata)
    network, arguments, weights, out_channels, multiple = _network(config, folder, patch, work)
    name = _text(metadata, "name") or folder.name
    return ForeignModel(
        kind="MONAI bundle",
        name=name,
        version=_text(metadata, "version"),
        description=_text(metadata, "description") or f"Imported from the MONAI bundle {name}.",
        licence=_text(metadata, "copyright"),
        network=network,
        arguments=arguments,
        weights=[weights],
        labels=channel_labels(_channel_names(metadata, config), out_channels, after.activation),
        axes=axes,
        activation=after.activation,
        spacing_mm=spacing,
        patch=patch,
        multiple=multiple,
        window_hu=window,
        mean_hu=mean,
        std_hu=std,
        original=Original(
            program="monai",
            intensity=tuple(before.intensity),
            blending=blending,
            padding=padding,
            restores=after.restores,
        ),
        cleaned=after.cleaned,
        overlap=overlap,
        notes=notes,
        licence_text=_licence(folder),
        recipe={
            "imported_from": "MONAI bundle",
            "name": name,
            "version": _text(metadata, "version"),
            "authors": _text(metadata, "authors"),
            "references": [r for r in metadata.get("references") or [] if isinstance(r, str)],
        },
    )


def _text(metadata: dict[str, Any], name: str) -> str:
    found = metadata.get(name)
    return found if isinstance(found, str) else ""


def _licence(folder: Path) -> str:
    for name in ("LICENSE", "docs/LICENSE", "LICENSE.txt"):
        path = folder / name  # a link could lead to a file that is nobody's business
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 1 << 20:
            return path.read_text(encoding="utf-8", errors="replace")
    return ""


def _channel_names(metadata: dict[str, Any], config: BundleConfig) -> dict[str, Any]:
    """Names of the output's channels by number, as the metadata, or else the configuration, tell them."""
    found: Any = metadata
    for name in ("network_data_format", "outputs", "pred"):
        found = found.get(name) if isinstance(found, dict) else None
    for holder in (found, metadata):
        for name in ("channel_def", "label_def"):
            if isinstance(holder, dict) and isinstance(holder.get(name), dict) and holder[name]:
                return holder[name]
    for name in ("labels", "label_names"):
        values = config.content.get(name)
        if isinstance(values, dict) and all(isinstance(v, int) for v in values.values()):
            return {str(channel): label for label, channel in values.items()}
    return {}


def _refuse_prompts(config: BundleConfig, metadata: dict[str, Any]) -> None:
    """Refuse models that wait to be told what to look for."""
    network: dict[str, Any] = next(
        (config.content[n] for n in _NETWORKS if isinstance(config.content.get(n), dict)), {}
    )
    if "vista3d" in f"{_text(metadata, 'name')} {network.get('_target_', '')} {config.folder.name}".casefold():
        raise ModelPackageError(
            "VISTA3D takes the numbers of organs or a reader's clicks beside the CT, and its weights are not free "
            "for every use; it cannot be imported.",
            "MONAI's swin_unetr_btcv_segmentation can, and TotalSegmentator's models: `pancreasseg models get`.",
        )


def _windows(config: BundleConfig, metadata: dict[str, Any]) -> tuple[list[int], float, str, str]:
    """Size and overlap of the sliding window in the network's axes, its blending, and its padding."""
    inferer = config.content.get("inferer")
    fields = JsonFields(inferer if isinstance(inferer, dict) else {}, config.file, "inferer")
    target = str(fields.get("_target_", "")).rpartition(".")[2]
    blending, padding = "constant", "constant"
    if target in ("SlidingWindowInferer", "SlidingWindowInfererAdapt"):
        size = config.plain(fields.get("roi_size"), "inferer::roi_size")
        overlap = config.plain(fields.get("overlap", 0.25), "inferer::overlap")
        blending = str(config.plain(fields.get("mode", "constant"), "inferer::mode"))
        edge = config.plain(fields.get("padding_mode", "constant"), "inferer::padding_mode")
        padding = "edge" if edge in ("replicate", "edge", "nearest") else "constant"
    elif target in ("", "SimpleInferer"):
        size, overlap = _image_shape(metadata), 0.5
    else:
        raise ModelPackageError(f"{config.file}: the inferer {target} cannot be taken over.")
    if blending not in ("constant", "gaussian"):
        raise ModelPackageError(
            f"{config.file}: the mode of the inferer is {blending!r}, not constant or gaussian."
        )
    if isinstance(size, int):
        size = [size] * 3
    if not isinstance(size, list) or len(size) != 3 or not all(isinstance(n, int) and n > 0 for n in size):
        raise ModelPackageError(
            f"{config.file}: the window of the inferer is {size!r}, not three positive numbers.",
            "Only networks for volumes can be imported from a MONAI bundle.",
        )
    if isinstance(overlap, list):
        overlap = max(overlap, default=0.25)
    if not isinstance(overlap, (int, float)) or not 0 <= overlap < 1:
        raise ModelPackageError(
            f"{config.file}: the overlap of the inferer is {overlap!r}, not from 0 to below 1."
        )
    return size, float(overlap), blending, padding


def _image_shape(metadata: dict[str, Any]) -> Any:
    found: Any = metadata
    for name in ("network_data_format", "inputs", "image", "spatial_shape"):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _network(
    config: BundleConfig, folder: Path, patch: Sequence[int], work: Path
) -> tuple[str, dict[str, Any], dict[str, Tensor] | Path, int, tuple[int, ...]]:
    """Rebuild the network from data where that is possible, else from its code.

    Returns
    -------
    network, arguments
        Of the stage.
    weights
        A state dict, or a TorchScript program.
    out_channels, multiple
        As `probe_network`.
    """
    entry = next((n for n in _NETWORKS if isinstance(config.content.get(n), dict)), "")
    target = str(config.content[entry].get("_target_", "")) if entry else ""
    known = monai_class(target)
    state, program = _weights_files(folder, config)
    if known and state is not None and not _needs_code(config, entry):
        options = {k: v for k, v in config.value(entry).items() if not k.startswith("_")}
        return rebuilt_network(known, options, state_dict_in_file(state), state, patch)
    if program is not None and (not known or state is None):
        if not config.trust:
            raise UntrustedModelError(
                f"{program} is a TorchScript program: it is code, and would be run for every scan.", TRUST_HINT
            )
        network = opened_program(program)
        out_channels, multiple = probe_network(network, 1, patch, str(folder), whole=True)
        return _as_program(program, out_channels, multiple)
    if not entry or state is None:
        what = "names no network" if not entry else f"has no weights in {folder / 'models'}"
        raise ModelPackageError(f"The bundle {folder} {what}.", "Is it complete? Its weights may lie apart.")
    if not config.trust:
        if known:
            config.value(entry)  # names the expression
        raise UntrustedModelError(
            f"{config.file}: the network {target!r} is none of MONAI's that are known to be harmless: its class "
            "is code, which would be run.",
            TRUST_HINT,
        )
    network = _with_its_weights(config, entry, state)
    out_channels, multiple = probe_network(network, 1, patch, str(folder))
    return _as_program(traced_program(network, patch, work), out_channels, tuple(patch))


def _needs_code(config: BundleConfig, entry: str) -> bool:
    """Whether a network's arguments are more than plain data, and hold objects that only code makes."""
    try:
        value = config.value(entry)
    except UntrustedModelError:
        return True
    except ModelPackageError:
        if config.trust:
            return True
        raise
    return any(isinstance(v, dict) and "_target_" in v for v in value.values())


def _weights_files(folder: Path, config: BundleConfig) -> tuple[Path | None, Path | None]:
    """Return the state dict and the TorchScript program of a bundle, None for what it lacks.

    Where there are several, ``model`` is meant, or the one that the configuration names.
    """
    models = folder / "models"
    files = sorted(p for p in models.iterdir() if p.is_file()) if models.is_dir() else []
    named = set(re.findall(r"models/([\w.-]+)", json.dumps(config.content)))
    found = []
    for suffixes in (_STATE_SUFFIXES, (PROGRAM_SUFFIX,)):
        candidates = [p for p in files if p.suffix in suffixes]
        choices = (
            [p for p in candidates if p.stem == "model"],
            [p for p in candidates if p.name in named],
            candidates,
        )
        found.append(next((some[0] for some in choices if len(some) == 1), None))
    return found[0], found[1]


def state_dict_in_file(path: Path) -> dict[str, Tensor]:
    """Read a state dict as data; the prefix that distributed training leaves is taken off."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        weights: dict[str, Tensor] = load_file(path)
    else:
        weights = state_dict_in(read_checkpoint(path), path)
    check_finite(weights, path)
    if all(key.startswith("module.") for key in weights):
        weights = {key.removeprefix("module."): value for key, value in weights.items()}
    return weights


def _as_program(
    program: Path, out_channels: int, multiple: tuple[int, ...]
) -> tuple[str, dict[str, Any], Path, int, tuple[int, ...]]:
    return TORCHSCRIPT, {"in_channels": 1, "out_channels": out_channels}, program, out_channels, multiple


def _with_its_weights(config: BundleConfig, entry: str, state: Path) -> nn.Module:
    """Let the bundle's code build its network, and give it the weights, which are data all the same."""
    from torch import nn

    network = config.run(entry)
    if not isinstance(network, nn.Module):
        raise ModelPackageError(f"{config.file}: {entry} gives a {type(network).__name__}, not a network.")
    try:
        network.load_state_dict(state_dict_in_file(state))
    except RuntimeError as error:
        raise ModelPackageError(f"{state} does not fit its network: {str(error).splitlines()[0]}") from error
    return network.requires_grad_(False).eval()
