"""The folder through which arrays travel: private to the user, and gone with its owner."""

from __future__ import annotations

from pathlib import Path

from PancreasSegLib.storage.temporary_folder import TemporaryFolder
from PancreasSegLib.worker.arrays import REPLY_PREFIX
from PancreasSegLib.worker.correction_exchange import REQUEST_PREFIX

_HOLDS = ("scan-*.npy", f"{REPLY_PREFIX}*.npy", f"{REQUEST_PREFIX}*.npy", "worker.log")


def private_folder(parent: Path | None = None) -> TemporaryFolder:
    """Make the folder of a worker client.

    Parameters
    ----------
    parent : Path, optional
        Where; the system's folder for temporary files by default.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    return TemporaryFolder(parent, holds=_HOLDS)
