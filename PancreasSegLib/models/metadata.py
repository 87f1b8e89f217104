"""``configs/metadata.json``: MONAI's description of a bundle plus a ``pancreasseg`` block, read as data only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import ModelPackageError, NetworkError
from PancreasSegLib.models.axes import OURS, NetworkAxes, are_axes
from PancreasSegLib.models.checksums import file_inside, verify_files
from PancreasSegLib.models.json_fields import JsonFields
from PancreasSegLib.models.package import ModelPackage, Original, Stage
from PancreasSegLib.networks import find_network, input_multiple
from PancreasSegLib.networks.imported import TORCHSCRIPT, given_channels

METADATA_FILE = "configs/metadata.json"
FORMAT_VERSION = 1
REFINER_CHANNELS = 11
"""Images that a refiner takes; the room ``refine`` says which (a test holds the two together)."""
_EARLIER_REFINER_CHANNELS = 9
"""Those of refiners up to version 2.2 of the default model: the first of today's."""
ROLES = ("localiser", "segmenter", "refiner")
HU_MASKS = ("none", "mask", "channel")
ACTIVATIONS = ("softmax", "sigmoid")
PROGRAM_SUFFIX = ".ts"
WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth", PROGRAM_SUFFIX)
PROGRAMS = ("nnunet", "monai")
LOCALISERS = ("default", "own", "none")
_LATER = {"axes": OURS, "activation": "softmax", "original": None}
_STEPS: dict[str, set[str]] = {"zscore": {"nonzero"}, "range": {"low", "high"}, "sigmoid": set()}
_MOST_STEPS = 8
_MOST_OVERLAP = 0.9
_MOST_SCALES = 4
_MAX_METADATA_BYTES = 8 << 20


def load_package(path: Path | str) -> ModelPackage:
    """Read a model package's description; no weights are loaded and no code is run.

    ``configs/inference.json``, MONAI's own configuration, is never read, and a text that starts with ``$`` is just
    a text.

    Parameters
    ----------
    path : Path or str
        The package's folder.

    Returns
    -------
    ModelPackage
        With every field checked, also against the networks that it names.

    Raises
    ------
    ModelPackageError
        If a file is missing or was changed, the format is newer than this version knows, or a field makes no
        sense; the sentence names it.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ModelPackageError(
            f"There is no model package at {folder}.", "`pancreasseg models list` shows those that there are."
        )
    if not (folder / METADATA_FILE).is_file():
        raise ModelPackageError(
            f"{folder} is not a model package: it has no {METADATA_FILE}.", "Name the package's top folder."
        )
    verify_files(folder, [METADATA_FILE])
    package = parse_metadata(_read_json(folder / METADATA_FILE), folder)
    for stage in package.all_stages:
        for name in stage.weights:
            file_inside(folder, name)
    return package


def _read_json(path: Path) -> Any:
    if path.stat().st_size > _MAX_METADATA_BYTES:
        raise ModelPackageError(f"{path} is larger than {_MAX_METADATA_BYTES >> 20} MB.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelPackageError(f"{path} is not valid JSON: {error}.") from error


def parse_metadata(content: Any, folder: Path) -> ModelPackage:
    """Check the content of a ``metadata.json`` and make a package of it.

    Parameters
    ----------
    content : object
        As JSON gave it.
    folder : Path
        Where the package lies.

    Raises
    ------
    ModelPackageError
        As `load_package`.
    """
    file = str(folder / METADATA_FILE)
    bundle = JsonFields(content, file, "")
    if "pancreasseg" not in bundle.value:
        raise ModelPackageError(
            f"{file} has no pancreasseg block: this is a MONAI bundle of another program.",
            "`pancreasseg models import` makes a package of it.",
        )
    block = JsonFields(bundle.get("pancreasseg"), file, "pancreasseg")
    version = block.integer("format_version")
    if version > FORMAT_VERSION:
        raise ModelPackageError(
            f"{file} is of format {version} and this version of PancreasSeg knows up to {FORMAT_VERSION}.",
            "Update PancreasSeg.",
        )
    stages = tuple(
        _parse_stage(JsonFields(stage, file, f"pancreasseg.stages[{i}]"))
        for i, stage in enumerate(block.items("stages"))
    )
    refiner = None
    if "refiner" in block.value and block.value["refiner"] is not None:
        refiner = _parse_stage(JsonFields(block.value["refiner"], file, "pancreasseg.refiner"))
        if refiner.role != "refiner":
            raise block.error("refiner", "a stage of the role refiner")
    roles = [stage.role for stage in stages]
    if "refiner" in roles:
        raise block.error("stages", "without the refiner, which has a field of its own")
    if "segmenter" not in roles or len(set(roles)) != len(roles):
        raise block.error("stages", "one segmenter, after at most one localiser")
    if roles[-1] != "segmenter":
        raise block.error("stages", "in the order in which they run: the segmenter comes last")
    labels = block.labels("labels")
    unknown = [name for name in labels if name not in stages[-1].labels]
    if unknown or 0 in labels.values():
        raise block.error("labels", "names of the segmenter's labels with values from 1")
    name = block.text("name")
    if not is_package_name(name):
        raise block.error("name", "a name of letters, digits, dots, dashes and underscores")
    return ModelPackage(
        name=name,
        version=bundle.text("version"),
        description=bundle.text("description", ""),
        path=folder,
        stages=stages,
        labels=labels,
        scores=block.mapping("scores", {}),
        sources=tuple(
            JsonFields(s, file, f"pancreasseg.sources[{i}]").value
            for i, s in enumerate(block.items("sources", []))
        ),
        licence=block.text("licence", ""),
        recipe=block.mapping("recipe", {}),
        refiner=refiner,
        settings=_parse_settings(block),
    )


def _parse_settings(block: JsonFields) -> dict[str, Any]:
    """Read the settings of the cascade that a package may choose: enough to feed a network as its maker did."""
    found = JsonFields(block.mapping("settings", {}), block.file, f"{block.place}.settings")
    known = ("overlap", "extra_scales", "single_pass", "cleaned", "mirrored", "localiser")
    if set(found.value) - set(known):
        raise block.error("settings", f"made of {', '.join(known)}")
    settings: dict[str, Any] = {}
    if "overlap" in found.value:
        settings["overlap"] = found.number("overlap")
        if not 0 <= settings["overlap"] <= _MOST_OVERLAP:
            raise found.error("overlap", f"from 0 to {_MOST_OVERLAP}")
    if "extra_scales" in found.value:
        scales = found.numbers("extra_scales", len(found.items("extra_scales")), positive=True)
        settings["extra_scales"] = scales
        if len(scales) > _MOST_SCALES or any(not 0.5 <= v <= 2 for v in scales):
            raise found.error("extra_scales", f"at most {_MOST_SCALES} numbers from 0.5 to 2")
    for name in ("single_pass", "cleaned", "mirrored"):
        if name in found.value:
            settings[name] = found.get(name)
            if not isinstance(settings[name], bool):
                raise found.error(name, "true or false")
    if "localiser" in found.value:
        settings["localiser"] = found.choice("localiser", LOCALISERS)
    return settings


def is_package_name(name: str) -> bool:
    """Whether a name can be a folder on every system: 1 to 64 letters, digits, dots, dashes, underscores."""
    plain = name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum()
    return plain and name[0].isalnum() and name[-1].isalnum() and len(name) <= 64


def _parse_stage(fields: JsonFields) -> Stage:
    window = fields.numbers("window_hu", 2)
    if window[0] >= window[1]:
        raise fields.error("window_hu", "a lower and a higher HU")
    weights = fields.items("weights")
    if not weights or not all(isinstance(w, str) and w.endswith(WEIGHTS_SUFFIXES) for w in weights):
        raise fields.error("weights", f"a list of files that end in {' or '.join(WEIGHTS_SUFFIXES)}")
    if len(set(weights)) != len(weights):
        raise fields.error("weights", "a list of different files")
    spacing = fields.numbers("spacing_mm", 3, positive=True)
    stage = Stage(
        role=fields.choice("role", ROLES),
        network=fields.text("network"),
        arguments=fields.mapping("arguments"),
        weights=tuple(weights),
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
        window_hu=(window[0], window[1]),
        mean_hu=fields.number("mean_hu"),
        std_hu=fields.number("std_hu", positive=True),
        patch_ijk=fields.sizes("patch_ijk"),
        multiple_ijk=fields.sizes("multiple_ijk"),
        labels=fields.labels("labels"),
        hu_mask=fields.choice("hu_mask", HU_MASKS, "none"),
        temperature=fields.number("temperature", positive=True) if "temperature" in fields.value else 1.0,
        axes=fields.text("axes", OURS),
        activation=fields.choice("activation", ACTIVATIONS, "softmax"),
        original=_parse_original(fields),
    )
    if not are_axes(stage.axes):
        raise fields.error("axes", "three letters of L or R, P or A, S or I")
    _check_network(stage, fields)
    return stage


def _parse_original(fields: JsonFields) -> Original | None:
    if fields.value.get("original") is None:
        return None
    found = JsonFields(fields.get("original"), fields.file, f"{fields.place}.original")
    axes = found.items("mirrored_axes", [])
    if not all(axis in (0, 1, 2) and not isinstance(axis, bool) for axis in axes) or len(set(axes)) != len(axes):
        raise found.error("mirrored_axes", "different numbers from 0 to 2")
    as_filed = found.get("as_filed", False)
    if not isinstance(as_filed, bool):
        raise found.error("as_filed", "true or false")
    kept = found.number("kept_spacing") if "kept_spacing" in found.value else 0.0
    if not 0 <= kept < 1:
        raise found.error("kept_spacing", "from 0 to below 1")
    return Original(
        kept_spacing=kept,
        program=found.choice("program", PROGRAMS),
        as_filed=as_filed,
        intensity=_parse_intensity(found),
        mirrored_axes=tuple(axes),
        blending=found.choice("blending", ("gaussian", "constant"), "gaussian"),
        padding=found.choice("padding", ("constant", "edge"), "constant"),
        restores=found.choice("restores", ("scores", "probabilities", "labels"), "scores"),
    )


def _parse_intensity(original: JsonFields) -> tuple[dict[str, Any], ...]:
    steps = []
    for number, entry in enumerate(original.items("intensity", [])):
        step = JsonFields(entry, original.file, f"{original.place}.intensity[{number}]")
        name = step.choice("step", tuple(_STEPS))
        if set(step.value) - {"step"} - _STEPS[name] or number >= _MOST_STEPS:
            raise original.error("intensity", f"a few steps: {', '.join(_STEPS)}, with their own fields")
        if name == "range" and step.number("low") >= step.number("high"):
            raise step.error("high", "above low")
        if not isinstance(step.get("nonzero", False), bool):
            raise step.error("nonzero", "true or false")
        steps.append(dict(step.value))
    return tuple(steps)


def _check_network(stage: Stage, fields: JsonFields) -> None:
    """Check that a stage's network exists and that its channels, strides, patch and labels fit together."""
    try:
        arguments = {
            name: a.default for name, a in find_network(stage.network).arguments.items()
        } | stage.arguments
        multiple = _along_ijk(input_multiple(stage.network, **stage.arguments), stage.axes)
    except NetworkError as error:
        raise ModelPackageError(f"{fields.file}: {fields.place}.network: {error.message}", error.hint) from error
    if arguments["spatial_dims"] == 2:
        if stage.role == "refiner":
            raise fields.error("arguments", "those of a 3D network")
        if stage.patch_ijk[2] != 1 or stage.multiple_ijk[2] != 1 or stage.axes[0] not in "SI":
            raise fields.error("arguments", "those of a 3D network, or patch_ijk one axial slice thick")
    if stage.role == "refiner":
        known = (_EARLIER_REFINER_CHANNELS, REFINER_CHANNELS)
        if arguments["in_channels"] not in known or arguments["out_channels"] != 1:
            raise fields.error(
                "arguments", f"those of a network with {REFINER_CHANNELS} input channels and one output channel"
            )
    else:
        _check_channels(stage, arguments, fields)
    programs = [name.endswith(PROGRAM_SUFFIX) for name in stage.weights]
    if programs != [stage.network == TORCHSCRIPT] * len(programs):
        raise fields.error("weights", f"files in {PROGRAM_SUFFIX} for the network {TORCHSCRIPT} and for it alone")
    if any(have % need for have, need in zip(stage.multiple_ijk, multiple, strict=True)):
        raise fields.error("multiple_ijk", f"a multiple of {list(multiple)}, which the network's strides ask for")
    if any(have % need for have, need in zip(stage.patch_ijk, stage.multiple_ijk, strict=True)):
        raise fields.error("patch_ijk", f"a multiple of multiple_ijk, {list(stage.multiple_ijk)}")


def _along_ijk(sizes: Sequence[int], axes: str) -> tuple[int, ...]:
    """Sizes along i, j, k of a network whose axes are others; it takes its own last axis for i."""
    return NetworkAxes(axes).to_zyx(sizes[::-1])[::-1]


def _check_channels(stage: Stage, arguments: dict[str, Any], fields: JsonFields) -> None:
    channels = 2 if stage.hu_mask == "channel" else 1
    # a sigmoid has no channel for the background, so labels count from 1 all the same
    classes = given_channels(arguments) + (stage.activation == "sigmoid")
    if arguments["in_channels"] != channels:
        raise fields.error(
            "arguments", f"those of a network with {channels} input channel(s), as hu_mask asks for"
        )
    foreground = {name: value for name, value in stage.labels.items() if value > 0}
    if not foreground or max(foreground.values()) >= classes:
        raise fields.error("labels", f"one to {classes - 1} labels of the network")


def pancreasseg_block(package: ModelPackage) -> dict[str, Any]:
    """Write what the library needs of a package as plain JSON: the inverse of `parse_metadata`."""
    block = {
        "format_version": FORMAT_VERSION,
        "name": package.name,
        "labels": package.labels,
        "stages": [_stage_block(stage) for stage in package.stages],
        "scores": package.scores,
        "sources": package.sources,
        "licence": package.licence,
        "recipe": package.recipe,
    }
    if package.refiner is not None:
        block["refiner"] = _stage_block(package.refiner)
    if package.settings:
        block["settings"] = package.settings
    try:
        return json.loads(json.dumps(block, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ModelPackageError(f"The package {package.name} cannot be written as JSON: {error}.") from error


def _stage_block(stage: Stage) -> dict[str, Any]:
    """Write a stage; fields that older versions do not know only where they say something."""
    return {name: v for name, v in asdict(stage).items() if name not in _LATER or v != _LATER[name]}
