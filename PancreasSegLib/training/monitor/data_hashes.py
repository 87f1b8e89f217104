"""SHA-256 of what a network learns from."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.atomic import atomic_path

if TYPE_CHECKING:
    from PancreasSegLib.training.recipe import DataRecipe

_MEMORY = "hashes.json"


def data_hashes(data: DataRecipe, progress: Callable[[float, str], None] | None = None) -> dict[str, Any]:
    """Return the hashes of every case's image and label, or of the prepared cases where the dataset is not here.

    Hashes of files that have kept their size and time are remembered in the cache's folder, so that the second run
    on a dataset need not read it again.

    Parameters
    ----------
    data : DataRecipe
        Dataset, cache, and the cases that are left out.
    progress : callable, optional
        Told of the share that is done and of the case.

    Returns
    -------
    dict
        ``of`` ("dataset" or "prepared cases"), ``name``, ``cases`` ({name: {image, label}} or {name: {prepared}})
        and ``sha256`` of all of them together.
    """
    from PancreasSegLib.data import read_dataset

    try:
        dataset = read_dataset(data.root)
    except DatasetError:
        files = {
            f"{path.parent.name}/{path.stem}": {"prepared": path} for path in sorted(data.cache.glob("*/*.npz"))
        }
        found: dict[str, Any] = {"of": "prepared cases", "name": data.root.name}
    else:
        kept = [case for case in dataset.cases if case.name not in data.exclude]
        files = {case.name: {"image": case.image, "label": case.label} for case in kept}
        found = {"of": "dataset", "name": dataset.name}
    memory = _Memory(data.cache / _MEMORY)
    cases = {}
    for number, (name, paths) in enumerate(files.items(), 1):
        cases[name] = {kind: memory.hash_of(path) for kind, path in paths.items()}
        if progress:
            progress(number / len(files), name)
    memory.save()
    together = hashlib.sha256(json.dumps(cases, sort_keys=True).encode()).hexdigest()
    return {**found, "sha256": together, "cases": cases}


class _Memory:
    """Hashes by path, size and time of change; a file that cannot be read or written is no memory."""

    def __init__(self, path: Path) -> None:
        self.path, self.known, self.changed = path, {}, False
        with contextlib.suppress(OSError, ValueError):
            content = json.loads(path.read_text(encoding="utf-8"))
            self.known = content if isinstance(content, dict) else {}

    def hash_of(self, path: Path) -> str:
        """Return the SHA-256 of a file, or of all files of a folder with their names."""
        if path.is_dir():
            parts = {str(p.relative_to(path)): self.hash_of(p) for p in sorted(path.rglob("*")) if p.is_file()}
            return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        state = path.stat()
        key, mark = str(path.resolve()), [state.st_size, state.st_mtime_ns]
        entry = self.known.get(key)
        if not isinstance(entry, dict) or entry.get("mark") != mark:
            entry = {"mark": mark, "sha256": _sha256(path)}
            self.known[key] = entry
            self.changed = True
        return str(entry["sha256"])

    def save(self) -> None:
        """Write the memory; without it the next run only takes longer."""
        from PancreasSegLib.errors import OutputError

        if self.changed:
            with contextlib.suppress(OutputError), atomic_path(self.path) as temporary:
                temporary.write_text(json.dumps(self.known), encoding="utf-8")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
