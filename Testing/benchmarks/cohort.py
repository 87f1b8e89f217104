"""A cohort of small scans of several kinds, some of them bad: run whole, faster, and with what can be killed.

    python Testing/benchmarks/cohort.py make FOLDER --scans 1000
    python Testing/benchmarks/cohort.py run FOLDER NAME --workers 2 [--kills 20 --restarts 1] [--scheduler ADDRESS]
    python Testing/benchmarks/cohort.py compare FOLDER NAME OTHER

The model marks what is bright: what is measured is the way of a scan through the cohort, not a network.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil

sys.path.extend(str(Path(__file__).resolve().parents[1] / name) for name in ("cli", "io"))
from bright_model import AIR_HU, BODY_HU, PANCREAS_HU, write_bright_model
from dicom_writer import write_series

from PancreasSegLib.cli.terminal import say
from PancreasSegLib.cohort.table import Parts, read_table
from PancreasSegLib.io import write_volume
from PancreasSegLib.volume import Geometry, Volume

BAD = ("truncated", "empty", "text", "few slices", "no ct", "short")
GOOD = (".nii.gz", ".nrrd", ".mha", ".nii", "dicom", "no pancreas")


def scan(seed: int, pancreas: bool = True) -> Volume:
    """Return a body with a bright organ, both of their own size, on a grid of its own."""
    rng = np.random.default_rng(seed)
    mm = (float(rng.uniform(5, 7)), float(rng.uniform(5, 7)), float(rng.choice([2.5, 5.0, 6.0])))
    grid = Geometry((int(300 / mm[0]), int(220 / mm[1]), int(130 / mm[2])), mm)
    z, y, x = np.meshgrid(*(np.arange(n) for n in grid.shape_zyx), indexing="ij")
    middle = grid.index_to_lps((np.asarray(grid.size_ijk) - 1) / 2)
    x, y, z = np.moveaxis(grid.index_to_lps(np.stack([x, y, z], -1)) - middle, -1, 0)
    body = (x / 135) ** 2 + (y / 95) ** 2 < 1
    half = rng.uniform(0.8, 1.2, 3) * (45, 13, 14)
    organ = ((x - rng.uniform(-8, 8)) / half[0]) ** 2 + (y / half[1]) ** 2 + (z / half[2]) ** 2 < 1
    hu = np.where(body, BODY_HU, AIR_HU) + np.where(organ & pancreas, PANCREAS_HU - BODY_HU, 0)
    return Volume((hu + rng.normal(0, 6, hu.shape)).astype(np.int16), grid)


def make(folder: Path, count: int) -> None:
    """Write the scans: six in a hundred bad, the others of several kinds."""
    write_bright_model(folder / "bright")
    for number in range(count):
        place = folder / "scans" / f"{number // 100:03d}"
        name = f"{number:05d}"
        if number % 100 < 6:
            _bad(place, name, BAD[number % 100], number)
        else:
            kind = GOOD[number % len(GOOD)]
            ct = scan(number, pancreas=kind != "no pancreas")
            if kind == "dicom":
                write_series(place / name, ct.voxels, spacing=ct.geometry.spacing_mm, study=f"1.2.{number}")
            else:
                write_volume(place / f"{name}{kind if kind[0] == '.' else '.nii.gz'}", ct)


def _bad(place: Path, name: str, kind: str, seed: int) -> None:
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{name}.nii.gz"
    ct = scan(seed)
    if kind == "no ct":
        write_volume(
            path, Volume(np.random.default_rng(seed).integers(0, 900, ct.voxels.shape, np.int16), ct.geometry)
        )
    elif kind in ("few slices", "short"):
        slices = 5 if kind == "few slices" else 10
        i, j, _ = ct.geometry.size_ijk
        write_volume(path, Volume(ct.voxels[:slices], Geometry((i, j, slices), ct.geometry.spacing_mm)))
    else:
        write_volume(path, ct)
        whole = path.read_bytes()
        path.write_bytes({"truncated": whole[: len(whole) // 3], "empty": b"", "text": b"no image" * 90}[kind])


def run(folder: Path, name: str, workers: int, kills: int, restarts: int, scheduler: str) -> None:
    """Index and run; kill workers at random moments, and now and then everything; say what it took."""
    cohort = folder / name
    program = [sys.executable, "-m", "PancreasSegLib", "cohort"]
    key = ["--key", str(folder / "key")]
    start = time.monotonic()
    subprocess.run([*program, "index", str(folder / "scans"), str(cohort), *key, "-q"], check=True)
    say(f"indexed in {time.monotonic() - start:.1f} s")
    where = ["--scheduler", scheduler] if scheduler else ["--workers", str(workers)]
    command = [*program, "run", str(cohort), "--model", str(folder / "bright"), *where, *key]
    start, killed, chance = time.monotonic(), 0, random.Random(0)
    for turn in range(restarts + 1):
        process = subprocess.Popen(command)
        while process.poll() is None:
            time.sleep(chance.uniform(2, 6))
            workers_now = _workers(process.pid)
            if killed < kills * (turn + 1) // (restarts + 1) and workers_now:
                chance.choice(workers_now).send_signal(signal.SIGKILL)
                killed += 1
            elif kills and turn < restarts and process.poll() is None and killed:
                everything = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
                for one in everything[::-1]:
                    one.send_signal(signal.SIGKILL)
                say(f"{killed} workers killed, then the whole run")
                break
        process.wait()
    say(f"run in {time.monotonic() - start:.1f} s, {killed} workers killed")
    summarise(cohort)


def _workers(pid: int) -> list[psutil.Process]:
    found = psutil.Process(pid).children(recursive=True) if psutil.pid_exists(pid) else []
    return [one for one in found if one.is_running() and "spawn_main" in " ".join(one.cmdline())]


def summarise(cohort: Path) -> None:
    """Print how many scans ended how, and how the memory of the workers went."""
    results = next((cohort / "results").iterdir())
    rows = read_table(results / "table.parquet")
    index = read_table(cohort / "index.parquet")
    for title, values in (("index", [r["code"] for r in index]), ("table", [r["outcome"] for r in rows])):
        say(f"{title}: {len(values)} { ({value: values.count(value) for value in sorted(set(values))}) }")
    parts = [row for row in Parts(results / "parts", 1).rows() if "memory_mb" in row]
    tenth = max(1, len(parts) // 10)
    memory = [np.mean([row["memory_mb"] for row in part]) for part in (parts[tenth : 2 * tenth], parts[-tenth:])]
    say(f"memory of a worker: {memory[0]:.0f} MB in the second tenth, {memory[1]:.0f} MB in the last")
    say(f"mean of a scan: {np.mean([row['seconds'] for row in parts]):.2f} s")


def compare(folder: Path, name: str, other: str) -> None:
    """Compare two tables row for row."""
    one, two = (read_table(next((folder / n / "results").iterdir()) / "table.parquet") for n in (name, other))
    different = [row["scan"] for row, its in zip(one, two, strict=True) if row != its]
    say(f"{len(one)} rows, {len(different)} differ {different[:5]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("make", "run", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--scans", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--restarts", type=int, default=0)
    parser.add_argument("--scheduler", default="")
    given = parser.parse_args()
    folder = given.folder.resolve()
    if given.what == "make":
        make(folder, given.scans)
    elif given.what == "run":
        run(folder, given.names[0], given.workers, given.kills, given.restarts, given.scheduler)
    else:
        compare(folder, *given.names)


if __name__ == "__main__":
    main()
