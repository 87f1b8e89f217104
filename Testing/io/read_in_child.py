"""Reads the files whose names come on stdin and says of each what became of it; run as a process that may die."""

from __future__ import annotations

import re
import resource
import sys
import time
from pathlib import Path

from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.io import read_volume

resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
for line in sys.stdin:
    start = time.perf_counter()
    try:
        volume = read_volume(Path(line.rstrip("\n")), assume_ct=True)
        said = "read" if volume.voxels.ndim == 3 else "wrong shape"
    except PancreasSegError:
        said = "refused"
    except BaseException as error:
        said = f"{type(error).__name__}: {error}".replace("\n", " ")
    # Not getrusage: its peak counts what the parent held when it started this process.
    most_kb = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))[1]
    sys.stdout.write(f"{said}\t{time.perf_counter() - start:.3f}\t{most_kb}\n")
    sys.stdout.flush()
