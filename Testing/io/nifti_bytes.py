"""Write NIfTI files byte by byte, so that a header can say what no library would write."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

ROWS = np.diag([-0.8, -0.7, 2.5, 0.0])[:3]


def nifti_bytes(
    stored: np.ndarray,
    order: str = "<",
    *,
    slope: float = 0.0,
    intercept: float = 0.0,
    rows: np.ndarray = ROWS,
    spacing: tuple[float, ...] = (0.8, 0.7, 2.5),
    qfac: float = 1.0,
    quaternion: tuple[float, ...] = (0.0, 0.0, 1.0, 0.0, 0.0, 0.0),
    qform: int = 0,
    sform: int = 1,
    units: int = 2,
    magic: bytes = b"n+1\0",
) -> bytes:
    """Return header and voxels of a (z, y, x) image of int16.

    `quaternion` is b, c, d and the offset; the default turns by 180 degrees about z, as :data:`ROWS` do.
    """
    header = bytearray(352)
    z, y, x = stored.shape
    struct.pack_into(f"{order}i", header, 0, 348)
    struct.pack_into(f"{order}8h", header, 40, 3, x, y, z, 1, 1, 1, 1)
    struct.pack_into(f"{order}2h", header, 70, 4, 16)
    struct.pack_into(f"{order}8f", header, 76, qfac, *spacing, 1, 1, 1, 1)
    struct.pack_into(f"{order}3f", header, 108, 352.0, slope, intercept)
    struct.pack_into("B", header, 123, units)
    struct.pack_into(f"{order}2h", header, 252, qform, sform)
    struct.pack_into(f"{order}6f", header, 256, *quaternion)
    struct.pack_into(f"{order}12f", header, 280, *rows.ravel())
    header[344:348] = magic
    return bytes(header) + stored.astype(f"{order}i2").tobytes()


def write_nifti_bytes(path: Path, stored: np.ndarray, order: str = "<", **said: object) -> Path:
    """Write such a file, compressed where its name says so."""
    data = nifti_bytes(stored, order, **said)  # type: ignore[arg-type]
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path
