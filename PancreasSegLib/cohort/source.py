"""What a source of scans holds, in units that can be read one by one: a folder's DICOM files, an image, a zip."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from PancreasSegLib.errors import CohortError, UnreadableFileError
from PancreasSegLib.io.formats import READABLE_IMAGES, extension_of
from PancreasSegLib.io.scans import is_own_output

_LISTS = (".csv", ".parquet")
_NO_DICOM = {".txt", ".csv", ".json", ".xml", ".html", ".pdf", ".png", ".jpg", ".jpeg", ".md", ".log", ".exe"}
_MASKS = "segmentations"


@dataclass(frozen=True)
class Unit:
    """Files that are looked at together.

    Attributes
    ----------
    kind : str
        ``dicom``, ``image`` or ``zip``.
    urls : tuple of str
        Paths, or URLs with their protocol.
    name : str
        Where it is inside the source; what an image's id is made from.
    signature : str
        Changes with the files' names, sizes and dates.
    patient, study, series : str
        What a list of paths says about it.
    """

    kind: str
    urls: tuple[str, ...]
    name: str
    signature: str
    patient: str = ""
    study: str = ""
    series: str = ""


def units_of(source: str) -> Iterator[Unit]:
    """Give the units of a source.

    Parameters
    ----------
    source : str
        A folder, a file, a URL that fsspec reads (``s3://bucket/archive``), or a CSV or Parquet file with a column
        ``path`` (paths relative to it, or URLs) and optionally ``patient``, ``study`` and ``series``.

    Raises
    ------
    UnreadableFileError
        If it is not there.
    CohortError
        If a list has no column ``path``.
    """
    if extension_of(source) in _LISTS:
        yield from _listed(source)
        return
    yield from _walked(source)


def _listed(source: str) -> Iterator[Unit]:
    folder = source.rsplit("/", 1)[0] if "/" in source else "."
    for number, row in enumerate(_rows(source), 1):
        path = str(row.get("path") or "").strip()
        if not path:
            raise CohortError(f"Row {number} of {source!r} names no path.", "Fill its column `path`.")
        url = path if "://" in path or path.startswith(("/", "~")) else f"{folder}/{path}"
        said = {name: str(row.get(name) or "").strip() for name in ("patient", "study", "series")}
        try:
            found = list(_walked(url))
        except UnreadableFileError:
            found = [Unit("image", (url,), path, "missing")]  # told as a row, like all that cannot be read
        for unit in found:
            name = path if len(found) == 1 else f"{path}/{unit.name}"
            yield Unit(unit.kind, unit.urls, name, _sign(unit.signature, *said.values()), **said)


def _rows(source: str) -> list[Mapping[str, Any]]:
    import fsspec

    try:
        with fsspec.open(source, "rb") as stream:
            raw = stream.read()
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"{source!r} cannot be read: {error}.", "Check the path.") from error
    if extension_of(source) == ".csv":
        rows: list[Mapping[str, Any]] = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))
    else:
        import pyarrow.parquet as pq

        rows = pq.read_table(io.BytesIO(raw)).to_pylist()
    if rows and "path" not in rows[0]:
        raise CohortError(f"{source!r} has no column `path`.", "Name one of its columns `path`.")
    return rows


def _walked(source: str) -> Iterator[Unit]:
    """Give the units of a folder and all its subfolders, or that of one file."""
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(source)
        is_folder = files.isdir(root)
        if not is_folder and not files.isfile(root):
            raise FileNotFoundError(source)
    except (OSError, ValueError, ImportError) as error:
        raise UnreadableFileError(f"{source!r} cannot be read: {error}.", "Check the path or the URL.") from error
    if not is_folder:
        yield from _in_folder(files, root.rsplit("/", 1)[0], {root.rsplit("/", 1)[1]: files.info(root)}, "")
        return
    for place, folders, here in files.walk(root, detail=True):
        beside = set(here) | set(folders)
        for name in list(folders):
            if name.startswith(".") or (name == _MASKS and "ct.nii.gz" in beside):
                del folders[name]
        where = place[len(root.rstrip("/")) :].strip("/")
        yield from _in_folder(files, place, here, where)


def _in_folder(files: Any, place: str, here: Mapping[str, Mapping[str, Any]], where: str) -> Iterator[Unit]:
    """Give the units among the files of one folder."""
    dicom = []
    for name in sorted(here):
        kind = extension_of(name)
        if name.startswith(".") or not name or is_own_output(name) or kind == ".img":
            continue
        if kind in READABLE_IMAGES or kind == ".zip":
            url = files.unstrip_protocol(f"{place}/{name}")
            path = f"{where}/{name}" if where else name
            yield Unit("zip" if kind == ".zip" else "image", (_plain(url),), path, _sign(_stamp(here[name])))
        elif kind not in _NO_DICOM:
            dicom.append(name)
    if dicom:
        urls = tuple(_plain(files.unstrip_protocol(f"{place}/{name}")) for name in dicom)
        yield Unit("dicom", urls, where, _sign(*(_stamp(here[name]) for name in dicom)))


def _plain(url: str) -> str:
    return url.removeprefix("file://")


def _stamp(info: Mapping[str, Any]) -> str:
    moment = info.get("mtime") or info.get("LastModified") or info.get("ETag") or ""
    return f"{info.get('name')}|{info.get('size')}|{moment}"


def _sign(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode("utf-8", "surrogateescape")).hexdigest()[:16]
