"""How long a reader waits after a stroke, and how long the panel's event loop is blocked meanwhile.

Run from the project's root on a quiet machine; the panel runs in the test host, not in 3D Slicer::

    python Testing/benchmarks/correction_by_mouse.py CT [--strokes 20] [--output correction_by_mouse.md]
    python Testing/benchmarks/correction_by_mouse.py --phantom

The worker is the real one with the default model. Strokes of 15 mm are drawn by mouse events over the most
doubtful slices, include and exclude in turn, with the slice views drawn whenever the application would draw them
(by software here). The time of a stroke is that from the release of the mouse button to the changed segment.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from panel import PATIENCE_S, TESTING, Bench

LENGTH_MM = 15.0


@dataclass(frozen=True)
class Timed:
    """One stroke: seconds from release to segment, and blocks of the event loop in ms.

    The longest one while drawing and after it, and the most that the main thread computed at a stretch after it,
    whatever other programs did.
    """

    seconds: float
    drawing_ms: float
    after_ms: float
    computing_ms: float


class CorrectionBench(Bench):
    """A host with a segmented CT, and a hand that draws."""

    def segment(self) -> None:
        """Click Segment and wait."""
        self.host.click("segmentButton")
        self.host.process_events(lambda: self.idle, PATIENCE_S)
        sys.path.append(str(TESTING / "gui"))
        from slices import Slices

        self.slices = Slices(self.host, self.node)
        self.session = self.host.widget.panel.correct.session()
        self.host.live_views = True

    def choose(self, *, sphere: bool, surface: bool) -> None:
        """Choose how to draw, and whether the 3D surface follows."""
        self.host.find("sphereBrushCheckBox").checked = sphere
        if bool(self.host.find("show3DButton").checked) != surface:
            self.host.click("show3DButton")

    def strokes(self, count: int, view: str) -> list[Timed]:
        """Draw strokes over the doubtful slices, and take them back."""
        places = [np.array(place.position_ras) for place in self.session.doubtful_slices()]
        measured = []
        for number in range(count):
            place = places[number % len(places)]
            self.slices.jump(place)
            tool = ("includeBrushButton", "excludeBrushButton")[number % 2]
            if not self.host.find(tool).checked:
                self.host.click(tool)
            self.host.process_events()
            measured.append(self.stroke(view, (number // len(places)) * 4.0))
            if number % 2:  # an even number of steps back keeps the mask near what it was
                for _ in range(2):
                    self.host.click("undoCorrectionButton")
        return measured

    def stroke(self, view: str, shift_mm: float) -> Timed:
        """Draw one stroke through the middle of a view."""
        half = 0.5 * LENGTH_MM
        line = self.slices.line(view, (-half, shift_mm), (0, shift_mm + 2), (half, shift_mm))
        gaps = self.host.gaps
        gaps.reset()
        self.host.mouse.press(view, line[0])
        self.host.mouse.draw(view, line)
        drawing = gaps.longest
        gaps.reset()
        start = time.perf_counter()
        self.host.mouse.release(view, line[-1])
        self.host.process_events(lambda: not self.session.busy, PATIENCE_S)
        seconds = time.perf_counter() - start
        if self.session.error is not None:
            raise self.session.error
        return Timed(seconds, 1000 * drawing, 1000 * gaps.longest, 1000 * gaps.busiest)


def row(what: str, timed: list[Timed]) -> str:
    """Return a line of the table."""
    seconds = [stroke.seconds for stroke in timed]
    waited = f"{np.median(seconds):.2f} | {np.percentile(seconds, 95):.2f} | {max(seconds):.2f}"
    blocks = (max(getattr(t, name) for t in timed) for name in ("drawing_ms", "after_ms", "computing_ms"))
    return f"| {what} | {len(timed)} | {waited} | {' | '.join(f'{ms:.0f}' for ms in blocks)} |"


def measure(bench: CorrectionBench, count: int) -> list[str]:
    """Draw in several ways and return the table's lines."""
    lines = []
    bench.choose(sphere=False, surface=False)
    lines.append(row("the first stroke", bench.strokes(1, "Red")))
    for what, view, sphere, surface in (
        ("axial view", "Red", False, False),
        ("coronal view", "Green", False, False),
        ("axial view, sphere", "Red", True, False),
        ("axial view, 3D surface shown", "Red", False, True),
    ):
        bench.choose(sphere=sphere, surface=surface)
        lines.append(row(what, bench.strokes(count, view)))
    return lines


def scan(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> tuple[Any, str]:
    """Return the CT and its name."""
    if arguments.phantom:
        from PancreasSegLib.phantom import make_phantom

        return make_phantom(seed=3).ct, "Phantom"
    if arguments.ct:
        from PancreasSegLib.io import read_volume

        return read_volume(arguments.ct), arguments.ct.name.split(".")[0]
    parser.error("name a CT, or use --phantom")


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ct", type=Path, nargs="?")
    parser.add_argument("--phantom", action="store_true", help="a generated phantom instead of a CT")
    parser.add_argument("--strokes", type=int, default=20, help="in each way of drawing")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    sys.path.insert(0, str(TESTING))
    volume, name = scan(arguments, parser)
    bench = CorrectionBench()
    bench.open(volume, name)
    bench.segment()
    table = [
        "| strokes | number | median, s | 95 %, s | most, s | block drawing, ms | after it, ms | computing, ms |",
        "|---|---|---|---|---|---|---|---|",
        *measure(bench, arguments.strokes),
    ]
    size = " x ".join(map(str, volume.geometry.size_ijk))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    threads = os.environ.get("OMP_NUM_THREADS")
    cores = f"{os.cpu_count()} CPU cores" + (f" (OMP_NUM_THREADS={threads})" if threads else "")
    head = f"{name}, {size} voxels; {cores}, load {load}; in the test host, not 3D Slicer."
    text = "\n".join([head, "", *table, ""])
    sys.stdout.write(text)
    if arguments.output:
        title = "# Corrections by mouse, measured\n\nBy `Testing/benchmarks/correction_by_mouse.py`.\n\n"
        arguments.output.write_text(title + text, "utf-8")
    bench.host.close()


if __name__ == "__main__":
    main()
