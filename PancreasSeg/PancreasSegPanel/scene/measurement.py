"""What was measured of one CT: kept with the segmentation, shown in the table, exported as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from PancreasSegPanel.translation import translator

_ = translator(__name__)

ATTRIBUTE = "PancreasSeg.Measurement"


@dataclass(frozen=True)
class Measurement:
    """One label of one CT.

    Attributes
    ----------
    ct : str
        Name of the CT.
    label : str
        What was measured, e.g. ``"pancreas"``.
    volume_ml, mean_hu, sd_hu : float or None
        Of the written segment.
    extent_mm : tuple of 3 float or None
        Left to right, front to back, bottom to top.
    centre_lps : tuple of 3 float or None
        Centre of gravity.
    confidence : float or None
        Expected Dice, 0 to 1.
    seconds : float
        From the click to the segment in the scene.
    model, device : str
        What made it.
    notes : list of str
        Warnings, one sentence each.
    """

    ct: str
    label: str
    volume_ml: float
    mean_hu: float | None
    sd_hu: float | None
    extent_mm: tuple[float, float, float] | None
    centre_lps: tuple[float, float, float] | None
    confidence: float | None
    seconds: float
    model: str
    device: str
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """Return the text that is kept in the segmentation's attribute."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Measurement | None:
        """Rebuild; None of a text that is none of ours."""
        try:
            values = json.loads(text)
            for key in ("extent_mm", "centre_lps"):
                values[key] = tuple(float(v) for v in values[key]) if values[key] else None
            return cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


ROWS: tuple[tuple[str, str, int], ...] = (
    ("volume_ml", _("Volume (mL)"), 1),
    ("mean_hu", _("Mean HU"), 0),
    ("sd_hu", _("SD of HU"), 0),
    ("left_right_mm", _("Left–right (mm)"), 0),
    ("front_back_mm", _("Front–back (mm)"), 0),
    ("bottom_top_mm", _("Bottom–top (mm)"), 0),
    ("confidence", _("Confidence"), 2),
    ("seconds", _("Time (s)"), 1),
)
"""Key, heading and digits of what the table shows."""


def figures(measured: Measurement) -> dict[str, float | None]:
    """Return the numbers of a measurement by the keys of `ROWS`."""
    extent: Sequence[float | None] = measured.extent_mm or (None, None, None)
    return {
        "volume_ml": measured.volume_ml,
        "mean_hu": measured.mean_hu,
        "sd_hu": measured.sd_hu,
        "left_right_mm": extent[0],
        "front_back_mm": extent[1],
        "bottom_top_mm": extent[2],
        "confidence": measured.confidence,
        "seconds": measured.seconds,
    }


def cell(value: float | None, digits: int) -> str:
    """Return a number as the table shows it; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def as_text(measured: Sequence[Measurement]) -> str:
    """Return the table with tabs, as spreadsheets paste it: one line a figure, one column a CT."""
    lines = ["\t".join(["", *(m.ct for m in measured)])]
    columns = [figures(m) for m in measured]
    lines += ["\t".join([heading, *(cell(c[key], digits) for c in columns)]) for key, heading, digits in ROWS]
    return "\n".join(lines) + "\n"


def as_csv(measured: Sequence[Measurement]) -> str:
    """Return one line a CT, with every figure in full and what made it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["ct", "label", *(row[0] for row in ROWS), "model", "device", "notes"])
    for m in measured:
        values = ["" if v is None else f"{v:.6g}" for v in figures(m).values()]
        writer.writerow([m.ct, m.label, *values, m.model, m.device, " ".join(m.notes)])
    return text.getvalue()


def store_measurement(node: Any, measured: Measurement) -> None:
    """Keep a measurement with its segmentation, so that it is saved with the scene."""
    node.SetAttribute(ATTRIBUTE, measured.to_json())


def find_measurement(node: Any | None) -> Measurement | None:
    """Return the measurement that a segmentation carries, None without one."""
    text = node.GetAttribute(ATTRIBUTE) if node is not None else None
    return Measurement.from_json(text) if text else None


def find_measurements(scene: Any) -> list[Measurement]:
    """Return the measurements of all segmentations of a scene, in the scene's order."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    found = (
        find_measurement(scene.GetNthNodeByClass(number, "vtkMRMLSegmentationNode")) for number in range(count)
    )
    return [m for m in found if m is not None]
