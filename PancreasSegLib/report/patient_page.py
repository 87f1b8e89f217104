"""The page of one patient's pancreas: pictures along it, how thick it is, the table, and how far to trust them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib._version import __version__
from PancreasSegLib.measure import MEASURES, Measurements
from PancreasSegLib.measure.parts import PARTS
from PancreasSegLib.measure.straightening import StraightFrame
from PancreasSegLib.pictures.slice_view import Outline, draw_slice
from PancreasSegLib.pictures.style import PART_COLOURS, new_figure
from PancreasSegLib.report.figures import FAINT, INK, SERIES, jpeg, new_plot, svg
from PancreasSegLib.report.html_page import figure, page, paragraph, section, table, text
from PancreasSegLib.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DOUBTFUL, _UNSURE = 0.8, 0.7
_CROSS_SECTIONS = 8


@dataclass(frozen=True, eq=False)
class PatientReport:
    """What goes into a page.

    Attributes
    ----------
    title : str
        Headline.
    ct : Volume
        HU.
    measured : Measurements
        Of the pancreas on it.
    confidence : float or None
        Expected Dice of the mask; None for a mask that no model made.
    certainty : mapping of str to float
        Of the other organs, as the localiser saw them.
    warnings : sequence of str
        Sentences about what was noticed.
    origin : str
        Who or what made the mask.
    """

    title: str
    ct: Volume
    measured: Measurements
    confidence: float | None = None
    certainty: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    origin: str = ""


def patient_page(report: PatientReport) -> str:
    """Return the page as HTML in one piece."""
    measured, ct = report.measured, report.ct
    frame = StraightFrame.along(measured.centreline)
    parts = Volume(measured.parts, ct.geometry)
    values = measured.values
    head = (
        f"Pancreas: {values['volume_ml']:.1f} mL, median {values['median_hu']:.0f} HU, "
        f"{values['length_mm']:.0f} mm long, {values['thickness_mm']:.1f} mm thick (median)."
    )
    body = [
        f"<h1>{text(report.title)}</h1>",
        paragraph(head, "by"),
        *_doubt(report),
        section(
            "Slices",
            "slices",
            figure(
                _slices(ct, measured.parts),
                "From the top down; the patient's right is on the left. Head orange, body blue, tail red.",
            ),
        ),
        section(
            "Laid straight",
            "straight",
            figure(
                _straight(ct, parts, frame),
                "The centreline made straight, head on the left. Above: up is at the top; below: the front is. "
                "Towards the ends these directions are approximate.",
            ),
            figure(
                _across(ct, parts, frame, measured),
                "Planes across the centreline, from head to tail: up at the top, the front on the left.",
            ),
        ),
        section("Thickness", "thickness", figure(_profile(measured, parts), MEASURES["thickness_mm"].definition)),
        section("Measurements", "measurements", _table(values)),
        paragraph(f"{report.origin} PancreasSeg {__version__}. Research use, not a medical device.", "by"),
    ]
    return page(f"{report.title}: pancreas", body)


def _doubt(report: PatientReport) -> list[str]:
    """Say how far the numbers can be trusted."""
    said = []
    if report.confidence is not None:
        sure = report.confidence
        word = "Trustworthy" if sure >= _DOUBTFUL else "To be checked" if sure >= _UNSURE else "Doubtful"
        said.append(
            paragraph(
                f"{word}: the expected Dice of this mask against a reader is {sure:.2f}, by the network's own "
                "probabilities.",
                "" if sure >= _DOUBTFUL else "note",
            )
        )
    said += [paragraph(sentence, "note") for sentence in report.warnings]
    if report.certainty:
        named = ", ".join(f"{name} {value:.2f}" for name, value in report.certainty.items())
        said.append(
            paragraph(
                "HU of other organs, ratios and phase come from a coarse network's masks, which nobody read; its "
                f"mean probability inside them: {named}."
            )
        )
    return said


def _slices(ct: Volume, parts: NDArray[np.uint8]) -> str:
    from PancreasSegLib.pictures.strip import draw_strip

    return jpeg(
        draw_strip(ct, parts, slices=6, colours=PART_COLOURS), "axial slices with head, body and tail outlined"
    )


def _outlines(parts: NDArray[np.float32]) -> list[Outline]:
    return [Outline(parts == value, colour, 1.1) for value, colour in PART_COLOURS.items()]


def _straight(ct: Volume, parts: Volume, frame: StraightFrame) -> str:
    planes = [(frame.plane_along(ct, way), frame.plane_along(parts, way, order=0), way) for way in ("up", "front")]
    rows, columns = planes[0][0].shape
    width = 1000
    height = round(width * rows / columns)
    drawn = new_figure(width, 2 * height + 6)
    for n, (hu, inside, way) in enumerate(planes):
        axes = drawn.add_axes((0, 0.5 * (1 - n) + (0.003 if n == 0 else 0), 1, 0.497))
        caption = {"up": "up", "front": "front"}[way]
        draw_slice(axes, hu, (1.0, 1.0), _outlines(inside), caption=caption, sides=("head", "tail"), bar_mm=20)
    return jpeg(drawn, "the pancreas laid straight in two planes")


def _across(ct: Volume, parts: Volume, frame: StraightFrame, measured: Measurements) -> str:
    numbers = np.linspace(0.06, 0.94, _CROSS_SECTIONS) * (len(frame.points_lps) - 1)
    drawn = new_figure(1000, 1000 // _CROSS_SECTIONS)
    for n, number in enumerate(numbers.round().astype(int)):
        axes = drawn.add_axes((n / _CROSS_SECTIONS, 0, 1 / _CROSS_SECTIONS - 0.003, 1))
        inside = frame.plane_across(parts, number, order=0)
        caption = f"{measured.centreline.along_mm[number]:.0f} mm"
        hu = frame.plane_across(ct, number)
        draw_slice(axes, hu, (1.0, 1.0), _outlines(inside), caption=caption, sides=("", ""))
    return jpeg(drawn, "planes across the pancreas from head to tail")


def _profile(measured: Measurements, parts: Volume) -> str:
    drawn, (axes,) = new_plot(9, 2.6)
    along = measured.centreline.along_mm
    axes.plot(along, measured.thickness_mm, color=INK, linewidth=1.6)
    _shade_parts(axes, measured, parts)
    axes.set_xlabel("along the centreline, mm")
    axes.set_ylabel("thickness, mm")
    axes.set_xlim(0, along[-1])
    axes.set_ylim(0, 1.25 * float(measured.thickness_mm.max()))
    return svg(drawn, "thickness of the pancreas along its centreline")


def _shade_parts(axes: Axes, measured: Measurements, parts: Volume) -> None:
    index = np.rint(parts.geometry.lps_to_index(measured.centreline.points_lps)).astype(int)[:, ::-1]
    here = parts.voxels[tuple(np.clip(index, 0, np.asarray(parts.voxels.shape) - 1).T)]
    along = measured.centreline.along_mm
    for (name, value), colour in zip(PARTS.items(), (SERIES[1], SERIES[0], SERIES[4]), strict=True):
        if (here == value).any():
            low, high = along[here == value][[0, -1]]
            axes.axvspan(low, high, color=colour, alpha=0.13, linewidth=0)
            axes.text(
                (low + high) / 2,
                0.97,
                name,
                transform=axes.get_xaxis_transform(),
                color=FAINT,
                ha="center",
                va="top",
                fontsize=9,
            )


def _table(values: Mapping[str, Any]) -> str:
    rows, last = [], ""
    for name, measure in MEASURES.items():
        if name in values:
            value = values[name]
            said = "As above." if measure.definition == last else measure.definition
            shown = value if isinstance(value, str) else f"{value:.4g}"
            rows.append([measure.heading, shown, measure.unit, said])
            last = measure.definition
    return table("What was measured, and how.", ["Measure", "Value", "Unit", "Definition"], rows, words=(2, 3))
