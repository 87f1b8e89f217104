"""Files that are made to crash, hang or fill the memory of whoever reads them."""

from __future__ import annotations

import bz2
import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 12 12 12\nspacings: 1 1 2\nendian: little\nencoding: raw\n"
META = (
    "ObjectType = Image\nNDims = 3\nDimSize = 12 12 12\nElementSpacing = 1 1 2\nElementType = MET_SHORT\n"
    "BinaryData = True\nElementDataFile = LOCAL\n"
)
VOXELS = np.random.default_rng(2).integers(-1000, 400, (12, 12, 12), dtype=np.int16)
DATA = VOXELS.tobytes()
_LONG = "x" * 1000


def _nrrd_headers() -> dict[str, str]:
    lines = dict(line.split(": ") for line in NRRD.splitlines()[1:])
    bad = {
        "type": ["", "block", "float128", _LONG],
        "dimension": ["0", "-1", "17", "1000000000", "", "3.5", _LONG, "9" * 400],
        "sizes": [
            "12 12",
            "0 12 12",
            "-1 12 12",
            "12 12 9999999999",
            "nan 1 1",
            _LONG,
            "1 " * 5000,
            "2147483647 " * 3,
        ],
        "spacings": ["nan nan nan", "", "0 0 0", "1e308 1e308 1e308", _LONG, "-1 -1 -1"],
        "endian": ["middle", "", _LONG],
        "encoding": ["hex", "rar", "", _LONG, "gzip", "bzip2", "ascii"],
    }
    more = {
        "byte skip": ["-1", "-2", "999999999999", "9" * 100, "nan"],
        "line skip": ["-1", "999999999", "9" * 100],
        "data file": [
            "missing.raw",
            "/dev/zero",
            "/proc/self/mem",
            "../../../etc/passwd",
            "%d.raw 0 999999999 1",
            "LIST",
        ],
        "kinds": ["list list list", _LONG, "domain"],
        "space directions": [
            "(1,0,0)",
            "none none none",
            "(nan,0,0) (0,1,0) (0,0,1)",
            "(((((",
            "(1,0,0) " * 3000,
            _LONG,
        ],
        "space": ["left", _LONG, "right-right-right", "RAS"],
        "space origin": ["(nan,nan,nan)", "(1)", _LONG],
        "content": [_LONG, _LONG * 50],
        "centers": ["cell " * 1000],
        _LONG: ["value"],
        "measurement frame": ["(1", _LONG],
    }
    made = {}
    for table in (bad, more):
        for field, values in table.items():
            for number, value in enumerate(values):
                changed = {**lines, field: value}
                made[f"nrrd-{field[:12]}-{number}"] = "NRRD0004\n" + "".join(
                    f"{k}: {v}\n" for k, v in changed.items()
                )
    made["nrrd-many-lines"] = NRRD + "a:=b\n" * 200_000
    made["nrrd-no-newline"] = NRRD.replace("\n", " ") * 3000
    made["nrrd-version"] = NRRD.replace("0004", "9999")
    made["nrrd-refused-line"] = NRRD + _LONG + "\n"
    return {name: text + "\n" for name, text in made.items()}


def _meta_headers() -> dict[str, str]:
    lines = dict(line.split(" = ") for line in META.splitlines())
    values = {
        "NDims": ["-1", "0", "1000000000", "11", "", "nan", "3.7", "9" * 400, _LONG],
        "DimSize": ["12 12", "-12 12 12", "0 0 0", "9999999999 1 1", "2147483647 " * 3, _LONG, ""],
        "ElementSpacing": ["nan nan nan", "", "0 0 0", "1e308 1 1", _LONG, "-1 1 1"],
        "ElementType": ["MET_STRING", "MET_OTHER", "", _LONG],
        "ElementNumberOfChannels": ["-1", "0", "1000000000", "nan", "3"],
        "HeaderSize": ["-1", "-99", "999999999999", "nan"],
        "CompressedData": ["True", _LONG],
        "CompressedDataSize": ["-1", "99999999999"],
        "BinaryData": ["False"],
        "Name": ["n" * 300, "n" * 100_000],
        "Comment": ["c" * 100_000],
        "TransformMatrix": ["nan " * 9, "0 " * 9, "1 0", _LONG],
        "Offset": ["nan nan nan", "inf 0 0", "1"],
        "ObjectType": ["Tube", _LONG],
        "ObjectSubType": [_LONG],
        "AnatomicalOrientation": [_LONG, "??"],
        "ElementDataFile": [
            "missing.raw", "/dev/zero", "LIST", "LIST 2", "%d.raw 1 999999999 1", "%s%s%s%n", _LONG, "", ".",
        ],
    }  # fmt: skip
    made = {}
    for field, bad in values.items():
        for number, value in enumerate(bad):
            changed = {k: v for k, v in {**lines, field: value}.items() if k != "ElementDataFile"}
            changed["ElementDataFile"] = value if field == "ElementDataFile" else "LOCAL"
            made[f"meta-{field[:12]}-{number}"] = "".join(f"{k} = {v}\n" for k, v in changed.items())
    made["meta-many-lines"] = META.replace("BinaryData", "A = b\n" * 200_000 + "BinaryData")
    made["meta-no-end"] = "ObjectType = Image\n" * 50_000
    return made


def _bombs() -> dict[str, bytes]:
    zeros = gzip.compress(bytes(1 << 20)) * 300  # 300 MB of nothing in 300 kB
    header = struct.pack("<i", 348) + bytes(36) + struct.pack("<8h", 3, 12, 12, 12, 1, 1, 1, 1) + bytes(14)
    header += struct.pack("<2h", 4, 16) + bytes(2) + struct.pack("<8f", 1, 1, 1, 1, 1, 1, 1, 1)
    nifti = {
        name: header + struct.pack("<f", offset) + bytes(344 - len(header) - 4) + b"n+1\0"
        for name, offset in (("far", 2e9), ("nan", float("nan")), ("negative", -5e9), ("beyond", 1e30))
    }
    huge = NRRD.replace("12 12 12", "1290 1290 1290")
    return {
        "bomb-nifti.nii.gz": gzip.compress(nifti["nan"] + bytes(4) + DATA) + zeros,
        **{f"bomb-offset-{name}.nii": raw + bytes(4) + DATA for name, raw in nifti.items()},
        **{f"bomb-offset-{name}.nii.gz": gzip.compress(raw + bytes(4) + DATA) for name, raw in nifti.items()},
        "bomb-nrrd-gzip.nrrd": NRRD.replace("raw", "gzip").encode() + b"\n" + zeros,
        "bomb-nrrd-huge.nrrd": huge.replace("raw", "gzip").encode() + b"\n" + gzip.compress(DATA),
        "bomb-nrrd-bzip2.nrrd": huge.replace("raw", "bzip2").encode() + b"\n" + bz2.compress(DATA),
        "bomb-meta-zlib.mha": META.replace("BinaryData", "CompressedData = True\nBinaryData").encode()
        + zlib.compress(bytes(1 << 26)),
    }


def crafted_files(folder: Path) -> list[Path]:
    """Write them all, each in a folder of its own, and return them."""
    content = {f"{name}.nrrd": text.encode() + DATA for name, text in _nrrd_headers().items()}
    content |= {f"{name}.nhdr": text.encode() for name, text in _nrrd_headers().items()}
    content |= {f"{name}.mha": text.encode() + DATA for name, text in _meta_headers().items()}
    content |= {f"{name}.mhd": text.encode() for name, text in _meta_headers().items()}
    content |= _bombs()
    paths = []
    for number, (name, raw) in enumerate(content.items()):
        place = folder / f"{number:03d}"
        place.mkdir(parents=True)
        path = place / "".join(c if c.isalnum() or c in ".-" else "_" for c in name)
        path.write_bytes(raw)
        paths.append(path)
    return paths
