"""Small sabotages of the main path, and whether a default test of the room notices each.

Run from the project's root::

    python Testing/benchmarks/sabotages.py [--only WORD] [--whole-room] [--output sabotages.md]

Each sabotage changes one line in a copy of the library; the tests that were written against it (or all of the
room's) then run there until one fails. A sabotage that none notices survives; the status is the number of those.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Sabotage:
    """One changed line.

    Attributes
    ----------
    name : str
        What no longer works.
    file : str
        Below ``PancreasSegLib``.
    line, instead : str
        Text that occurs once, and what takes its place.
    """

    name: str
    file: str
    line: str
    instead: str

    @property
    def room(self) -> str:
        """The room, whose tests are asked."""
        return self.file.split("/")[0]


SABOTAGES = (
    Sabotage(
        "stray pieces stay",
        "inference/cascade.py",
        "kept = plausible_pieces(raw, grid, probability)",
        "kept = raw",
    ),
    Sabotage("holes stay", "inference/cascade.py", "filled = filled_holes(kept, grid)", "filled = kept"),
    Sabotage(
        "crop margin 4 mm", "inference/settings.py", "crop_margin_mm: float = 20.0", "crop_margin_mm: float = 4.0"
    ),
    Sabotage(
        "no wider margin in doubt",
        "inference/cascade.py",
        "settings.doubtful_margin_mm if found.doubtful(settings) else settings.crop_margin_mm",
        "settings.crop_margin_mm",
    ),
    Sabotage("flat blending", "inference/windows.py", "np.exp(-0.5 * distance**2) if", "np.ones(size) if"),
    Sabotage(
        "the proposal is not grown",
        "inference/cascade.py",
        "region = region.grown(settings.proposal_margin_mm, ct)",
        "region = region.grown(0.0, ct)",
    ),
    Sabotage(
        "progress may fall",
        "inference/tracker.py",
        "self._base_done = total, self._fraction, done",
        "self._base_done = total, 0.0, done",
    ),
    Sabotage("uneven spacing to 0.45", "io/dicom_stack.py", "_UNEVEN = 0.15", "_UNEVEN = 0.45"),
    Sabotage("tilt to 3 degrees", "io/dicom_stack.py", "_TILT_DEGREES = 0.5", "_TILT_DEGREES = 3.0"),
    Sabotage("the body is not restored", "roi/body.py", "_RESTORED = 3", "_RESTORED = 0"),
    Sabotage("margin to the sides 5 mm", "roi/extent.py", "SIDE_MARGIN_MM = 22.0", "SIDE_MARGIN_MM = 5.0"),
    Sabotage("no widening by tilt", "roi/extent.py", "tilt = _tilt_mm(marks)", "tilt = (0.0, 0.0, 0.0)"),
    Sabotage(
        "bone above the clip",
        "roi/thresholds.py",
        "return min(BONE_HU, self.high - _BELOW_CLIP_HU) if self.clipped_high else BONE_HU",
        "return BONE_HU",
    ),
    Sabotage(
        "bone of the map above the clip",
        "roi/tissue.py",
        "bone_hu = min(_BONE_HU, intensities.high - 5.0) if intensities.clipped_high else _BONE_HU",
        "bone_hu = _BONE_HU",
    ),
    Sabotage("no inertia", "refine/propagation.py", "    inertia = 0.1\n", "    inertia = 0.0\n"),
    Sabotage("a narrow zone", "refine/propagation.py", "inner) > 0.25", "inner) > 0.75"),
)


TESTS = {
    "inference": ["Testing/inference/test_cascade_wiring.py"],
    "io": ["Testing/io/test_dicom_refusals.py"],
    "refine": ["Testing/refine/test_correction_wiring.py"],
    "roi": ["Testing/roi/test_proposal_wiring.py", "Testing/roi/test_tissue_map.py"],
}
"""By room, the tests that look for what is between its parts."""


def noticed_by(sabotage: Sabotage, whole_room: bool) -> str:
    """Return the first test that fails, empty if none does."""
    asked = [f"Testing/{sabotage.room}"] if whole_room else TESTS[sabotage.room]
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "project"
        for name in ("PancreasSegLib", "Testing"):
            shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(PROJECT / "pyproject.toml", copy)
        file = copy / "PancreasSegLib" / sabotage.file
        text = file.read_text("utf-8")
        if text.count(sabotage.line) != 1:
            raise SystemExit(f"{sabotage.line!r} is not once in {sabotage.file}: follow the code.")
        file.write_text(text.replace(sabotage.line, sabotage.instead), "utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-rf"]
        done = subprocess.run(
            [*command, *asked],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    failed = [
        line.removeprefix("FAILED ").split(" - ")[0]
        for line in done.stdout.splitlines()
        if line.startswith("FAILED ")
    ]
    return failed[0].removeprefix("Testing/") if failed else ""


def main() -> int:
    """Print a table, and return how many survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a word of the sabotages' names or files")
    parser.add_argument("--whole-room", action="store_true", help="run all tests of the room")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    chosen = [one for one in SABOTAGES if given.only in one.name or given.only in one.file]
    rows = ["# Sabotages of the main path", "", "By `python Testing/benchmarks/sabotages.py`.", ""]
    rows += ["| sabotage | in | noticed by |", "|---|---|---|"]
    survived = 0
    for one in chosen:
        found = noticed_by(one, given.whole_room)
        survived += not found
        rows.append(f"| {one.name} | `{one.file}` | {f'`{found}`' if found else 'nothing'} |")
        sys.stdout.write(rows[-1] + "\n")
        sys.stdout.flush()
    if given.output:
        given.output.write_text("\n".join(rows) + "\n", "utf-8")
    return survived


if __name__ == "__main__":
    sys.exit(main())
