"""From the catalogue to a package: fetch, check, import."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from PancreasSegLib.errors import ModelPackageError, OutputError
from PancreasSegLib.models.catalogue.download import digest_of, fetch
from PancreasSegLib.models.catalogue.public_model import PublicModel
from PancreasSegLib.models.imports import Imported, import_model
from PancreasSegLib.models.registry import packages_folder

SEEN_FILE = "downloads.json"


def get_model(
    model: PublicModel,
    *,
    file: Path | None = None,
    force: bool = False,
    trust: bool = False,
    on_fraction: Callable[[float], None] = lambda fraction: None,
) -> Imported:
    """Fetch a public model, whose licence the user has agreed to, and import it under its name in the catalogue.

    Parameters
    ----------
    model : PublicModel
        From the catalogue.
    file : Path, optional
        Its zip, where that was fetched by other means.
    force : bool
        Whether a package of the same name is replaced.
    trust : bool
        Whether the model's own code may run; without it one that has some is refused, and its zip kept.
    on_fraction : callable
        Takes the part of the download that has arrived; may raise to stop.

    Raises
    ------
    UnreadableFileError
        If it cannot be fetched, or is not what its makers published.
    ModelPackageError
        If it is another file than the one that was fetched before, is fetched by hand, or cannot be imported.
    """
    if file is None and model.by_hand:
        raise ModelPackageError(
            f"{model.name} is fetched by hand, from {model.url}",
            f"Then: pancreasseg models get {model.name} --file ZIP",
        )
    if file is None:
        folder = packages_folder() / ".downloads"
        path = fetch(model.download, folder, on_fraction)
    else:
        path = file
        if (model.checksum or model.bytes) and not model.download.is_whole(path):
            raise ModelPackageError(
                f"{path} is not the file that {model.name} stands for: its size or checksum differs.",
                f"Fetch it from {model.url}",
            )
    note = _seen_before(model, path)
    imported = import_model(path, name=model.name, force=force, trust=trust, **model.options)
    if file is None:
        path.unlink(missing_ok=True)
    return Imported(imported.package, imported.kind, [*imported.notes, *note])


def _seen_before(model: PublicModel, path: Path) -> list[str]:
    """Compare with the first download where no SHA-256 is published, and write that down.

    Raises
    ------
    ModelPackageError
        If it differs.
    """
    if model.checksum:
        return []
    digest, place = digest_of(path), packages_folder() / SEEN_FILE
    seen = _read(place)
    if seen.get(model.url, digest) != digest:
        raise ModelPackageError(
            f"{path} is not what {model.url} gave before: its SHA-256 is {digest}, not {seen[model.url]}.",
            f"If its makers replaced the file, remove that line from {place}.",
        )
    if model.url not in seen:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps({**seen, model.url: digest}, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{place} cannot be written: {error.strerror or error}.") from error
    return [f"Its makers publish no checksum; this file's SHA-256 is {digest}, and later downloads must match it."]


def _read(place: Path) -> dict[str, str]:
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
