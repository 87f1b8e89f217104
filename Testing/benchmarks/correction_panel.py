"""How long a stroke takes from the brush to the segment, and how long the window's thread is held by it.

Run from the project's root on a quiet machine; no Qt is needed, the scene is that of slicer-core::

    python Testing/benchmarks/correction_panel.py [CT] [--strokes 30]

Without a CT a phantom of 512 x 512 x 100 voxels is generated. The default model segments it; then strokes of 15 mm
are drawn across the outline, to include and to exclude in turn, and each is awaited as the panel does it: polled
every 10 ms. The worker is the real one.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).resolve().parents[2]
POLL_S = 0.01


def scene_and_logic() -> tuple[Any, Any]:
    """Set up the scene that the panel takes for the application's, and the panel's logic."""
    import slicer

    sys.path[:0] = [str(PROJECT), str(PROJECT / "PancreasSeg")]
    scene, application = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    segmentations = slicer.vtkSlicerSegmentationsModuleLogic()
    segmentations.SetMRMLApplicationLogic(application)
    segmentations.SetMRMLScene(scene)
    slicer.mrmlScene, slicer.modules = scene, types.SimpleNamespace()
    from PancreasSegPanel.logic import PanelLogic
    from PancreasSegPanel.work.worker_client import make_client

    return scene, PanelLogic(make_client)


def scan(path: str | None) -> Any:
    """Read a CT, or generate one."""
    if path is not None:
        from PancreasSegLib import read_volume

        return read_volume(path)
    from PancreasSegLib.phantom import make_phantom

    return make_phantom(0, spacing_mm=(0.78, 0.78, 2.5), range_mm=(-125.0, 125.0)).ct


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


def row(what: str, milliseconds: list[float]) -> str:
    """One line of the table."""
    median, high = np.percentile(milliseconds, [50, 95])
    return f"| {what} | {median:.0f} | {high:.0f} | {max(milliseconds):.0f} |"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("ct", nargs="?")
    arguments.add_argument("--strokes", type=int, default=30)
    options = arguments.parse_args()
    scene, logic = scene_and_logic()
    from PancreasSegPanel.setup.self_test import add_volume

    volume = scan(options.ct)
    node = logic.segment(add_volume(scene, volume, "CT"))
    session = logic.correct(node)
    state = session._segment.state
    mask = state.within(type(state.box).whole(session.geometry))[0]
    marks = strokes(session, mask, options.strokes)
    session.prepare()
    while logic.pending:
        logic.turn()
    here, there = os.getpid(), logic.jobs.client.worker_pid
    memory = []
    whole, added, polled, back = [], [], [], []
    for mark in marks:
        start = time.perf_counter()
        session.add([mark])
        added.append(1000 * (time.perf_counter() - start))
        longest = 0.0
        while session.busy:
            time.sleep(POLL_S)
            begin = time.perf_counter()
            logic.poll()
            longest = max(longest, 1000 * (time.perf_counter() - begin))
        whole.append(1000 * (time.perf_counter() - start))
        polled.append(longest)
        memory.append((resident_mb(here), resident_mb(there)))
    while session.can_undo:
        start = time.perf_counter()
        session.undo()
        back.append(1000 * (time.perf_counter() - start))
    size = " x ".join(str(n) for n in volume.geometry.size_ijk)
    (first_here, first_there), (last_here, last_there) = memory[min(4, len(memory) - 1)], memory[-1]
    lines = [
        f"{size} voxels, {len(marks)} strokes, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        "",
        "| ms | median | 95 % | most |",
        "|---|---|---|---|",
        row("from the brush to the segment", whole),
        row("window's thread: stroke recorded", added),
        row("window's thread: answer written (longest turn)", polled),
        row("window's thread: undo", back),
        "",
        f"Memory since the 5th stroke: panel {last_here - first_here:+.0f} MB to {last_here:.0f} MB, "
        f"worker {last_there - first_there:+.0f} MB to {last_there:.0f} MB.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    logic.close()


if __name__ == "__main__":
    main()
