"""Stack the images of a DICOM series into a grid: order by position, or a sentence why not.

Order and spacing come from Image Position and Image Orientation (Patient) alone (DICOM PS3.3 C.7.6.2); file names,
instance numbers, slice locations and the nominal thickness are not trusted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import DicomSeriesError, NotACTError
from PancreasSegLib.io.dicom_header import DicomImage, DicomSeries
from PancreasSegLib.io.grid import check_spacing, orthonormal
from PancreasSegLib.io.image_file import MIN_SLICES
from PancreasSegLib.volume import Geometry

_SAME_POSITION_MM = 1e-3
_SAME_ORIENTATION = 1e-3
_MISSING = 1.5  # a gap of this many spacings lacks a slice
_UNEVEN = 0.15  # of a spacing; headers round positions to 0.1 mm, which is 0.08 of a spacing of 0.625 mm
_TILT_DEGREES = 0.5  # beyond it the far end of a 300 mm scan would lie 2.6 mm off
_HINT_PACS = "Export the whole series again."


@dataclass(frozen=True)
class Stack:
    """Images in the order of the grid's k axis.

    Attributes
    ----------
    images : list of DicomImage
    geometry : Geometry
    warnings : list of dict
        ``{"code", "sentence"}``.
    """

    images: list[DicomImage]
    geometry: Geometry
    warnings: list[dict[str, str]]


def stack_images(series: DicomSeries, where: str) -> Stack:
    """Order the images of a series along their normal and find the grid that they make.

    Parameters
    ----------
    series : DicomSeries
    where : str
        Path, to name the series in sentences.

    Raises
    ------
    NotACTError
        If the images are in colour or too few.
    DicomSeriesError
        If slices are missing, doubled, unevenly spaced, tilted, or of different size, orientation or spacing.
    GeometryError
        If the spacing is not that of a CT.
    """
    what = f"The DICOM {series.name} in {where!r}"
    images = series.slices
    _check_kind(images, what)
    orientation, spacing = _common_plane(images, what)
    rows, _ = orthonormal(_axes(orientation), what)
    normal = rows[:, 2]
    positions = np.array([image.position for image in images])
    order = np.argsort(positions @ normal, kind="stable")
    images, positions = [images[n] for n in order], positions[order]
    height = positions @ normal
    step = _even_spacing(height, images, what)
    warnings = _check_line(positions, height, rows, images, what)
    size, in_plane = images[0].size, (spacing[0], spacing[1], step)
    check_spacing(in_plane, what)
    geometry = Geometry((size[0], size[1], len(images)), in_plane, tuple(positions[0]), tuple(rows.ravel()))
    return Stack(images, geometry, warnings)


def _check_kind(images: list[DicomImage], what: str) -> None:
    if any(image.samples != 1 for image in images):
        raise NotACTError(f"{what} is in colour, so it is no CT.", "Give the CT series itself.")
    if len(images) < MIN_SLICES:
        raise NotACTError(
            f"{what} has only {len(images)} slice{'s' if len(images) > 1 else ''};"
            f" a CT volume has at least {MIN_SLICES}.",
            "Give the whole series.",
        )
    for image in images:
        if image.position is None or image.orientation is None or image.spacing is None:
            raise DicomSeriesError(
                f"{what} has images without position, orientation or pixel spacing ({image.file.name!r}).",
                _HINT_PACS,
            )


def _common_plane(images: list[DicomImage], what: str) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Return the orientation (2, 3) and pixel spacing that all images share."""
    sizes = Counter(image.size for image in images)
    if len(sizes) > 1:
        text = " and ".join(f"{count} of {columns} x {rows}" for (columns, rows), count in sizes.most_common(3))
        raise DicomSeriesError(
            f"{what} mixes image sizes: {text} pixels.", "Separate them, or name another series."
        )
    orientations = np.array([image.orientation for image in images])
    if np.abs(orientations - orientations[0]).max() > _SAME_ORIENTATION:
        raise DicomSeriesError(
            f"{what} mixes image orientations.", "Separate scout views and reformats, or name another series."
        )
    spacings = np.array([image.spacing for image in images])
    if np.abs(spacings - spacings[0]).max() > 1e-4 * spacings[0].max():
        raise DicomSeriesError(f"{what} mixes pixel spacings.", "Separate them, or name another series.")
    return orientations.mean(axis=0).reshape(2, 3), (float(spacings[0][0]), float(spacings[0][1]))


def _axes(orientation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the direction matrix; the third axis is the cross product, so that the grid is right-handed."""
    along_row, along_column = orientation
    return np.stack([along_row, along_column, np.cross(along_row, along_column)], axis=1)


def _even_spacing(height: NDArray[np.float64], images: list[DicomImage], what: str) -> float:
    """Return the distance between neighbours; refuse doubled, missing and unevenly spaced slices."""
    gaps = np.diff(height)
    doubled = np.flatnonzero(gaps < _SAME_POSITION_MM)
    if doubled.size:
        first, second = images[doubled[0]].file.name, images[doubled[0] + 1].file.name
        raise DicomSeriesError(
            f"{what} has several images at the same position: {first!r} and {second!r} both lie at"
            f" {height[doubled[0]]:.1f} mm{f' ({doubled.size} such pairs)' if doubled.size > 1 else ''}.",
            "It holds copies, or several phases or time points; separate them.",
        )
    usual = float(np.median(gaps))
    wide = np.flatnonzero(gaps > _MISSING * usual)
    if wide.size:
        n = int(wide[np.argmax(gaps[wide])])
        lost = int(np.sum(np.round(gaps[wide] / usual) - 1))
        raise DicomSeriesError(
            f"{what} lacks {lost} slice{'s' if lost != 1 else ''}: from {height[n]:.1f} to {height[n + 1]:.1f} mm"
            f" there is a gap of {gaps[n]:.1f} mm where the slices are {usual:.1f} mm apart.",
            _HINT_PACS,
        )
    step = float((height[-1] - height[0]) / (len(height) - 1))
    off = np.abs(height - (height[0] + step * np.arange(len(height))))
    if off.max() > _UNEVEN * step:
        raise DicomSeriesError(
            f"{what} has unevenly spaced slices, from {gaps.min():.2f} to {gaps.max():.2f} mm apart.",
            "Resample it to even spacing, or name another series.",
        )
    return step


def _check_line(
    positions: NDArray[np.float64],
    height: NDArray[np.float64],
    axes: NDArray[np.float64],
    images: list[DicomImage],
    what: str,
) -> list[dict[str, str]]:
    """Refuse a gantry tilt: slices that shift sideways along the stack."""
    aside = (positions - positions[0]) @ axes[:, :2]
    along = height - height[0]
    slope = along @ aside / (along @ along)
    angle = float(np.degrees(np.arctan(np.linalg.norm(slope))))
    if angle > _TILT_DEGREES:
        raise DicomSeriesError(
            f"{what} was taken with a gantry tilt of {angle:.1f} degrees, so its slices are sheared.",
            "Correct the tilt first (in 3D Slicer by 'Acquisition geometry regularization' in the DICOM plugin).",
        )
    off = float(np.abs(aside - along[:, None] * slope).max())
    if off > 1.0:
        raise DicomSeriesError(f"{what} has slices that are shifted sideways by {off:.1f} mm.", _HINT_PACS)
    tag = max(images, key=lambda image: abs(image.tilt)).tilt
    normal_tilt = float(np.degrees(np.arccos(min(1.0, float(np.abs(axes[:, 2]).max())))))
    if abs(tag) > _TILT_DEGREES and normal_tilt < _TILT_DEGREES:
        sentence = (
            f"{what} names a gantry tilt of {tag:.1f} degrees, but its positions are straight; they were believed."
        )
        return [{"code": "gantry-tilt-tag", "sentence": sentence}]
    return []
