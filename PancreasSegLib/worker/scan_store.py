"""The scans whose voxels lie in the private folder, on the client's side."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import GeometryError, OutputError
from PancreasSegLib.volume import Geometry
from PancreasSegLib.worker.arrays import array_reference, content_hash, write_array
from PancreasSegLib.worker.request import Scan

_log = logging.getLogger(__name__)

_KEPT = 4  # a loop over many scans must not fill the disk
_HASHING = 0.4  # share of the work; the rest is writing


@dataclass(eq=False)
class StoredScan:
    """A scan in the folder.

    Attributes
    ----------
    hash : str
        Of its content.
    path : Path
        Its ``.npy`` file, which both processes map.
    geometry : Geometry
        Its grid.
    keys : set
        The names that the caller has for it.
    """

    hash: str
    path: Path
    geometry: Geometry
    keys: set[str] = field(default_factory=set)

    @property
    def reference(self) -> dict[str, Any]:
        """How a message names it."""
        return array_reference(self.path.name, self.geometry)


class ScanStore:
    """Writes each scan once and keeps the last four.

    Parameters
    ----------
    folder : Path
        The private folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stored: OrderedDict[str, StoredScan] = OrderedDict()  # by hash, the one used last at the end
        self._known: dict[tuple[Any, ...], str] = {}  # caller's key with type and grid: hash

    def put(self, scan: Scan, on_share: Callable[[float], None]) -> StoredScan:
        """Return a scan as it lies in the folder; hash and write it where that is not known from its key.

        Parameters
        ----------
        scan : Scan
        on_share : callable
            Receives the share that is done, a few slices at a time; may raise to stop, which leaves nothing.

        Raises
        ------
        GeometryError
            If voxels and grid do not fit.
        NotACTError
            If the voxels are not numbers.
        OutputError
            If they cannot be written.
        """
        if tuple(scan.voxels.shape) != scan.geometry.shape_zyx:
            raise GeometryError(
                f"The voxels have the shape {tuple(scan.voxels.shape)} (z, y, x), the grid has "
                f"{scan.geometry.size_ijk} voxels (x, y, z).",
                "Choose a single 3D volume.",
            )
        key = (scan.key, scan.voxels.dtype.str, scan.geometry)
        name = self._known.get(key) if scan.key else None
        if name is None:
            name = content_hash(scan.voxels, scan.geometry, lambda share: on_share(_HASHING * share))
        stored = self._stored.get(name)
        if stored is None or not stored.path.exists():  # who cleans temporary folders may have taken it
            stored = self._write(name, scan, on_share)
        self._stored.move_to_end(name)
        if scan.key:
            self._known[key] = name
            stored.keys.add(scan.key)
        return stored

    def _write(self, name: str, scan: Scan, on_share: Callable[[float], None]) -> StoredScan:
        path = self._folder / f"scan-{name[:16]}.npy"
        try:
            write_array(path, scan.voxels, lambda share: on_share(_HASHING + (1.0 - _HASHING) * share))
        except OSError as error:
            raise OutputError(
                f"The scan cannot be handed to the worker in {self._folder}: {error.strerror or error}.",
                "Free some space there, or let TMPDIR name another folder and start again.",
            ) from error
        known = self._stored.get(name)
        self._stored[name] = StoredScan(name, path, scan.geometry, known.keys if known else set())
        return self._stored[name]

    def surplus(self) -> list[str]:
        """Return the hashes of the scans that are more than are kept, the least recently used first."""
        return list(self._stored)[: max(0, len(self._stored) - _KEPT)]

    def unused_without(self, key: str) -> str | None:
        """Take a key away; return the hash of the scan that nobody has a name for now, None if there is none."""
        for stored in self._stored.values():
            if key in stored.keys:
                stored.keys.discard(key)
                self._forget(lambda known, _: known[0] == key)
                return None if stored.keys else stored.hash
        return None

    def delete(self, name: str) -> None:
        """Delete the file of a scan; the worker must have let go of it."""
        stored = self._stored.pop(name, None)
        self._forget(lambda _, known: known == name)
        if stored is None:
            return
        try:
            stored.path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s cannot be deleted: %s", stored.path, error)

    def _forget(self, which: Callable[[tuple[Any, ...], str], bool]) -> None:
        self._known = {key: name for key, name in self._known.items() if not which(key, name)}
