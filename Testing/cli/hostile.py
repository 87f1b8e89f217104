"""Makes the bad input that the tests feed to the command line, and runs it as a user would."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np


def write_nifti(path: Path, voxels: np.ndarray, spacing: tuple[float, ...] = (1.5, 1.5, 3.0, 1.0)) -> Path:
    """Write an array of any number of axes as NIfTI-1, byte by byte, so that no writer corrects it."""
    codes = {"int16": 4, "float32": 16, "uint8": 2}
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, voxels.ndim, *voxels.shape[::-1], *[1] * (7 - voxels.ndim))
    struct.pack_into("<2h", header, 70, codes[voxels.dtype.name], voxels.dtype.itemsize * 8)
    struct.pack_into("<8f", header, 76, 1.0, *(*spacing, 1.0, 1.0, 1.0)[:7])
    struct.pack_into("<3f", header, 108, 352.0, 1.0, 0.0)
    struct.pack_into("<2h", header, 252, 0, 1)
    struct.pack_into("<12f", header, 280, -spacing[0], 0, 0, 0, 0, -spacing[1], 0, 0, 0, 0, spacing[2], 0)
    header[344:348] = b"n+1\0"
    content = bytes(header) + np.ascontiguousarray(voxels).tobytes()
    path.write_bytes(gzip.compress(content, 1) if path.name.endswith(".gz") else content)
    return path


def head_ct() -> np.ndarray:
    """Return a head: skull, brain and air, 180 mm across, at 1.5 x 1.5 x 3 mm, int16 HU."""
    z, y, x = np.meshgrid(*(np.arange(n) - n / 2 + 0.5 for n in (56, 170, 170)), indexing="ij")
    radius = np.sqrt((x * 1.5 / 78) ** 2 + (y * 1.5 / 95) ** 2 + (z * 3.0 / 90) ** 2)
    voxels = np.full(radius.shape, -1000.0)
    voxels[radius < 1.0] = 30  # scalp
    voxels[radius < 0.95] = 900  # skull
    voxels[radius < 0.87] = 35  # brain
    voxels[(np.abs(x) < 4) & (np.abs(y) < 20) & (np.abs(z) < 8)] = 5  # ventricles
    return (voxels + np.random.default_rng(0).normal(0, 4, voxels.shape)).astype(np.int16)


def run_cli(
    *arguments: object, cwd: Path | None = None, drop_root: bool = False, **options
) -> subprocess.CompletedProcess:
    """Run the program in a process of its own; with `drop_root`, root's right to ignore permissions is dropped."""
    command = [sys.executable, "-m", "PancreasSegLib", *map(str, arguments)]
    if drop_root and os.geteuid() == 0:
        command = [shutil.which("setpriv"), "--bounding-set=-dac_override,-dac_read_search", "--", *command]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", cwd=cwd, check=False, timeout=240, **options
    )


def can_drop_root() -> bool:
    """Whether permissions can be tested: not root, or root that can give its rights up."""
    if not hasattr(os, "geteuid"):
        return False
    if os.geteuid() != 0:
        return True
    if shutil.which("setpriv") is None:
        return False
    probe = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--", "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its content."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in sorted(folder.rglob("*"))}
