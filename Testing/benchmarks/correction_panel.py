"""How long a stroke takes from the brush to the segment, how long learning takes, and how long the window is held.

Run from the project's root on a quiet machine; the panel runs in the test host, not in 3D Slicer::

    python Testing/benchmarks/correction_panel.py [CT] [--slices 100] [--strokes 30] [--lessons 2]

Without a CT a phantom of 512 x 512 x `slices` voxels is generated. The default model segments it; then strokes
of 15 mm are drawn across the outline, to include and to exclude in turn, each is awaited, and all are undone. A
lesson is a slice that is confirmed, and learning from it. The worker is the real one. All is done twice: with a
free event loop, and with one that keeps Python's interpreter lock while it waits, as 3D Slicer's does.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE_S = 300.0


def scan(path: str | None, slices: int) -> Any:
    """Read a CT, or generate one."""
    if path is not None:
        from PancreasSegLib import read_volume

        return read_volume(path)
    from PancreasSegLib.phantom import make_phantom

    return make_phantom(0, spacing_mm=(0.78, 0.78, 250.0 / slices), range_mm=(-125.0, 125.0)).ct


def strokes(session: Any, mask: np.ndarray, count: int) -> list[Any]:
    """Strokes in axial slices across the outline, to include and to exclude in turn."""
    from PancreasSegLib.refine import Mark

    outline = np.argwhere(mask[:, :, 1:] != mask[:, :, :-1])
    chosen = outline[np.random.default_rng(0).choice(len(outline), count, replace=False)]
    grid = session.geometry
    made = []
    for number, (z, y, x) in enumerate(chosen):
        middle = grid.index_to_lps((x, y, z))
        half, normal = np.array([7.5, 0.0, 0.0]), (0.0, 0.0, 1.0)
        line = [middle - half, middle + half]
        made.append(Mark.stroke(line, grid, include=number % 2 == 0, radius_mm=2.0, normal_lps=normal))
    return made


def resident_mb(pid: int) -> float:
    """Memory of a process in MB."""
    import psutil

    return psutil.Process(pid).memory_info().rss / 2**20


class Bench:
    """The panel in the host, with one segment under correction."""

    def __init__(self, volume: Any) -> None:
        sys.path[:0] = [str(PROJECT), str(PROJECT / "PancreasSeg"), str(PROJECT / "Testing")]
        from host import start_host

        self.host = start_host()
        from PancreasSegPanel.scene.volume_node import add_volume

        ct = add_volume(self.host.scene, volume, "CT")
        self.host.module(PROJECT / "PancreasSeg" / "PancreasSeg.py")
        self.logic = self.host.widget.logic.panel_logic
        self.session = self.logic.correct(self.logic.segment(ct))
        state = self.session._segment.state
        self.mask = state.within(type(state.box).whole(self.session.geometry))[0]
        self.session.prepare()
        self.host.process_events(lambda: not self.logic.pending, PATIENCE_S)
        self.blocks: list[float] = []

    def step(self, act: Callable[[], Any]) -> float:
        """Do something with the correction, and return the milliseconds until the segment shows it."""
        self.host.gaps.reset()
        start = time.perf_counter()
        act()
        self.host.process_events(lambda: not self.session.busy, PATIENCE_S)
        self.blocks.append(1000 * self.host.gaps.longest)
        if self.session.error is not None:
            raise self.session.error
        return 1000 * (time.perf_counter() - start)

    def undo_all(self) -> list[float]:
        """Take every step back; milliseconds of each."""
        back = []
        while self.session.can_undo:
            back.append(self.step(self.session.undo))
        return back

    def lessons(self, count: int) -> list[float]:
        """Confirm slices of the organ and learn from each; milliseconds of learning."""
        rows = np.flatnonzero(self.mask.any(axis=(1, 2)))
        took = []
        for row in rows[np.linspace(0, len(rows) - 1, count + 2).astype(int)[1:-1]]:
            self.step(lambda row=row: self.session.confirm_slice(2, int(row)))
            took.append(self.step(self.session.learn))
        return took


def row(what: str, free: list[float], kept: list[float]) -> str:
    """One line of the table: median, 95 % and most, with a free loop and with one that keeps the lock."""
    cells = [f"{value:.0f}" for times in (free, kept) for value in (*np.percentile(times, [50, 95]), max(times))]
    return f"| {what} | {' | '.join(cells)} |"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("ct", nargs="?")
    arguments.add_argument("--slices", type=int, default=100)
    arguments.add_argument("--strokes", type=int, default=30)
    arguments.add_argument("--lessons", type=int, default=2)
    options = arguments.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    volume = scan(options.ct, options.slices)
    bench = Bench(volume)
    marks = strokes(bench.session, bench.mask, options.strokes)
    done: list[list[list[float]]] = []
    here, there = os.getpid(), bench.logic.jobs.client.worker_pid
    memory = [(resident_mb(here), resident_mb(there))]
    for kept in (False, True):
        bench.host.keeps_gil = kept
        drawn = [bench.step(lambda mark=mark: bench.session.add([mark])) for mark in marks]
        if not kept:
            block = max(bench.blocks)
        memory.append((resident_mb(here), resident_mb(there)))
        back = bench.undo_all()
        learnt = bench.lessons(options.lessons)
        bench.undo_all()
        done.append([drawn, back, learnt])
    names = ("from the brush to the segment", "undo", "learning")
    size = " x ".join(str(n) for n in volume.geometry.size_ijk)
    lines = [
        f"{size} voxels, {len(marks)} strokes, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        "",
        "| ms | median | 95 % | most | lock kept: median | 95 % | most |",
        "|---|---|---|---|---|---|---|",
        *(row(*line) for line in zip(names, *done, strict=True) if line[1]),
        "",
        f"Longest turn of the free loop while strokes are drawn: {block:.0f} ms. Memory with the strokes: panel "
        f"{memory[1][0] - memory[0][0]:+.0f} MB to {memory[1][0]:.0f} MB, worker "
        f"{memory[1][1] - memory[0][1]:+.0f} MB to {memory[1][1]:.0f} MB.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    bench.host.close()


if __name__ == "__main__":
    main()
