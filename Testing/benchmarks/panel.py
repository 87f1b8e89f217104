"""How long the panel takes from click to mask, how long its event loop is blocked, how quickly a cancel frees it.

Run from the project's root on a quiet machine; the panel runs in the test host, not in 3D Slicer::

    python Testing/benchmarks/panel.py CT [--output panel.md] [--screenshot window.png]
    python Testing/benchmarks/panel.py --phantom [400] --screenshot window.png

The worker is the real one with the default model. The first click includes its start, the import of what it runs
on, the model, and sending the CT. All is done twice: with a free event loop, and with one that keeps Python's
interpreter lock while it waits, as 3D Slicer's does. The longest block is the longest time without a turn of the
free loop, by a timer of 5 ms.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTING = Path(__file__).resolve().parents[1]
MODULE = TESTING.parent / "PancreasSeg" / "PancreasSeg.py"
PATIENCE_S = 300.0
STAGES = ("send", "load", "propose", "localise", "segment", "restore", "measure")


@dataclass(frozen=True)
class Measured:
    """What was done, its seconds, and the longest block of the event loop in ms."""

    what: str
    seconds: float
    block_ms: float
    note: str = ""


def row(free: Measured, kept: Measured) -> str:
    """One line of the table: the free loop, and the one that keeps the interpreter lock."""
    return f"| {free.what} | {free.seconds:.2f} | {kept.seconds:.2f} | {free.block_ms:.0f} | {free.note} |"


class Bench:
    """A host with the panel open, and a stopwatch."""

    def __init__(self) -> None:
        from host import start_host

        self.host = start_host()

    def open(self, volume: Any, name: str) -> None:
        sys.path.append(str(MODULE.parent))
        from PancreasSegPanel.scene.volume_node import add_volume

        self.node = add_volume(self.host.scene, volume, name)
        self.host.module(MODULE)

    def timed(self, what: str, action: Any, until: Any) -> Measured:
        self.host.gaps.reset()
        start = time.perf_counter()
        action()
        self.host.process_events(until, PATIENCE_S)
        seconds = time.perf_counter() - start
        return Measured(what, seconds, 1000 * self.host.gaps.longest, self.host.find("statusLabel").text)

    @property
    def idle(self) -> bool:
        return bool(self.host.find("segmentButton").enabled)

    def click(self, what: str, button: str) -> Measured:
        return self.timed(what, lambda: self.host.click(button), lambda: self.idle)

    def cancel_in(self, stage: str) -> Measured | None:
        """Cancel as soon as a stage is seen; None when the run was over before."""
        self.host.click("segmentButton")
        run = self.host.widget.panel._run

        def seen() -> bool:
            progress = run.request.progress
            return self.idle or bool(progress and progress.stage == stage)

        self.host.process_events(seen, PATIENCE_S)
        if self.idle:
            return None
        return self.click(f"Cancel in {stage}", "cancelButton")


def measure(bench: Bench) -> list[Measured]:
    """Click through the panel and return what was measured."""
    lines = []
    if bench.host.find("show3DButton").checked:  # by the measurement before
        bench.host.click("show3DButton")
    bench.host.widget.logic.panel_logic.close()
    for stage in ("send", "load"):  # of a worker that is just starting
        lines.append(bench.cancel_in(stage))
    bench.host.widget.logic.panel_logic.close()
    lines.append(bench.click("Segment, first click, worker not started", "segmentButton"))
    for number in (2, 3):
        lines.append(bench.click(f"Segment, click {number}, warm", "segmentButton"))
    lines += [bench.cancel_in(stage) for stage in STAGES[2:]]
    lines.append(bench.click("Propose region", "proposeRegionButton"))
    bench.host.find("regionSelector").setCurrentNode(None)
    bench.host.process_events()
    lines.append(bench.click("Segment again", "segmentButton"))
    lines.append(bench.timed("Show 3D", lambda: bench.host.click("show3DButton"), None))
    return [line for line in lines if line is not None]


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ct", type=Path, nargs="?")
    parser.add_argument(
        "--phantom", type=int, nargs="?", const=100, help="a phantom of 512 x 512 x so many slices, not a CT"
    )
    parser.add_argument("--output", type=Path)
    parser.add_argument("--screenshot", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    sys.path.insert(0, str(TESTING))
    if arguments.phantom:
        from PancreasSegLib.phantom import make_phantom

        thickness = 250.0 / arguments.phantom
        spacing = (0.78, 0.78, thickness)
        volume, name = make_phantom(0, spacing_mm=spacing, range_mm=(-125.0, 125.0)).ct, "Phantom"
    elif arguments.ct:
        from PancreasSegLib.io import read_volume

        volume, name = read_volume(arguments.ct), arguments.ct.name.split(".")[0]
    else:
        parser.error("name a CT, or use --phantom")
    bench = Bench()
    bench.open(volume, name)
    free = measure(bench)
    bench.host.keeps_gil = True
    kept = {line.what: line for line in measure(bench)}
    bench.host.keeps_gil = False
    size = " x ".join(map(str, volume.geometry.size_ijk))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    head = f"{name}, {size} voxels; {os.cpu_count()} CPU cores, load {load}; in the test host, not 3D Slicer."
    table = ["| what | s | s, lock kept | longest block, ms | status line |", "|---|---|---|---|---|"]
    table += [row(line, kept[line.what]) for line in free if line.what in kept]
    text = "\n".join([head, "", *table, ""])
    sys.stdout.write(text)
    if arguments.output:
        title = "# The panel, measured\n\nBy `Testing/benchmarks/panel.py`.\n\n"
        arguments.output.write_text(title + text, "utf-8")
    if arguments.screenshot:
        forecast = bench.host.find("forecastLabel")
        bench.host.process_events(lambda: forecast.text.startswith("Forecast: "), PATIENCE_S)
        bench.host.screenshot(arguments.screenshot)
    bench.host.close()


if __name__ == "__main__":
    main()
