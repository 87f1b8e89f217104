"""Fetch a public file, whole and with the checksum that was published for it, or not at all.

What has arrived of a large file when the network goes away is kept, and the next attempt goes on from there.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PancreasSegLib.errors import OutputError, UnreadableFileError

CHUNK = 1 << 18
TIMEOUT_S = 10.0
_PART = ".part"
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True)
class PublicFile:
    """A file on the net.

    Attributes
    ----------
    name : str
        File name on this machine.
    url : str
        Where it is.
    checksum : str
        Its SHA-256 or SHA-1 in hexadecimal, as its publisher gives it; empty if there is none.
    credit : str
        Source and licence, for the person who uses it.
    bytes : int
        Its size, 0 if that is not known.
    """

    name: str
    url: str
    checksum: str
    credit: str
    bytes: int = 0

    def is_whole(self, path: Path) -> bool:
        """Whether a file on this machine is this one, as far as size and checksum can tell."""
        if not path.is_file() or (self.bytes and path.stat().st_size != self.bytes):
            return False
        if not self.checksum:
            return bool(self.bytes)
        return digest_of(path, "sha1" if len(self.checksum) == 40 else "sha256") == self.checksum.lower()


def fetch(file: PublicFile, folder: Path, on_fraction: Callable[[float], None] = lambda fraction: None) -> Path:
    """Return the path of the file in `folder`, downloading what is not there.

    Parameters
    ----------
    file : PublicFile
        What to fetch.
    folder : Path
        Where to keep it; what has arrived lies beside, as ``NAME.part``, until it is whole.
    on_fraction : callable
        Takes the part that has arrived, 0 to 1; may raise to stop.

    Raises
    ------
    UnreadableFileError
        If there is no network, the address does not answer, or size or checksum differ.
    OutputError
        If the folder cannot be written.
    """
    path = folder / file.name
    if file.is_whole(path):
        return path
    part = folder / f"{file.name}{_PART}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _download(file, part, on_fraction)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        kept = part.is_file() and part.stat().st_size
        hint = (
            "Check the network; the next attempt goes on where this one stopped." if kept else "Check the network."
        )
        raise UnreadableFileError(f"{file.url} could not be fetched: {reason}.", hint) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{part} cannot be written: {reason}.", "Check the free space.") from error
    if (file.checksum or file.bytes) and not file.is_whole(part):
        part.unlink()
        what = "checksum" if file.checksum else "size"
        raise UnreadableFileError(f"What came from {file.url} has not the {what} published for it.")
    part.replace(path)
    return path


def _download(file: PublicFile, part: Path, on_fraction: Callable[[float], None]) -> None:
    """Add to what there is of a file until it is whole."""
    there = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(file.url, headers={"Range": f"bytes={there}-"} if there else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        part.unlink()  # more than there is to be had: another file, or all of it
        answer = urllib.request.urlopen(file.url, timeout=TIMEOUT_S)
    with answer:
        told = _RANGE.match(answer.headers.get("Content-Range") or "")
        goes_on = answer.status == http.client.PARTIAL_CONTENT and told and int(told.group(1)) == there
        length = int(answer.headers.get("Content-Length") or 0)
        size = length + (there if goes_on else 0)
        with part.open("ab" if goes_on else "wb") as stream:
            while chunk := answer.read(CHUNK):
                stream.write(chunk)
                if size:
                    on_fraction(min(1.0, stream.tell() / size))
            if length and stream.tell() < size:
                raise ConnectionError(f"it broke off after {stream.tell()} of {size} bytes")


def digest_of(path: Path, kind: str = "sha256") -> str:
    """Hash a file; lowercase hexadecimal digits."""
    digest = hashlib.new(kind)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
