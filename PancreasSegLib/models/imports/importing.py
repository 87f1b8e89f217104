"""From a folder or zip of another program to a package in the user's models folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import ModelPackageError, PackageExistsError
from PancreasSegLib.models.archive import extract, opened_zip, safe_members
from PancreasSegLib.models.checksums import read_checksums, sha256
from PancreasSegLib.models.imports.auto3dseg import find_auto3dseg, read_auto3dseg
from PancreasSegLib.models.imports.bundle_config import INFERENCE_FILES, read_config
from PancreasSegLib.models.imports.foreign_model import ForeignModel
from PancreasSegLib.models.imports.monai_bundle import read_bundle
from PancreasSegLib.models.imports.nnunet_folder import (
    chosen_training,
    find_trainings,
    read_nnunet,
    refuse_version_1,
)
from PancreasSegLib.models.imports.open_ends import OpenEnds
from PancreasSegLib.models.imports.organs import chosen_organs, sum_note
from PancreasSegLib.models.metadata import METADATA_FILE, PROGRAM_SUFFIX, is_package_name
from PancreasSegLib.models.package import ModelPackage
from PancreasSegLib.models.registry import DEFAULT, packages_folder
from PancreasSegLib.models.transfer import add_package
from PancreasSegLib.models.trust import trust as agree_to_run
from PancreasSegLib.models.weights import build_stage_network
from PancreasSegLib.models.write import write_package
from PancreasSegLib.packages import require
from PancreasSegLib.storage.temporary_folder import temporary_folder

_LONGEST_NAME = 64
_CHECKPOINTS = (".pth", ".pt")


@dataclass(frozen=True)
class Imported:
    """An imported model.

    Attributes
    ----------
    package : ModelPackage
        As it lies in the models folder.
    kind : str
        What it was.
    notes : list of str
        What was assumed or left out, a sentence each.
    """

    package: ModelPackage
    kind: str
    notes: list[str] = field(default_factory=list)


def import_model(
    source: Path | str,
    *,
    name: str = "",
    organs: Sequence[str] = (),
    trust: bool = False,
    force: bool = False,
    axes: str = "",
    spacing_mm: tuple[float, float, float] | None = None,
    training: str = "",
    checkpoint: str = "",
    settings: Mapping[str, Any] | None = None,
) -> Imported:
    """Turn a model of another program into a package in the user's models folder.

    Parameters
    ----------
    source : Path or str
        Folder or zip of a MONAI bundle, of a trained nnU-Net v2 model, or of a package of ours; or a checkpoint of
        nnU-Net.
    name : str
        Of the package; by default the model's own.
    organs : sequence of str
        Labels to write, as the model calls them, or ``name=label+label`` for a sum; by default the pancreas with
        what lies in it, or its only label.
    trust : bool
        Whether to run code of the model: ``$`` expressions, classes of its own, TorchScript.
    force : bool
        Whether a package of the same name is replaced.
    axes : str
        Where the axes of the scans led that it was trained on, e.g. ``"RAS"``, for a model that does not say; or
        ``"FILE"`` for as they lie in each file.
    spacing_mm : tuple of 3 float, optional
        Along x, y, z, for a model that does not say.
    training : str
        Which of several trained nnU-Net models: its name, or a part of it.
    checkpoint : str
        File name of nnU-Net's checkpoints.
    settings : mapping, optional
        ``localiser``, ``cleaned`` and ``mirrored`` of `PancreasSegLib.inference.CascadeSettings`. By
        default the built-in localiser finds the pancreas, and nothing is cleaned up or mirrored.

    Returns
    -------
    Imported

    Raises
    ------
    UndecidedModelError
        If it is not clear which organ, or which of several trainings is meant.
    MissingPackageError
        If PyTorch is not here; a package of ours needs none.
    UntrustedModelError
        If it needs code that is not trusted; the sentence says what would be run.
    ModelPackageError
        If it is nothing of the kind, broken, cannot be translated, or the name is taken.
    OutputError
        If the models folder cannot be written.
    """
    ends = OpenEnds(axes, spacing_mm)
    source = Path(source).expanduser()
    if not source.exists():
        raise ModelPackageError(f"There is no file or folder {source}.", "Give a model's folder or zip.")
    with _opened(source) as folder, temporary_folder() as work:
        bundle = _bundle_in(folder)
        if bundle is not None and _is_ours(bundle):
            return _ours(bundle, trust, force)
        require("torch", "The import of a model")
        model = _read(folder, bundle, source, ends, work, trust, training, checkpoint)
        return _written(model, name or _package_name(model.name, source), organs, force, dict(settings or {}))


def _read(
    folder: Path,
    bundle: Path | None,
    source: Path,
    ends: OpenEnds,
    work: Path,
    trust: bool,
    training: str,
    checkpoint: str,
) -> ForeignModel:
    if bundle is not None:
        return read_bundle(bundle, ends, work, trust=trust)
    if folder.is_file():
        return read_nnunet(folder, ends)
    auto3dseg = find_auto3dseg(folder)
    if auto3dseg is not None:
        return read_auto3dseg(auto3dseg)
    trainings = find_trainings(folder)
    if trainings:
        return read_nnunet(chosen_training(trainings, training, source, folder), ends, checkpoint=checkpoint)
    refuse_version_1(folder)
    raise ModelPackageError(
        f"{source} is no model that is known: neither a MONAI bundle (configs/inference.json or .yaml) nor one of "
        "Auto3DSeg (model.pt and labels.csv) nor a trained nnU-Net v2 model (plans.json and fold_*).",
        "`pancreasseg models find` looks where such models usually lie.",
    )


@contextmanager
def _opened(source: Path) -> Iterator[Path]:
    """Give the folder or checkpoint itself, or a folder with what a zip holds."""
    if source.is_dir() or source.suffix.lower() in _CHECKPOINTS:
        yield source
        return
    with temporary_folder() as folder:
        with opened_zip(source) as archive:
            extract(archive, safe_members(archive, source), folder)
        yield folder


def _bundle_in(folder: Path) -> Path | None:
    """Find a bundle in a folder, or in the only folder in it."""
    if folder.is_file():
        return None
    inside = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
    for place in (folder, *(inside if len(inside) == 1 else [])):
        if any((place / name).is_file() for name in (*INFERENCE_FILES, METADATA_FILE)):
            return place
    return None


def _is_ours(bundle: Path) -> bool:
    return (bundle / METADATA_FILE).is_file() and "pancreasseg" in read_config(bundle, METADATA_FILE)


def _ours(folder: Path, trust: bool, force: bool) -> Imported:
    package = add_package(folder, force=force)
    if trust:
        for file, digest in read_checksums(package.path).items():
            if file.endswith(PROGRAM_SUFFIX):
                agree_to_run(digest, f"{package.name}/{file}")
    return Imported(package, "package of PancreasSeg")


def _package_name(name: str, source: Path) -> str:
    """Make a name that can be a folder, of the model's own name or the file's."""
    for text in (name, source.stem):
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:_LONGEST_NAME].rstrip("-._")
        if plain and plain != DEFAULT:
            return plain
    return "imported"


def _written(
    model: ForeignModel, name: str, organs: Sequence[str], force: bool, settings: dict[str, Any]
) -> Imported:
    if not is_package_name(name) or name == DEFAULT:
        raise ModelPackageError(
            f"{name!r} cannot be the name of a package.", "Letters, digits, dots, dashes and underscores can."
        )
    folder = packages_folder() / name
    if folder.exists() and not force:
        raise PackageExistsError(
            f"There is a model package {name} already.", "Give another --name, or --force to replace it."
        )
    wanted = chosen_organs(list(model.labels), organs, f"The {model.kind}")
    description = model.package(name, wanted, settings)
    if description.seeks_pancreas:
        description = replace(description, settings={"localiser": "default", **description.settings})
    notes = [*model.notes, *sum_note(wanted), *_what_differs(description)]
    files = model.files()
    for file, weights in files.items():
        if isinstance(weights, Path):
            agree_to_run(sha256(weights), f"{name}/{file}")
    package = write_package(
        folder,
        description,
        files,
        model_card(model, description, notes),
        licence_text=model.licence_text,
        about={
            "task": f"Segmentation of {', '.join(description.labels)} on CT",
            "authors": str(model.recipe.get("authors", "")),
            "copyright": model.licence,
        },
        half=False,
        overwrite=force,
    )
    for member in range(len(package.stages[0].weights)):
        build_stage_network(package, package.stages[0], member)
    return Imported(package, model.kind, notes)


def _what_differs(package: ModelPackage) -> list[str]:
    """Say what is not as its own program does it, or is its choice."""
    settings, original = package.settings, package.stages[0].original
    found = []
    if settings.get("localiser") == "default":
        found.append(
            "The built-in model's localiser finds the pancreas, and this model sees that and its surroundings, "
            "not the whole scan; --localiser none leaves that out."
        )
    if settings.get("cleaned"):
        found.append("Stray pieces and holes are cleaned up.")
    if original is not None and original.mirrored_axes and not settings.get("mirrored"):
        times = 2 ** len(original.mirrored_axes)
        found.append(
            f"Its program mirrors every scan and averages, which takes {times} times as long; here that is "
            "left out, unless it is imported with --mirror."
        )
    return found


def model_card(model: ForeignModel, package: ModelPackage, notes: Sequence[str]) -> str:
    """Write the card of an imported model: where it is from, how it is fed, what differs."""
    stage = package.stages[0]
    low, high = stage.window_hu
    spacing, patch = (" x ".join(f"{v:g}" for v in values) for values in (stage.spacing_mm, stage.patch_ijk))
    lines = [
        f"# {package.name}",
        "",
        f"{package.description}".strip(),
        "",
        f"Imported from a {model.kind}; it was neither trained nor measured by PancreasSeg. Research only.",
        "",
        f"- It writes {', '.join(package.labels)}, of the {len(model.labels)} label(s) that it finds.",
        f"- It sees {spacing} mm (x, y, z) in windows of {patch} voxels with the axes {stage.axes}.",
        f"- HU are clipped to {low:g} to {high:g}, then (HU - {stage.mean_hu:g}) / {stage.std_hu:g}.",
        f"- {len(stage.weights)} network(s) ({stage.network}), {stage.activation}.",
        f"- Licence: {model.licence or 'unknown: ask its maker'}.",
        *(f"- {note}" for note in notes),
    ]
    references = model.recipe.get("references") or []
    lines += ["", *(f"- {reference}" for reference in references)] if references else []
    return "\n".join(lines) + "\n"
