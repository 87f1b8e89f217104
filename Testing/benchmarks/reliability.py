"""Kill runs at random moments, and put hostile files among many scans: what is left must be whole.

Prints a table as Markdown; the exit status is 1 where a promise of Resources/Docs/reliability.md was broken.

    python Testing/benchmarks/reliability.py kills --times 40
    python Testing/benchmarks/reliability.py scans --sound 940 --hostile 60
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / part) for part in ("cli", "io")]

from bright_model import make_abdomen, write_bright_model  # noqa: E402
from hostile_headers import crafted_files  # noqa: E402

from PancreasSegLib.io import read_labels, write_volume  # noqa: E402
from PancreasSegLib.report import is_of_one_run  # noqa: E402

RUN = "import sys; from PancreasSegLib.cli.app import run; sys.exit(run(sys.argv[1:]))"


def started(arguments: list[str]) -> subprocess.Popen[bytes]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-c", RUN, *arguments], **quiet)


def kills(place: Path, times: int) -> Counter[str]:
    """Kill `segment` over older results at random moments; say in what state the files are."""
    model = write_bright_model(place / "model")
    write_volume(place / "ct.nii.gz", make_abdomen()[0])
    out = place / "out"
    names = {"--output": "m.nii.gz", "--report": "r.json", "--picture": "p.png"}
    arguments = ["segment", str(place / "ct.nii.gz"), "--model", str(model), "--device", "cpu"]
    arguments += [part for option, name in names.items() for part in (option, str(out / name))]
    begun = time.monotonic()
    if started(arguments).wait() != 0:
        raise SystemExit("The run itself fails.")
    took, found = time.monotonic() - begun, Counter[str]()
    for _ in range(times):
        child = started(arguments)
        time.sleep(random.uniform(0.5 * took, 1.02 * took))
        child.send_signal(signal.SIGKILL)
        killed = child.wait() != 0
        read_labels(out / "m.nii.gz")
        whole = is_of_one_run(out / "r.json", {"output": out / "m.nii.gz", "picture": out / "p.png"})
        json.loads((out / "r.json").read_text())
        found["killed" if killed else "ended before"] += 1
        found["of one run" if whole else "a mismatch that the report tells"] += 1
    if started(arguments).wait() != 0 or not is_of_one_run(out / "r.json", {"output": out / "m.nii.gz"}):
        found["BROKEN: the next run fails"] += 1
    left = [path.name for path in out.iterdir() if path.name not in names.values()]
    found["BROKEN: something is left"] += len(left)
    return found


def scans(place: Path, sound: int, hostile: int) -> Counter[str]:
    """Segment many small scans with hostile files among them, kill it twice, go on; count what became of each."""
    model, folder, out = write_bright_model(place / "model"), place / "scans", place / "out"
    write_volume(place / "ct.nii.gz", make_abdomen()[0])
    content = (place / "ct.nii.gz").read_bytes()
    crafted = crafted_files(place / "crafted")
    random.shuffle(crafted)
    folder.mkdir()
    for number in range(sound):
        (folder / f"{number:04d}.nii.gz").write_bytes(content)
    for number, path in enumerate(crafted[:hostile]):
        at = number * max(1, sound // max(1, hostile))
        (folder / f"{at:04d}-{path.name}").write_bytes(path.read_bytes())
    arguments = ["segment", str(folder), "--output", str(out), "--model", str(model), "--device", "cpu"]
    for part in (0.3, 0.6):
        child = started(arguments)
        while len(list(out.glob("*.nii.gz"))) < part * sound and child.poll() is None:
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
        child.wait()
    status = started(arguments).wait()
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = Counter(row["outcome"] for row in rows)
    found["rows"] = len(rows)
    found["masks"] = len(list(out.glob("*.nii.gz")))
    found["rows without figures though a mask is there"] = sum(
        row["outcome"] in ("done", "skipped") and not row["volume_ml"] for row in rows
    )
    found["exit status"] = status
    found["BROKEN: scans without a row"] = sound + hostile - len(rows)
    found["BROKEN: something is left"] = sum(path.name.startswith(".") for path in out.iterdir())
    return found


def main() -> int:
    """Run one part and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["kills", "scans"])
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--sound", type=int, default=940)
    parser.add_argument("--hostile", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        found = (
            kills(place, options.times)
            if options.part == "kills"
            else scans(place, options.sound, options.hostile)
        )
    lines = ["| what | times |", "|---|---|", *(f"| {name} | {count} |" for name, count in found.items())]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(any(count for name, count in found.items() if name.startswith("BROKEN")))


if __name__ == "__main__":
    sys.exit(main())
