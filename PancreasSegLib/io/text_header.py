"""What the text headers of NRRD and MetaImage say of their grid, which ITK fills in where it is missing.

ITK takes a spacing of 1 mm where a file names none or NaN, and the file's own axes for the patient's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.io.formats import NRRD, extension_of
from PancreasSegLib.io.grid import CONTRADICTION, in_mm, same_spacing, warn

_MOST_BYTES = 1 << 20
_MOST_LINES = 20_000
_TURNS = ("TransformMatrix", "Rotation", "Orientation")
_MM = ("mm", "millimeter", "millimeters", "millimetre", "millimetres")


def check_text_header(path: Path) -> list[dict[str, str]]:
    """Refuse a header without a spacing; say where it contradicts itself or leaves the orientation open.

    Parameters
    ----------
    path : Path
        A NRRD or MetaImage file that ITK has read the header of.

    Returns
    -------
    list of dict
        ``{"code", "sentence"}``.

    Raises
    ------
    GeometryError
        If the spacing is missing, not a number, or in another unit than mm.
    """
    fields = read_text_header(path)
    return (_nrrd if extension_of(path) in NRRD else _metaimage)(fields, repr(path.name))


def read_text_header(path: Path) -> dict[str, str]:
    """Return the fields of a NRRD or MetaImage header by name; the first where one is there twice."""
    is_nrrd = extension_of(path) in NRRD
    fields: dict[str, str] = {}
    with path.open("rb") as stream:
        for raw in _header_lines(stream):
            line = raw.decode("utf-8", "replace").strip()
            if is_nrrd and not line:
                break
            name, separator, text = line.partition(":" if is_nrrd else "=")
            if separator and not line.startswith("#"):
                fields.setdefault(name.strip(), text.strip())
            if not is_nrrd and name.strip() == "ElementDataFile":
                break
    return fields


def _header_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Give the lines of a header, of which there is an end even where the file has none."""
    left = _MOST_BYTES
    for _ in range(_MOST_LINES):
        raw = stream.readline(left)
        left -= len(raw)
        if not raw:
            return
        yield raw


def header_end(path: Path) -> int:
    """Return where the header ends and voxels in the same file begin; its size where it does not end."""
    is_nrrd = extension_of(path) in NRRD
    with path.open("rb") as stream:
        for raw in _header_lines(stream):
            name = raw.partition(b"=")[0].strip()
            if (is_nrrd and not raw.strip()) or (not is_nrrd and name == b"ElementDataFile"):
                return stream.tell()
        return path.stat().st_size


def _nrrd(fields: dict[str, str], what: str) -> list[dict[str, str]]:
    # "space directions" has a vector an axis, "none" for one that is no direction in space
    vectors = [v for v in fields.get("space directions", "").replace(" ", "").strip("()").split(")(") if v]
    columns = [numbers(v) for v in vectors if "none" not in v]
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.array([np.linalg.norm(column) for column in columns[:3]])
    spacings = numbers(fields.get("spacings", ""))[:3]
    if not lengths.size and not spacings.size:
        raise _missing(what)
    _check_numbers(lengths if lengths.size else spacings, what)
    units = {word.strip('"').lower() for word in fields.get("space units", "").split()} - {""}
    if foreign := sorted(units - set(_MM)):
        raise GeometryError(f"{what} states its spacing in {foreign[0]}, not in mm.", "Save it in mm.")
    if not fields.get("space") or not lengths.size:
        return [_unknown(what)]
    if spacings.size == lengths.size and not same_spacing(spacings, lengths):
        sentence = (
            f"The header of {what} states its spacing twice: {in_mm(spacings)} as spacings and {in_mm(lengths)} as"
            " space directions; the latter was taken."
        )
        return [warn(CONTRADICTION, sentence)]
    return []


def _metaimage(fields: dict[str, str], what: str) -> list[dict[str, str]]:
    spacing, size = numbers(fields.get("ElementSpacing", ""))[:3], numbers(fields.get("ElementSize", ""))[:3]
    if not spacing.size and not size.size:
        raise _missing(what)
    _check_numbers(spacing if spacing.size else size, what)
    turn = next((fields[name] for name in _TURNS if name in fields), None)
    if turn is None:
        return [_unknown(what)]
    stated, axes = fields.get("AnatomicalOrientation", "").upper(), _axes_of(numbers(turn))
    if len(stated) == len(axes) == 3 and "?" not in stated and stated != axes:
        sentence = (
            f"{what} says that its axes run from {stated}, and has a matrix of axes that run from {axes}; the"
            " matrix was taken."
        )
        return [warn(CONTRADICTION, sentence)]
    return []


def _axes_of(matrix: NDArray[np.float64]) -> str:
    """Return from where each axis comes, as MetaImage writes it: RAI for axes to Left, Posterior, Superior."""
    if matrix.size != 9 or not np.all(np.isfinite(matrix)):
        return ""
    letters = ("RL", "AP", "IS")
    code = ""
    for axis in matrix.reshape(3, 3):  # a row an axis
        along = int(np.abs(axis).argmax())
        code += letters[along][0 if axis[along] > 0 else 1]
    return code


def numbers(text: str) -> NDArray[np.float64]:
    """Return the numbers of a text, NaN for what is none."""

    def number(word: str) -> float:
        try:
            return float(word)
        except ValueError:
            return float("nan")

    return np.array([number(word) for word in text.replace(",", " ").replace("(", " ").replace(")", " ").split()])


def _check_numbers(spacing: NDArray[np.float64], what: str) -> None:
    if not np.all(np.isfinite(spacing)) or not np.all(spacing):
        raise _missing(what, f" ({in_mm(spacing)})")


def _missing(what: str, stated: str = "") -> GeometryError:
    return GeometryError(
        f"The voxel spacing of {what} is missing from its header{stated}.",
        "Export the scan again or correct its header.",
    )


def _unknown(what: str) -> dict[str, str]:
    sentence = f"{what} does not say how its axes lie in the patient; left and right are a guess."
    return warn("orientation-unknown", sentence)
