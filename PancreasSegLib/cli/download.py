"""Fetch a public file, whole and with the checksum that was published for it, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PancreasSegLib.errors import UnreadableFileError
from PancreasSegLib.io import atomic_path

CHUNK = 1 << 18
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class PublicFile:
    """A file on the net.

    Attributes
    ----------
    name : str
        File name on this machine.
    url : str
        Where it is.
    sha256 : str
        Its SHA-256 in hexadecimal, as its publisher gives it.
    credit : str
        Source and licence, for the person who uses it.
    """

    name: str
    url: str
    sha256: str
    credit: str


def fetch(file: PublicFile, folder: Path, on_fraction: Callable[[float], None] = lambda fraction: None) -> Path:
    """Return the path of the file in `folder`, downloading it if it is not there with the right checksum.

    Parameters
    ----------
    file : PublicFile
        What to fetch.
    folder : Path
        Where to keep it.
    on_fraction : callable
        Takes the part that has arrived, 0 to 1.

    Raises
    ------
    UnreadableFileError
        If there is no network, the address does not answer, or the checksum differs.
    """
    path = folder / file.name
    if path.is_file() and _sha256(path) == file.sha256:
        return path
    try:
        with urllib.request.urlopen(file.url, timeout=TIMEOUT_S) as answer, atomic_path(path) as temporary:
            size = int(answer.headers.get("Content-Length") or 0)
            digest = hashlib.sha256()
            with temporary.open("wb") as stream:
                while chunk := answer.read(CHUNK):
                    stream.write(chunk)
                    digest.update(chunk)
                    if size:
                        on_fraction(min(1.0, stream.tell() / size))
            if digest.hexdigest() != file.sha256:
                raise UnreadableFileError(f"What came from {file.url} has not the checksum published for it.")
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise UnreadableFileError(f"{file.url} could not be fetched: {reason}.", "Check the network.") from error
    return path


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
