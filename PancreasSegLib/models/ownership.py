"""Which folders and zips are packages or exports of ours, and so may be replaced or removed."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from PancreasSegLib.errors import ModelPackageError, OutputError
from PancreasSegLib.models.checksums import SUMS_FILE, read_checksums
from PancreasSegLib.models.metadata import METADATA_FILE
from PancreasSegLib.storage.contents import foreign_files, remove_held

EXPORT_FILE = "EXPORT.json"
"""What an export of graphs says of itself."""

_PROOFS = {METADATA_FILE: b'"pancreasseg"', EXPORT_FILE: b'"exported_by": "PancreasSeg'}
_OF_THE_SYSTEM = (".DS_Store", "Thumbs.db", "desktop.ini", "*/.DS_Store", "*/Thumbs.db", "*/desktop.ini")
_WITHOUT_SUMS = (
    *(METADATA_FILE, "configs/inference.json", SUMS_FILE, "MODEL_CARD.md", "LICENSE", "docs/README.md"),
    *("models/*.safetensors", "models/*.ts", "models/model.pt"),
)
_PROOF_BYTES = 16 << 20
_ALWAYS = (METADATA_FILE, "MODEL_CARD.md", "LICENSE")
_STAYS = "Nothing was removed: remove it yourself if that is meant, or choose another name."


def refuse_foreign_folder(folder: Path) -> None:
    """Raise OutputError unless a folder is a package or an export of ours and holds nothing else.

    Ours is what has our own block in its metadata or the checksums of a package, and no file but those that its
    checksums list (or, where these are damaged, those that every package has).
    """
    if folder.is_symlink() or not folder.is_dir():
        raise OutputError(f"{folder} is not a folder, so it is not replaced by one.", _STAYS)
    try:
        if any(_proves(folder / name, proof) for name, proof in _PROOFS.items()) or _is_listed(folder):
            foreign = foreign_files(folder, (*_names(folder), *_OF_THE_SYSTEM))
            if not foreign:
                return
            example = foreign[0].relative_to(folder)
            raise OutputError(f"{folder} holds what is not the model package's: {example}.", _STAYS)
        if not any(folder.iterdir()):
            return
    except OSError as error:
        raise OutputError(f"{folder} cannot be looked at: {error.strerror or error}.", _STAYS) from error
    raise OutputError(f"{folder} is no model package or export of PancreasSeg.", _STAYS)


def remove_package_folder(folder: Path) -> None:
    """Remove a package that is provably ours.

    Raises
    ------
    OutputError
        If it is not, or cannot be removed whole.
    """
    refuse_foreign_folder(folder)
    if not remove_held(folder, (*_names(folder), *_OF_THE_SYSTEM)):
        raise OutputError(f"{folder} could not be removed whole.", "Check its permissions.")


def refuse_foreign_zip(file: Path) -> None:
    """Raise OutputError unless a file is a zip of a package of ours and of nothing else."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = [PurePosixPath(name) for name in archive.namelist()]
            tops = {name.parts[0] for name in names}
            metadata = f"{next(iter(tops))}/{METADATA_FILE}" if len(tops) == 1 else ""
            if metadata in archive.namelist() and archive.getinfo(metadata).file_size < _PROOF_BYTES:
                sums = archive.read(metadata.replace(METADATA_FILE, SUMS_FILE)).decode()
                listed = {SUMS_FILE, *(line[66:] for line in sums.splitlines())}
                known = {str(PurePosixPath(*name.parts[1:])) for name in names} <= listed
                if known and _PROOFS[METADATA_FILE] in archive.read(metadata):
                    return
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, RuntimeError, NotImplementedError):
        pass
    raise OutputError(f"{file} is not the zip of a model package.", _STAYS)


def _proves(file: Path, proof: bytes) -> bool:
    if file.is_symlink() or not file.is_file() or file.stat().st_size > _PROOF_BYTES:
        return False
    return proof in file.read_bytes()


def _is_listed(folder: Path) -> bool:
    """Whether the checksums are those of a package, whatever has become of its metadata."""
    try:
        return set(_ALWAYS) <= read_checksums(folder).keys()
    except ModelPackageError:
        return False


def _names(folder: Path) -> tuple[str, ...]:
    try:
        listed = read_checksums(folder)
    except ModelPackageError:
        return _WITHOUT_SUMS
    return (*(_literal(name) for name in listed), SUMS_FILE)


def _literal(name: str) -> str:
    """Return a pattern that only this name fits."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
