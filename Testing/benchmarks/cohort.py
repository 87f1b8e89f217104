"""A cohort of small scans of several kinds, some of them bad: run whole, faster, and with what can be killed.

    python Testing/benchmarks/cohort.py make FOLDER --scans 1000
    python Testing/benchmarks/cohort.py run FOLDER NAME --workers 2 [--kills 20 --every 20 --restarts 1]
        [--by-hand] [--s3]
    python Testing/benchmarks/cohort.py compare FOLDER NAME OTHER

The model marks what is bright: what is measured is the way of a scan through the cohort, not a network.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
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


def run(
    folder: Path, name: str, workers: int, kills: int, restarts: int, every: float, by_hand: bool, s3: bool
) -> None:
    """Index and run; kill workers at random moments, and now and then everything; say what it took."""
    cohort = folder / name
    program = [sys.executable, "-m", "PancreasSegLib", "cohort"]
    key = ["--key", str(folder / "key")]
    with _in_bucket(folder / "scans") if s3 else contextlib.nullcontext(str(folder / "scans")) as source:
        start = time.monotonic()
        subprocess.run([*program, "index", source, str(cohort), *key, "-q"], check=True)
        say(f"indexed in {time.monotonic() - start:.1f} s")
        start, chance, killed = time.monotonic(), random.Random(0), 0
        for turn in range(restarts + 1):
            with _started_by_hand(workers) if by_hand else contextlib.nullcontext(None) as started:
                where = ["--scheduler", started[0]] if started else ["--workers", str(workers)]
                process = subprocess.Popen(
                    [*program, "run", str(cohort), "--model", str(folder / "bright"), *where, *key]
                )
                due = kills * (turn + 1) // (restarts + 1)
                parents = started[1][1:] if started else [process]
                while process.poll() is None and (killed < due or turn < restarts):
                    time.sleep(chance.uniform(0.5, 1.5) * every)
                    if killed < due:
                        killed += _end_one(parents, chance)
                    elif _tenths_done(cohort) > turn:
                        _end_all(started[1][:1] if started else [process])
                        say(f"{killed} workers killed, then {'the scheduler' if started else 'the whole run'}")
                        break
                say(f"the command ended with {process.wait()}")
    say(f"run in {time.monotonic() - start:.1f} s, {killed} workers killed")
    summarise(cohort)


def _tenths_done(cohort: Path) -> int:
    """Return how many tenths of the chosen scans are done."""
    chosen = sum(row["chosen"] for row in read_table(cohort / "index.parquet"))
    return 10 * sum(1 for _ in cohort.glob("results/*/scans/*/*/row.json")) // chosen


def _end_one(parents: Sequence[subprocess.Popen[bytes]], chance: random.Random) -> int:
    """Kill a worker's process; return how many were killed."""
    found = [
        child
        for parent in parents
        for child in psutil.Process(parent.pid).children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline())
    ]
    if found:
        chance.choice(found).send_signal(signal.SIGKILL)
    return bool(found)


def _end_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Kill processes with all that they started."""
    for process in processes:
        whole = psutil.Process(process.pid)
        for one in [*whole.children(recursive=True), whole][::-1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def _started_by_hand(workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Give the address of a scheduler, and its process before those of its workers."""
    address = f"tcp://127.0.0.1:{_free_port()}"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    host, port = address[6:].split(":")
    command = [*dask, "scheduler", "--host", host, "--port", port, "--no-dashboard"]
    processes = [subprocess.Popen(command, **quiet)]
    time.sleep(3)
    command = [*dask, "worker", address, "--nthreads", "1", "--no-dashboard"]
    processes += [subprocess.Popen(command, **quiet) for _ in range(workers)]
    try:
        yield address, processes
    finally:
        _end_all([process for process in processes if process.poll() is None])


@contextlib.contextmanager
def _in_bucket(scans: Path) -> Iterator[str]:
    """Give the URL of a bucket on this machine that holds the scans."""
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=_free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    said = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    os.environ.update(said)
    files = s3fs.S3FileSystem(endpoint_url=said["AWS_ENDPOINT_URL"], key="a", secret="b")
    files.mkdir("archive")
    files.put(f"{scans}/", "archive/scans/", recursive=True)
    try:
        yield "s3://archive/scans"
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
    parser.add_argument("--every", type=float, default=20.0, help="seconds between kills, on average")
    parser.add_argument("--by-hand", action="store_true", help="dask scheduler and dask worker")
    parser.add_argument("--s3", action="store_true", help="the scans lie in a bucket")
    given = parser.parse_args()
    folder = given.folder.resolve()
    if given.what == "make":
        make(folder, given.scans)
    elif given.what == "run":
        run(
            folder,
            given.names[0],
            given.workers,
            given.kills,
            given.restarts,
            given.every,
            given.by_hand,
            given.s3,
        )
    else:
        compare(folder, *given.names)


if __name__ == "__main__":
    main()
