"""How long ``pancreasseg segment`` takes and what memory it needs, cold and warm, with a profile of its stages.

Run from the project's root on a quiet machine::

    python Testing/benchmarks/segment.py CT [--model default] [--threads 2] [--runs 3] [--output segment.md]

Cold runs are new processes, import of torch included; warm runs are further scans of one process. Times are the
best of the runs, since other programs can only make one slower; all runs are listed. The figures belong to the
machine that they were measured on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

_WARM = """
import json, sys, time
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.inference.memory import peak_memory_mb
from PancreasSegLib.io import read_volume
path, model, device, threads, runs = sys.argv[1:]
segmenter = Segmenter.load(model, device, threads=int(threads) or None)
volume = read_volume(path)
forecast = segmenter.forecast(volume)
seconds, timings = [], []
for _ in range(int(runs) + 1):
    start = time.perf_counter()
    result = segmenter.segment(volume, allow_empty=True)
    seconds.append(time.perf_counter() - start)
    timings.append(result.timings)
print(json.dumps({
    "seconds": seconds[1:], "timings": timings[1:], "forecast": forecast.sentence,
    "device": result.provenance["device"], "precision": result.provenance["precision"],
    "threads": result.provenance["threads"], "windows": result.provenance["windows"],
    "size": volume.geometry.size_ijk, "spacing": volume.geometry.spacing_mm,
    "volume_ml": result.statistics["pancreas"]["volume_ml"], "peak_mb": peak_memory_mb(),
}))
"""


@dataclass(frozen=True)
class ColdRun:
    """One process from its start to its end.

    Attributes
    ----------
    seconds, cpu_seconds : float
        Wall-clock time and processor time of all threads.
    peak_mb : float
        Most resident memory, in MB.
    timings : dict of str to float
        Seconds a stage, from the run's report.
    load : float
        Load average when it started: more than 0 means that others were using the machine.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    timings: dict[str, float] = field(default_factory=dict)
    load: float = 0.0


def cold_run(ct: Path, model: str, device: str, threads: int) -> ColdRun:
    """Run the command line once in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        report, mask = Path(folder) / "report.json", Path(folder) / "mask.nii.gz"
        command = [sys.executable, "-m", "PancreasSegLib", "segment", str(ct), "-o", str(mask)]
        command += ["--model", model, "--device", device, "--report", str(report), "--allow-empty"]
        command += ["--threads", str(threads)] if threads else []
        load, start = os.getloadavg()[0], time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        message = process.stderr.read() if process.stderr else ""
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if os.waitstatus_to_exitcode(status) not in (0, 3):
            raise SystemExit(f"{' '.join(command)}\n{message}")
        content = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    scale = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return ColdRun(
        seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale, content.get("timings_s", {}), load
    )


def warm_runs(ct: Path, model: str, device: str, threads: int, runs: int) -> dict:
    """Segment the same scan again and again in one process; the first run is left out."""
    command = [sys.executable, "-c", _WARM, str(ct), model, device, str(threads), str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def as_markdown(ct: Path, model: str, cold: list[ColdRun], warm: dict) -> str:
    """Return the figures as a page."""
    best = min(cold, key=lambda run: run.seconds)
    size, spacing = (" x ".join(f"{v:g}" for v in warm[key]) for key in ("size", "spacing"))
    lines = [
        f"# `pancreasseg segment`: time and memory of {ct.name}",
        "",
        f"{size} voxels of {spacing} mm; model {model}; {warm['device']}, {warm['precision']}, "
        f"{warm['threads']} threads; windows {warm['windows']}; {warm['volume_ml']:.1f} mL found.",
        "",
        warm["forecast"],
        "",
        "| | wall s, best | all runs | processor s | peak memory MB |",
        "|---|---|---|---|---|",
        f"| cold, process start included | {best.seconds:.2f} | {_listed([r.seconds for r in cold])} "
        f"| {best.cpu_seconds:.1f} | {max(r.peak_mb for r in cold):.0f} |",
        f"| warm, next scan | {min(warm['seconds']):.2f} | {_listed(warm['seconds'])} | | {warm['peak_mb']:.0f} |",
        "",
        f"Load average at the start of the cold runs: {_listed([r.load for r in cold])}.",
        "",
        "## Where the time goes (s)",
        "",
        "| stage | cold, best run | warm, best run |",
        "|---|---|---|",
    ]
    quickest = min(warm["timings"], key=lambda t: t["total"])
    for name in best.timings:
        lines.append(f"| {name} | {best.timings[name]:.2f} | {quickest.get(name, float('nan')):.2f} |")
    rest = best.seconds - sum(best.timings.values())
    lines.append(f"| rest: start of Python, waiting for imports, writing | {rest:.2f} | |")
    return "\n".join(lines).replace("| nan |", "| |") + "\n"


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ct", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for the default")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", type=Path, default=None, help="Markdown file; the terminal without it")
    options = parser.parse_args()
    cold = [cold_run(options.ct, options.model, options.device, options.threads) for _ in range(options.runs)]
    warm = warm_runs(options.ct, options.model, options.device, options.threads, options.runs)
    page = as_markdown(options.ct, options.model, cold, warm)
    if options.output:
        options.output.write_text(page, encoding="utf-8")
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
