"""A trained nnU-Net v2 model: ``Trainer__Plans__configuration/{plans.json,dataset.json,fold_X/checkpoint}``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import ModelPackageError, NetworkError
from PancreasSegLib.models.checkpoint import read_checkpoint, state_dict_in
from PancreasSegLib.models.checksums import file_inside
from PancreasSegLib.models.imports.bundle_config import read_config
from PancreasSegLib.models.imports.foreign_model import ForeignModel
from PancreasSegLib.models.imports.nnunet_plans import Plans
from PancreasSegLib.models.imports.open_ends import OpenEnds
from PancreasSegLib.models.package import Stage
from PancreasSegLib.models.weights import check_finite, network_with
from PancreasSegLib.networks import input_multiple

if TYPE_CHECKING:
    from torch import Tensor

_PLANS, _DATASET = "plans.json", "dataset.json"
_CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
_DICOM_AXES = "LPS"
_DEPTH = 3


def find_models(folder: Path) -> list[Path]:
    """Find the trained models in a folder and a few levels below it."""
    found, level = [], [folder]
    for _ in range(_DEPTH + 1):
        found += [f for f in level if (f / _PLANS).is_file() and any(f.glob("fold_*"))]
        level = [
            p for f in level if f not in found for p in sorted(f.iterdir()) if p.is_dir() and not p.is_symlink()
        ]
    return found


def chosen_model(models: Sequence[Path], configuration: str, source: Path) -> Path:
    """Choose a model by its configuration.

    Raises
    ------
    ModelPackageError
        If none or several are left.
    """
    left = [m for m in models if not configuration or m.name.endswith(f"__{configuration}")]
    if len(left) == 1:
        return left[0]
    names = ", ".join(m.name for m in models)
    raise ModelPackageError(
        f"{source} holds {len(models)} nnU-Net models: {names}.",
        "Say which with --configuration, e.g. 3d_fullres, or give the folder of one.",
    )


def read_nnunet(folder: Path, ends: OpenEnds) -> ForeignModel:
    """Read a trained nnU-Net model as data.

    Parameters
    ----------
    folder : Path
        With ``plans.json``, ``dataset.json`` and ``fold_*``.
    ends : OpenEnds
        What the user says of its axes.

    Raises
    ------
    UntrustedModelError
        If a checkpoint names more than tensors and plain values.
    ModelPackageError
        If a part is missing, or cannot be translated; the sentence names it.
    """
    dataset = read_config(folder, _DATASET)
    plans = Plans(read_config(folder, _PLANS), dataset, _configuration(folder), str(folder / _PLANS))
    labels, patch = plans.labels(), plans.patch
    network, arguments = plans.network(1 + len(labels))
    window, mean, std, notes = plans.normalisation()
    axes = plans.axes or plans.permuted((ends.axes or _DICOM_AXES)[::-1])
    if not plans.axes and not ends.axes:
        notes.append(
            "nnU-Net takes scans as they lie in the file; here they are brought to the axes of DICOM: Left, "
            "Posterior, Superior. If it was trained on files with other axes, import it again and name them, "
            "e.g. --axes RAS, which most NIfTI files have."
        )
    try:
        multiple = input_multiple(network, **arguments)[::-1]  # 1 first, for a network of slices
        weights, folds = _members(folder, network, arguments, patch)
    except NetworkError as error:
        raise ModelPackageError(f"{plans.file}: {error.message}", error.hint) from error
    notes.append("Its predictions are not mirrored and averaged at test time, which nnU-Net does by default.")
    trainer = folder.name
    title = str(dataset.get("name") or folder.parent.name)
    return ForeignModel(
        kind="nnU-Net v2 model",
        name=f"{folder.parent.name}-{trainer.split('__')[-1]}" if folder.parent.name else trainer,
        version="2",
        description=f"Imported from nnU-Net: {title}, {trainer}, {len(folds)} fold(s).",
        licence=str(dataset.get("licence") or dataset.get("license") or ""),
        network=network,
        arguments=arguments,
        weights=list(weights),
        labels=labels,
        axes=axes,
        activation="softmax",
        spacing_mm=plans.spacing_mm,
        patch=patch,
        multiple=multiple,
        window_hu=window,
        mean_hu=mean,
        std_hu=std,
        overlap=0.5,
        notes=notes,
        recipe={"imported_from": "nnU-Net v2", "name": title, "model": trainer, "folds": folds},
    )


def _configuration(folder: Path) -> str:
    """The last part of ``Trainer__Plans__configuration``."""
    parts = folder.name.split("__")
    if len(parts) != 3:
        raise ModelPackageError(
            f"{folder} is not named Trainer__Plans__configuration, as nnU-Net names its models.",
            "For example nnUNetTrainer__nnUNetPlans__3d_fullres.",
        )
    return parts[2]


def _members(
    folder: Path, network: str, arguments: dict[str, Any], patch: Sequence[int]
) -> tuple[list[dict[str, Tensor]], list[str]]:
    """Weights of every fold that is there, each checked against the network."""
    folds = sorted(p for p in folder.glob("fold_*") if p.is_dir() and re.fullmatch(r"fold_(\d+|all)", p.name))
    members, names = [], []
    size = (patch[0], patch[1], patch[2])
    stage = Stage(
        "segmenter", network, arguments, ("x.safetensors",), (1, 1, 1), (0, 1), 0, 1, size, (1, 1, 1), {}
    )
    for fold in folds:
        name = next((c for c in _CHECKPOINTS if (fold / c).is_file()), None)
        if name is None:
            continue
        path = file_inside(folder, f"{fold.name}/{name}")
        weights = _without_second_names(state_dict_in(read_checkpoint(path, _harmless()), path))
        check_finite(weights, path)
        network_with(stage, weights, path)
        members.append(weights)
        names.append(fold.name)
    if not members:
        raise ModelPackageError(f"{folder} has no fold_*/{_CHECKPOINTS[0]}: no weights.")
    return members, names


def _without_second_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop the second names of weights, and what wrappers put before them.

    A weight of the encoder is also one of ``decoder.encoder``, and each is also one of its ``all_modules``.
    """
    found = {}
    for key, value in weights.items():
        key = key.removeprefix("module.").removeprefix("_orig_mod.")
        if not key.startswith("decoder.encoder.") and ".all_modules." not in key:
            found[key] = value
    return found


def _harmless() -> list[Any]:
    """What nnU-Net's checkpoints hold besides tensors: numpy's numbers in the training log. None of it is code."""
    import _codecs

    import numpy as np

    scalar, reconstruct = np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]
    kinds = [type(np.dtype(name)) for name in ("float16", "float32", "float64", "int32", "int64", "bool")]
    both_names = [
        (function, f"numpy.{core}.multiarray.{name}")  # as numpy 1 and numpy 2 write them
        for core in ("core", "_core")
        for function, name in ((scalar, "scalar"), (reconstruct, "_reconstruct"))
    ]
    return [*both_names, np.dtype, np.ndarray, *kinds, _codecs.encode]
