"""The header of a NIfTI file: what is read of it, the grid that it states, and the header of a mask on that grid.

Read here, not with nibabel, which 3D Slicer does not ship, nor with ITK, which prefers the q-form to the s-form
and for ``x.nii.gz`` takes the voxels of ``x.nii`` where both are in a folder. The tests compare with nibabel.
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.io.grid import CONTRADICTION, far_apart_mm, grid_of, in_mm, same_spacing, warn
from PancreasSegLib.volume import Geometry

HEADER_BYTES = 540
"""Of NIfTI-2; NIfTI-1 and Analyze have 348."""

_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_MM_OF_UNIT = {1: 1000.0, 3: 0.001}  # metres, micrometres; all else is mm
_LPS = np.diag([-1.0, -1.0, 1.0])  # NIfTI's axes run to Right, Anterior, Superior
_FIELDS = {  # format and place of each field in the two versions (nifti1.h and nifti2.h, nifti.nimh.nih.gov)
    1: {
        "dim": ("8h", 40), "datatype": ("h", 70), "pixdim": ("8f", 76), "offset": ("f", 108), "slope": ("f", 112),
        "intercept": ("f", 116), "units": ("B", 123), "qform_code": ("h", 252), "sform_code": ("h", 254),
        "quaternion": ("6f", 256), "rows": ("12f", 280),
    },
    2: {
        "dim": ("8q", 16), "datatype": ("h", 12), "pixdim": ("8d", 104), "offset": ("q", 168),
        "slope": ("d", 176), "intercept": ("d", 184), "units": ("i", 500), "qform_code": ("i", 344),
        "sform_code": ("i", 348), "quaternion": ("6d", 352), "rows": ("12d", 400),
    },
}  # fmt: skip


@dataclass(frozen=True)
class NiftiHeader:
    """The fields that are needed here.

    Attributes
    ----------
    dim : tuple of int
        Voxels along each of the used axes.
    pixdim : tuple of 4 float
        ``qfac``, which is -1 for a left-handed q-form, and the spacing as it is stored, in the file's own unit.
    offset, data_bytes : int
        Where the voxels start in the (uncompressed) file, and how many bytes they take.
    stored_type : str
        numpy's name of the stored voxel type with its byte order, empty for colours and complex numbers.
    slope, intercept : float
        Value = slope * stored + intercept.
    units : int
        ``xyzt_units``.
    qform_code, sform_code : int
        0 where the form is not set.
    quaternion : tuple of 6 float
        b, c, d, and the offset of the q-form.
    rows : tuple of 12 float
        The s-form, row by row.
    detached : bool
        Whether the voxels are in the ``.img`` file beside it.
    """

    dim: tuple[int, ...]
    pixdim: tuple[float, ...]
    offset: int
    data_bytes: int
    stored_type: str
    slope: float
    intercept: float
    units: int
    qform_code: int
    sform_code: int
    quaternion: tuple[float, ...]
    rows: tuple[float, ...]
    detached: bool

    @classmethod
    def parse(cls, raw: bytes) -> NiftiHeader | None:
        """Read NIfTI-1, NIfTI-2 or Analyze 7.5; None if it is none of them."""
        version, order = next(
            ((v, o) for v, size in ((1, 348), (2, 540)) for o in "<>" if raw[:4] == struct.pack(f"{o}i", size)),
            (0, ""),
        )
        if not version or len(raw) < (540 if version == 2 else 348):
            return None
        magic = raw[344:348] if version == 1 else raw[4:8]
        analyze = version == 1 and magic[:1] != b"n"
        if magic[:3] not in (b"n+1", b"ni1", b"n+2", b"ni2") and not analyze:
            return None
        read: dict[str, Any] = {
            name: struct.unpack_from(order + form, raw, place) for name, (form, place) in _FIELDS[version].items()
        }
        dim = read["dim"]
        used = tuple(dim[1 : 1 + min(7, max(0, dim[0]))])
        voxels = int(np.prod([max(0, n) for n in used], dtype=object)) if used else 0
        kind = _TYPES.get(read["datatype"][0])
        slope, intercept, offset = read["slope"][0], read["intercept"][0], read["offset"][0]
        if analyze or not np.isfinite(slope) or slope == 0 or not np.isfinite(intercept):  # "not scaled"
            slope, intercept = 1.0, 0.0
        detached = analyze or magic[1:2] == b"i"
        least = 0 if detached else 348 if version == 1 else 540
        return cls(
            dim=used,
            pixdim=read["pixdim"][:4],
            offset=max(least, int(offset)) if np.isfinite(offset) else least,
            data_bytes=voxels * (np.dtype(kind).itemsize if kind else 1),
            stored_type=order + kind if kind else "",
            slope=slope,
            intercept=intercept,
            units=0 if analyze else read["units"][0] & 7,
            qform_code=0 if analyze else read["qform_code"][0],
            sform_code=0 if analyze else read["sform_code"][0],
            quaternion=read["quaternion"],
            rows=read["rows"],
            detached=detached,
        )

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """What pixdim says, without its sign."""
        return np.abs(np.asarray(self.pixdim[1:4], dtype=np.float64)) * _MM_OF_UNIT.get(self.units, 1.0)

    def grid(self, what: str) -> tuple[Geometry, list[dict[str, str]]]:
        """Return the grid that the header states, and what was chosen or repaired.

        As nibabel and FSL do, the s-form is taken where its code is above 0, else the q-form, else pixdim alone.
        Where they differ a warning says so; a form that is no grid at all gives way to the next.

        Raises
        ------
        GeometryError
            If the grid that is left is sheared or singular, or its spacing is not that of a CT.
        """
        by_q = None
        with contextlib.suppress(GeometryError):
            by_q = self._by_qform(what)[0] if self.qform_code > 0 else None
        warnings = []
        if any(v < 0 for v in self.pixdim[1:4]):
            stated = in_mm(self.pixdim[1:4])
            sentence = f"The spacing in the header of {what} is negative ({stated}); its sign was dropped."
            warnings.append(warn("negative-spacing", sentence))
        if self.sform_code > 0 and (by_q is None or self.has_sform):
            geometry, repaired = self._by_sform(what)
            return geometry, [*warnings, *repaired, *self._contradictions(geometry, by_q, what)]
        if self.sform_code > 0:
            sentence = f"The s-form of {what} is no grid (singular or not finite), so the q-form was taken."
            warnings.append(warn(CONTRADICTION, sentence))
        if not np.all(np.isfinite(self.spacing_mm)) or self.spacing_mm.min() == 0:
            raise GeometryError(
                f"The voxel spacing of {what} is missing from its header ({in_mm(self.pixdim[1:4])}).",
                "Export the scan again or correct its header.",
            )
        geometry, repaired = self._by_qform(what)
        if self.qform_code <= 0:
            sentence = f"{what} does not say how its axes lie in the patient; left and right are a guess."
            warnings.append(warn("orientation-unknown", sentence))
        return geometry, [*warnings, *repaired]

    @property
    def has_sform(self) -> bool:
        """Whether the s-form is set, and spans a grid."""
        matrix = np.asarray(self.rows, dtype=np.float64).reshape(3, 4)
        return (
            self.sform_code > 0
            and bool(np.all(np.isfinite(matrix)))
            and np.linalg.norm(matrix[:, :3], axis=0).min() > 1e-6
            and abs(np.linalg.det(matrix[:, :3] / np.linalg.norm(matrix[:, :3], axis=0))) > 1e-3
        )

    def _by_sform(self, what: str) -> tuple[Geometry, list[dict[str, str]]]:
        affine = _LPS @ np.asarray(self.rows, dtype=np.float64).reshape(3, 4) * _MM_OF_UNIT.get(self.units, 1.0)
        columns = affine[:, :3]
        lengths = np.linalg.norm(columns, axis=0)
        if np.allclose(lengths, self.spacing_mm, rtol=1e-4) and lengths.min() > 0:
            columns = columns * (self.spacing_mm / lengths)  # the same number, rounded once instead of often
        return grid_of(self.dim[:3], columns, affine[:, 3], what)

    def _by_qform(self, what: str) -> tuple[Geometry, list[dict[str, str]]]:
        """Return the grid of the quaternion; without one, axes to Right, Anterior, Superior from 0."""
        matrix, offset = np.eye(3), np.zeros(3)
        if self.qform_code > 0:
            (b, c, d), offset = self.quaternion[:3], np.asarray(self.quaternion[3:])
            a = np.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
            matrix = np.array(
                [
                    [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                    [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                    [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
                ]
            )
            matrix[:, 2] *= -1.0 if self.pixdim[0] < 0 else 1.0
        origin = _LPS @ offset * _MM_OF_UNIT.get(self.units, 1.0)
        return grid_of(self.dim[:3], _LPS @ matrix * self.spacing_mm, origin, what)

    def _contradictions(self, taken: Geometry, by_q: Geometry | None, what: str) -> list[dict[str, str]]:
        """Compare the s-form that was taken with what else the header says."""
        chosen = "the s-form was taken, as nibabel and FSL do"
        if not same_spacing(self.spacing_mm, taken.spacing_mm):
            sentence = (
                f"The header of {what} states its spacing twice: {in_mm(self.spacing_mm)} in pixdim and"
                f" {in_mm(taken.spacing_mm)} in the s-form; {chosen}."
            )
            return [warn(CONTRADICTION, sentence)]
        apart = 0.0 if by_q is None else far_apart_mm(taken, by_q)
        if not apart:
            return []
        sentence = f"The s-form and the q-form of {what} lie up to {apart:.1f} mm apart; {chosen}."
        return [warn(CONTRADICTION, sentence)]


def pack_header(array_type: np.dtype[Any], geometry: Geometry, forms: NiftiHeader | None = None) -> bytes:
    """Return the header of a NIfTI-1 file, 352 bytes with the empty extension.

    Parameters
    ----------
    array_type : numpy.dtype
        Of the voxels, little-endian.
    geometry : Geometry
    forms : NiftiHeader, optional
        Of the CT, whose q-form, s-form, codes and unit are kept as they are. Without it both forms state the
        geometry, with code 1 (the scanner's coordinates).

    Raises
    ------
    KeyError
        If NIfTI has no such type.
    """
    code = {kind: number for number, kind in _TYPES.items()}[array_type.str[1:]]
    raw = bytearray(352)
    values: dict[str, tuple[Any, ...]] = {
        "dim": (3, *geometry.size_ijk, 1, 1, 1, 1), "datatype": (code,), "offset": (352.0,), "slope": (1.0,)
    }  # fmt: skip
    if forms is not None:
        values |= {
            "pixdim": (forms.pixdim[0], *(abs(v) for v in forms.pixdim[1:4]), 0, 0, 0, 0),
            "units": (forms.units,),
            "qform_code": (forms.qform_code,),
            "sform_code": (forms.sform_code,),
            "quaternion": forms.quaternion,
            "rows": forms.rows,
        }
    else:
        columns, origin = _LPS @ geometry.matrix, _LPS @ np.asarray(geometry.origin_lps)
        qfac, quaternion = _quaternion(columns)
        rows = np.column_stack([columns * geometry.spacing_mm, origin])
        values |= {
            "pixdim": (qfac, *geometry.spacing_mm, 0, 0, 0, 0),
            "units": (2,),
            "qform_code": (1,),
            "sform_code": (1,),
            "quaternion": (*quaternion, *origin),
            "rows": tuple(rows.ravel()),
        }
    struct.pack_into("<i", raw, 0, 348)
    for name, numbers in values.items():
        form, place = _FIELDS[1][name]
        struct.pack_into("<" + form, raw, place, *numbers)
    struct.pack_into("<h", raw, 72, 8 * array_type.itemsize)
    raw[344:348] = b"n+1\0"
    return bytes(raw)


def _quaternion(matrix: NDArray[np.float64]) -> tuple[float, tuple[float, float, float]]:
    """Return qfac and b, c, d of a rotation, with or without reflection.

    The largest of the four squared components is found first, so that nothing is divided by next to 0
    (Shepperd 1978, J. Guidance and Control 1:223).
    """
    qfac = -1.0 if np.linalg.det(matrix) < 0 else 1.0
    m = matrix * [1.0, 1.0, qfac]
    trace = float(np.trace(m))
    squared = np.array([trace, *(2 * m[n, n] - trace for n in range(3))])
    largest = int(squared.argmax())
    if largest == 0:
        q = np.array([1 + trace, m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    else:
        i = largest - 1
        j, k = (i + 1) % 3, (i + 2) % 3
        q = np.empty(4)
        q[0] = m[k, j] - m[j, k]
        q[1 + i] = 1 + 2 * m[i, i] - trace
        q[1 + j], q[1 + k] = m[j, i] + m[i, j], m[k, i] + m[i, k]
    q /= np.linalg.norm(q)
    b, c, d = q[1:] * (1.0 if q[0] >= 0 else -1.0)
    return qfac, (float(b), float(c), float(d))
