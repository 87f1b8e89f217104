"""A trained nnU-Net v2 model: ``Trainer__Plans__configuration/{plans.json,dataset.json,fold_X/checkpoint}``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import ModelPackageError, NetworkError, UndecidedModelError
from PancreasSegLib.models.checkpoint import harmless_globals, read_checkpoint, state_dict_in
from PancreasSegLib.models.imports.bundle_config import read_config
from PancreasSegLib.models.imports.foreign_model import ForeignModel
from PancreasSegLib.models.imports.nnunet_plans import Plans
from PancreasSegLib.models.imports.open_ends import OpenEnds
from PancreasSegLib.models.package import Original, Stage
from PancreasSegLib.models.weights import check_finite, network_with
from PancreasSegLib.networks import input_multiple

if TYPE_CHECKING:
    from torch import Tensor

_PLANS, _DATASET = "plans.json", "dataset.json"
_USUAL_CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
_CHECKPOINTS = "checkpoint_*.pth"
_VERSION_1 = ("model_final_checkpoint.model", "model_best.model")
_DEPTH = 4


def find_trainings(folder: Path) -> list[Path]:
    """Find the trained models in a folder and a few levels below it."""
    found, level = [], [folder]
    for _ in range(_DEPTH + 1):
        found += [f for f in level if (f / _PLANS).is_file() and any(f.glob("fold_*"))]
        level = [p for f in level if f not in found for p in sorted(f.iterdir()) if _can_hold_more(p)]
    return found


def _can_hold_more(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def refuse_version_1(folder: Path) -> None:
    """Say so where a folder holds a model of nnU-Net's first version, whose files mean something else.

    Raises
    ------
    ModelPackageError
        If it does.
    """
    level = [folder]
    for _ in range(_DEPTH + 1):
        for place in level:
            folds = (*place.glob("fold_*"), *place.glob("all"))
            if (place / "plans.pkl").is_file() or any((f / name).is_file() for f in folds for name in _VERSION_1):
                raise ModelPackageError(
                    f"{place} is a model of nnU-Net version 1 (plans.pkl), whose files are code.",
                    "Version 2 can be imported: ask its maker for it, or train it again.",
                )
        level = [p for f in level for p in sorted(f.iterdir()) if _can_hold_more(p)]


def chosen_training(trainings: Sequence[Path], wanted: str, source: Path, root: Path) -> Path:
    """Choose one of several trained models by its name, or a part of it that no other has.

    Parameters
    ----------
    trainings : sequence of Path
        From `find_trainings`.
    wanted : str
        What the user asked for.
    source, root : Path
        What the user gave, for the sentence; and the folder in which they were found.

    Raises
    ------
    ModelPackageError
        If none or several are left.
    """
    names = {training_name(t, root): t for t in trainings}
    exact = [t for name, t in names.items() if wanted in (name, t.name)]
    left = exact if len(exact) == 1 else [t for name, t in names.items() if wanted.casefold() in name.casefold()]
    if len(left) == 1:
        return left[0]
    if not left:
        raise ModelPackageError(f"{source} holds no training {wanted!r}.", f"It holds {', '.join(names)}.")
    listed = ", ".join(training_name(t, root) for t in left)
    example = training_name(left[0], root)
    raise UndecidedModelError(
        f"{source} holds {len(left)} trained nnU-Net models: {listed}.",
        f"Say which, e.g. --training {example}.",
        "training",
        [training_name(t, root) for t in left],
    )


def training_name(training: Path, root: Path) -> str:
    """Return how a user may call a training: its place below the folder that was given."""
    return training.relative_to(root).as_posix() if training != root else training.name


def read_nnunet(folder: Path, ends: OpenEnds, *, checkpoint: str = "") -> ForeignModel:
    """Read a trained nnU-Net model as data.

    Parameters
    ----------
    folder : Path
        With ``plans.json``, ``dataset.json`` and ``fold_*``; or one checkpoint.
    ends : OpenEnds
        What the user says of its axes.
    checkpoint : str
        File name of the checkpoints; by default the final ones, the best ones, or the only ones.

    Raises
    ------
    UntrustedModelError
        If a checkpoint names more than tensors and plain values.
    ModelPackageError
        If a part is missing, or cannot be translated; the sentence names it.
    """
    files = [folder] if folder.is_file() else checkpoint_files(folder, checkpoint)
    first = read_checkpoint(files[0], harmless_globals())
    if folder.is_file():
        folder = _around(folder)
    dataset = _description(folder, _DATASET, first, "dataset_json")
    place = str(folder / _PLANS)
    plans = Plans(_description(folder, _PLANS, first, "plans"), dataset, configuration_of(folder, first), place)
    patch = plans.patch
    network, arguments = plans.network(plans.out_channels)
    window, mean, std, intensity = plans.normalisation()
    mirrored = _mirrored_axes(first)
    axes, as_filed, notes = plans.network_axes(ends.axes, mirrored=bool(mirrored))
    try:
        multiple = input_multiple(network, **arguments)[::-1]  # 1 first, for a network of slices
        weights = []
        for number, file in enumerate(files):  # one after the other: a checkpoint holds three times the weights
            content = read_checkpoint(file, harmless_globals()) if number else first
            weights.append(_weights(content, file, network, arguments, patch))
    except NetworkError as error:
        raise ModelPackageError(f"{plans.file}: {error.message}", error.hint) from error
    title = str(dataset.get("name") or plans.plans.value.get("dataset_name") or folder.parent.name)
    trainer = _trainer(folder, first, plans.configuration)
    folds = [file.parent.name for file in files]
    return ForeignModel(
        kind="nnU-Net v2 model",
        name=f"{_dataset_name(folder, plans)}-{plans.configuration}",
        version="2",
        description=f"Imported from nnU-Net: {title}, {trainer}, {len(folds)} fold(s).",
        licence=str(dataset.get("licence") or dataset.get("license") or ""),
        network=network,
        arguments=arguments,
        weights=list(weights),
        labels=plans.labels(),
        axes=axes,
        activation="sigmoid" if plans.regions else "softmax",
        spacing_mm=plans.spacing_mm,
        patch=patch,
        multiple=multiple,
        window_hu=window,
        mean_hu=mean,
        std_hu=std,
        original=Original(
            program="nnunet",
            as_filed=as_filed,
            intensity=intensity,
            # a network of slices has no first axis
            mirrored_axes=tuple(a + plans.is_flat for a in mirrored if a + plans.is_flat < 3),
        ),
        overlap=0.5,
        notes=notes,
        recipe={"imported_from": "nnU-Net v2", "name": title, "model": trainer, "folds": folds},
    )


def _around(checkpoint: Path) -> Path:
    """Return the training that a checkpoint lies in, or just its folder."""
    training = checkpoint.parent.parent
    return training if (training / _PLANS).is_file() else checkpoint.parent


def _description(folder: Path, name: str, checkpoint: Any, part: str) -> dict[str, Any]:
    """Read plans or dataset: from the file, or where there is none from the copy in the checkpoint."""
    if (folder / name).is_file():
        return read_config(folder, name)
    arguments = checkpoint.get("init_args") if isinstance(checkpoint, dict) else None
    found = arguments.get(part) if isinstance(arguments, dict) else None
    if isinstance(found, dict):
        return found
    raise ModelPackageError(f"{folder} has no {name}, and the checkpoint does not hold it either.")


def checkpoint_files(folder: Path, wanted: str) -> list[Path]:
    """Find the checkpoint of every fold that is there.

    Raises
    ------
    ModelPackageError
        If there is none, or several that may be meant.
    """
    folds = sorted(p for p in folder.glob("fold_*") if p.is_dir() and re.fullmatch(r"fold_(\d+|all)", p.name))
    found = [path for path in (_checkpoint_file(fold, wanted) for fold in folds) if path is not None]
    if not found:
        missing = wanted or _CHECKPOINTS
        raise ModelPackageError(f"{folder} has no fold_*/{missing}: no weights.", "Was the download complete?")
    return found


def _checkpoint_file(fold: Path, wanted: str) -> Path | None:
    """Return the checkpoint of a fold, None if it has none."""
    there = sorted(p.name for p in fold.glob(_CHECKPOINTS))
    for name in (wanted,) if wanted else _USUAL_CHECKPOINTS:
        if (fold / name).is_file():
            return fold / name
    if wanted or not there:
        return None
    if len(there) == 1:
        return fold / there[0]
    raise ModelPackageError(
        f"{fold} holds the checkpoints {', '.join(there)}.", f"Say which, e.g. --checkpoint {there[0]}."
    )


def configuration_of(folder: Path, checkpoint: Any = None) -> str:
    """Return the configuration that was trained: as the folder's name says, or else as the checkpoint does.

    Raises
    ------
    ModelPackageError
        If neither says it.
    """
    parts = folder.name.split("__")
    if len(parts) == 3:
        return parts[2]
    arguments = checkpoint.get("init_args") if isinstance(checkpoint, dict) else None
    found = arguments.get("configuration") if isinstance(arguments, dict) else None
    if isinstance(found, str) and found:
        return found
    raise ModelPackageError(
        f"{folder} is not named Trainer__Plans__configuration, and its checkpoint does not say either which of "
        "its plans was trained.",
        "Name the folder as nnU-Net does, e.g. nnUNetTrainer__nnUNetPlans__3d_fullres.",
    )


def _trainer(folder: Path, checkpoint: Any, configuration: str) -> str:
    if len(folder.name.split("__")) == 3:
        return folder.name
    found = checkpoint.get("trainer_name") if isinstance(checkpoint, dict) else None
    return f"{found if isinstance(found, str) else 'unknown trainer'}, {configuration}"


def _dataset_name(folder: Path, plans: Plans) -> str:
    """Name the data: the folder around a folder in nnU-Net's manner, or else what the plans say."""
    if len(folder.name.split("__")) == 3 and folder.parent.name:
        return folder.parent.name
    return str(plans.plans.value.get("dataset_name") or folder.name)


def _mirrored_axes(checkpoint: Any) -> tuple[int, ...]:
    """Axes, counted in the network's own, along which nnU-Net would mirror at test time."""
    found = checkpoint.get("inference_allowed_mirroring_axes") if isinstance(checkpoint, dict) else None
    axes = found if isinstance(found, (list, tuple)) else ()
    return tuple(sorted({a for a in axes if isinstance(a, int) and 0 <= a < 3}))


def _weights(
    content: Any, path: Path, network: str, arguments: dict[str, Any], patch: Sequence[int]
) -> dict[str, Tensor]:
    """Return a checkpoint's weights, checked against the network."""
    size = (patch[0], patch[1], patch[2])
    stage = Stage(
        "segmenter", network, arguments, ("x.safetensors",), (1, 1, 1), (0, 1), 0, 1, size, (1, 1, 1), {}
    )
    weights = _without_second_names(state_dict_in(content, path))
    check_finite(weights, path)
    network_with(stage, weights, path)
    return weights


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
