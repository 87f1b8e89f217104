"""Writing a model package: all of it, or nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models.bundle import INFERENCE_FILE, inference_config
from PancreasSegLib.models.checksums import write_checksums
from PancreasSegLib.models.graph_writing import add_graphs
from PancreasSegLib.models.metadata import METADATA_FILE, load_package, pancreasseg_block, parse_metadata
from PancreasSegLib.models.ownership import refuse_foreign_folder
from PancreasSegLib.models.package import ModelPackage
from PancreasSegLib.storage.replacement import new_folder

if TYPE_CHECKING:
    from torch import Tensor

_SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)
_LARGEST_HALF = 65504.0
_REQUIRED = ("nibabel", "safetensors")


def write_package(
    folder: Path | str,
    package: ModelPackage,
    state_dicts: Mapping[str, Mapping[str, Tensor] | Path],
    model_card: str,
    *,
    licence_text: str = "",
    about: Mapping[str, Any] | None = None,
    half: bool = True,
    overwrite: bool = False,
) -> ModelPackage:
    """Write a model package: a MONAI bundle folder with weights as safetensors and checksums of all files.

    Each network gets a graph beside its weights, for engines without PyTorch, where it can be written as one. The
    folder is built in a hidden folder beside and renamed when complete, so that a crash leaves no half package.

    Parameters
    ----------
    folder : Path or str
        Where to; its parent is made if needed.
    package : ModelPackage
        What to describe; its ``path`` does not matter.
    state_dicts : mapping of str to mapping of str to Tensor, or to Path
        A network's weights by the file that the stages name; the path of a TorchScript program.
    model_card : str
        ``MODEL_CARD.md``, Markdown.
    licence_text : str
        ``LICENSE``; by default a line with the package's licence.
    about : mapping, optional
        More of MONAI's metadata, e.g. ``authors``, ``copyright``, ``changelog``, ``intended_use``, ``references``.
    half : bool
        Whether to store weights as float16.
    overwrite : bool
        Whether a package that is there is replaced; anything else never is.

    Returns
    -------
    ModelPackage
        Read back from the folder.

    Raises
    ------
    ModelPackageError
        If the description does not hold together, weights are missing or do not fit into float16.
    OutputError
        If the folder exists, or cannot be written.
    """
    folder = Path(folder)
    wanted = [name for stage in package.all_stages for name in stage.weights]
    if sorted(wanted) != sorted(state_dicts):
        different = sorted(set(wanted) ^ set(state_dicts)) or sorted(wanted)
        raise ModelPackageError(
            f"The package {package.name} does not get the weights that it names: {different[0]}."
        )
    metadata = bundle_metadata(package, about or {})
    parse_metadata(metadata, folder)
    with new_folder(folder, overwrite, refuse_foreign_folder) as part:
        for name, weights in state_dicts.items():
            if isinstance(weights, Path):
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(weights, part / name)
            else:
                _save_weights(part, name, weights, half)
        write_json(part / METADATA_FILE, metadata)
        config = inference_config(package)
        if config is not None:
            write_json(part / INFERENCE_FILE, config)
        (part / "MODEL_CARD.md").write_text(model_card, encoding="utf-8")
        text = (
            licence_text
            or f"The weights in this folder are licensed under {package.licence or 'no licence yet'}.\n"
        )
        (part / "LICENSE").write_text(text, encoding="utf-8")
        write_checksums(part)
        add_graphs(load_package(part))
    return load_package(folder)


def _save_weights(folder: Path, name: str, weights: Mapping[str, Tensor], half: bool) -> None:
    from safetensors.torch import save

    path = folder / name
    if path.suffix != ".safetensors":
        raise ModelPackageError(f"Weights are written as safetensors, not as {name}.")
    stored = {}
    for key, value in weights.items():
        value = value.detach().cpu()
        if half and value.is_floating_point():
            # NaN fails the comparison too
            if value.numel() and not float(value.abs().max()) <= _LARGEST_HALF:
                raise ModelPackageError(
                    f"{key} of {name} holds values that are not finite or too large for float16."
                )
            value = value.half()
        stored[key] = value.clone().contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    # save_file would make a file that only its owner can read
    path.write_bytes(save(stored, metadata={"format": "pt"}))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write an object as a package's files hold it.

    Raises
    ------
    ModelPackageError
        If it is no plain JSON, as NaN is not.
    """
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelPackageError(f"{path.name} cannot be written as JSON: {error}.") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def bundle_metadata(package: ModelPackage, about: Mapping[str, Any]) -> dict[str, Any]:
    """Write the metadata of a package by MONAI's schema, with our block.

    Parameters
    ----------
    package : ModelPackage
        What to describe.
    about : mapping
        More of MONAI's fields, which win over the ones made here.
    """
    stage = package.stages[-1]
    channels = {"0": "background"} | {str(i): name for i, name in enumerate(package.labels, 1)}
    patch = list(stage.patch_ijk[::-1])
    image = {
        "type": "image",
        "format": "hounsfield",
        "modality": "CT",
        "num_channels": 1,
        "spatial_shape": patch,
        "dtype": "float32",
        "value_range": list(stage.window_hu),
        "is_patch_data": True,
        "channel_def": {"0": "image"},
    }
    prediction = {
        "type": "image",
        "format": "segmentation",
        "num_channels": len(channels),
        "spatial_shape": patch,
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": True,
        "channel_def": channels,
    }
    return {
        "schema": _SCHEMA,
        "version": package.version,
        "changelog": {package.version: f"made on {date.today().isoformat()}"},
        "monai_version": _version("monai"),
        "pytorch_version": _version("torch"),
        "numpy_version": _version("numpy"),
        "required_packages_version": {name: _version(name) for name in _REQUIRED if _version(name)},
        "name": package.name,
        "task": f"Segmentation of the {', '.join(package.labels)} on abdominal CT",
        "description": package.description,
        "authors": "The PancreasSeg developers",
        "copyright": package.licence,
        "data_source": "; ".join(str(source.get("name", "")) for source in package.sources),
        "data_type": "nifti",
        "image_classes": "CT in HU",
        "label_classes": f"values {package.labels}",
        "pred_classes": f"values {package.labels}",
        "eval_metrics": package.scores,
        "intended_use": "Research only; not a medical device.",
        "references": [],
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": prediction}},
        **about,
        "pancreasseg": pancreasseg_block(package),
    }


def _version(package: str) -> str:
    try:
        return version(package).split("+")[0]
    except ModuleNotFoundError:  # also PackageNotFoundError
        return ""
