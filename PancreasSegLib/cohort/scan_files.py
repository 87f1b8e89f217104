"""The files of a scan on this machine: where they are, or fetched for a moment from wherever fsspec reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import UnreadableFileError
from PancreasSegLib.io.dicom_files import DicomFile, looks_like_dicom
from PancreasSegLib.io.formats import extension_of
from PancreasSegLib.storage.temporary_folder import temporary_folder
from PancreasSegLib.volume import Volume

_HEAD_BYTES = 1 << 16  # of a single slice's file the header takes a few kB
_WHOLE_BYTES = 4 << 20  # smaller files that are no CT slices are fetched whole


def is_remote(url: str) -> bool:
    """Whether a file lies elsewhere than on a disk of this machine."""
    return "://" in url


@contextlib.contextmanager
def local_files(urls: Sequence[str], *, heads: bool = False) -> Iterator[list[DicomFile]]:
    """Give files under local paths, in the order of `urls`.

    Parameters
    ----------
    urls : sequence of str
        Paths, or URLs of one protocol.
    heads : bool
        Of a remote file only the first 64 kB are wanted, enough for the header of a DICOM slice.

    Raises
    ------
    UnreadableFileError
        If one cannot be fetched.
    """
    if not urls or not is_remote(urls[0]):
        yield [DicomFile(url, Path(url)) for url in urls]
        return
    import fsspec

    with temporary_folder() as folder:
        targets = [folder / f"{number:06d}{extension_of(url)}" for number, url in enumerate(urls)]
        try:
            files, _ = fsspec.core.url_to_fs(urls[0])
            if heads:
                for url, data in zip(urls, _heads(files, urls), strict=True):
                    targets[urls.index(url)].write_bytes(data)
            else:
                files.get(list(urls), [str(target) for target in targets])
        except Exception as error:  # each protocol's library has errors of its own
            raise UnreadableFileError(
                f"{urls[0]!r} cannot be fetched ({type(error).__name__}).",
                "Check the network and the permissions.",
            ) from error
        yield [DicomFile(url, target) for url, target in zip(urls, targets, strict=True)]


def _heads(files: Any, urls: Sequence[str]) -> list[bytes]:
    found = files.cat_ranges(list(urls), [0] * len(urls), [_HEAD_BYTES] * len(urls), on_error="return")
    heads = [part if isinstance(part, bytes) else b"" for part in found]
    # A file of many frames has a header of many kB for them.
    return [
        files.cat_file(u) if looks_like_dicom(h) and _has_frames(h) else h
        for u, h in zip(urls, heads, strict=True)
    ]


def _has_frames(head: bytes) -> bool:
    return b"1.2.840.10008.5.1.4.1.1.2.1" in head[:1024] or b"1.2.840.10008.5.1.4.1.1.2.2" in head[:1024]


def read_scan(location: dict[str, Any], files: Sequence[DicomFile]) -> Volume:
    """Read a scan from its files.

    Parameters
    ----------
    location : dict
        A row of ``private/locations.parquet``: ``kind``, ``urls`` and ``series``.
    files : sequence of DicomFile
        As `local_files` gives them.

    Raises
    ------
    PancreasSegError
        As `read_volume`.
    """
    from PancreasSegLib.io import read_volume
    from PancreasSegLib.io.dicom_volume import read_dicom_files

    series = location["series"] or None
    if location["kind"] != "dicom":
        return read_volume(files[0].path, series=series)
    return read_dicom_files(list(files), files[0].path.parent)
