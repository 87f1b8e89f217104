"""Model packages from elsewhere and to elsewhere: a zip or a folder."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from PancreasSegLib.errors import ModelPackageError, PackageExistsError
from PancreasSegLib.models.archive import MAX_FILES, MAX_PACKAGE_BYTES, extract, opened_zip, safe_members
from PancreasSegLib.models.bundle import INFERENCE_FILE, bundle_readme
from PancreasSegLib.models.checksums import SUMS_FILE, file_inside, read_checksums, verify_package, write_checksums
from PancreasSegLib.models.metadata import METADATA_FILE, load_package
from PancreasSegLib.models.ownership import refuse_foreign_folder, refuse_foreign_zip
from PancreasSegLib.models.package import ModelPackage
from PancreasSegLib.models.registry import DEFAULT, packages_folder
from PancreasSegLib.models.weights import load_weights
from PancreasSegLib.storage.replacement import new_folder, refuse_existing, staging_folder


def add_package(source: Path | str, *, force: bool = False) -> ModelPackage:
    """Copy a package into the user's models folder, after checking all of it.

    Parameters
    ----------
    source : Path or str
        A package's folder, or a zip of it (with or without one folder around it).
    force : bool
        Whether a package of the same name is replaced.

    Returns
    -------
    ModelPackage
        As it lies in the models folder, under the name that its metadata gives.

    Raises
    ------
    ModelPackageError
        If it is not a package, a checksum is wrong, a path leads out of it, it is too large, or the name is taken.
    OutputError
        If the models folder cannot be written.
    """
    source = Path(source).expanduser()
    if not source.exists():
        raise ModelPackageError(f"There is no file or folder {source}.", "Give a package's folder or zip.")
    with staging_folder(packages_folder() / "package") as part:
        if source.is_dir():
            _copy_folder(source, part)
        else:
            _unzip(source, part)
        verify_package(part)
        package = load_package(part)
        if package.name == DEFAULT:
            raise ModelPackageError(
                f"The package in {source} is called {DEFAULT}, the name of the built-in one.", "Rename it first."
            )
        target = packages_folder() / package.name
        if target.exists() and not force:
            raise PackageExistsError(
                f"There is a model package {package.name} already.", "Add it with --force to replace it."
            )
        with new_folder(target, force, refuse_foreign_folder) as final:
            shutil.copytree(part, final, dirs_exist_ok=True)
    return load_package(target)


def _copy_folder(source: Path, target: Path) -> None:
    """Copy the files that a package's SHA256SUMS lists, and nothing else."""
    if not (source / METADATA_FILE).is_file():
        raise _no_package(source)
    names = [*read_checksums(source), SUMS_FILE]
    files = [file_inside(source, name) for name in names]
    if len(files) > MAX_FILES or sum(file.stat().st_size for file in files) > MAX_PACKAGE_BYTES:
        raise ModelPackageError(f"{source} is too large for a model package.")
    for name, file in zip(names, files, strict=True):
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def _no_package(source: Path) -> ModelPackageError:
    return ModelPackageError(
        f"{source} is not a model package: it has no {METADATA_FILE}.",
        "A model of MONAI or nnU-Net becomes one by `pancreasseg models import`.",
    )


def _unzip(source: Path, target: Path) -> None:
    """Unpack a zipped package, with or without one folder around it."""
    with opened_zip(source) as archive:
        members = safe_members(archive, source)
        tops = [name for name in members if name.endswith(METADATA_FILE)]
        top = min(tops, key=len, default=None)
        prefix = top[: -len(METADATA_FILE)] if top else ""
        if top is None or prefix.count("/") > 1:
            raise _no_package(source)
        extract(archive, {n[len(prefix) :]: m for n, m in members.items() if n.startswith(prefix)}, target)


def export_package(
    package: ModelPackage, destination: Path | str, *, for_monai: bool = False, overwrite: bool = False
) -> Path:
    """Copy a package out, as a zip or a folder, for another machine or for MONAI.

    Parameters
    ----------
    package : ModelPackage
        See `find_package`.
    destination : Path or str
        Ends in ``.zip`` for a zip (with one folder of the package's name in it), else a folder.
    for_monai : bool
        Whether to add what makes a whole MONAI bundle of it: ``models/model.pt``, the segmenter's first network as
        a float32 state dict, which MONAI's other programs look for, and ``docs/README.md``.
    overwrite : bool
        Whether what is there is replaced.

    Returns
    -------
    Path
        The zip or folder.

    Raises
    ------
    ModelPackageError
        If the package is damaged, or MONAI cannot run it.
    OutputError
        If the destination exists (and is not to be replaced, or is no export of ours), or cannot be written.
    """
    destination = Path(destination).expanduser()
    verify_package(package.path)
    if destination.suffix.lower() != ".zip":
        with new_folder(destination, overwrite, refuse_foreign_folder) as part:
            _fill(package, part, for_monai)
        return destination
    refuse_existing(destination, overwrite, refuse_foreign_zip)
    with staging_folder(destination) as part:
        folder = part / package.name
        folder.mkdir()
        _fill(package, folder, for_monai)
        packed = part / "package.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(p for p in folder.rglob("*") if p.is_file()):
                archive.write(file, f"{package.name}/{file.relative_to(folder).as_posix()}")
        packed.replace(destination)
    return destination


def _fill(package: ModelPackage, folder: Path, for_monai: bool) -> None:
    _copy_folder(package.path, folder)
    if not for_monai:
        return
    if not (folder / INFERENCE_FILE).is_file():
        raise ModelPackageError(
            f"MONAI cannot run {package.name}: a network of it needs our soft-tissue mask, or is a program.",
            "Export it as a package.",
        )
    import torch

    weights = load_weights(package, package.stages[-1])
    full = {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}
    torch.save(full, folder / "models" / "model.pt")
    (folder / "docs").mkdir(exist_ok=True)
    (folder / "docs" / "README.md").write_text(bundle_readme(package), encoding="utf-8")
    write_checksums(folder)
