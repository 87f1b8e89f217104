"""What a model of another program may leave open, and what the user says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models.axes import NetworkAxes, are_axes

AS_FILED = "FILE"
"""Instead of axes: those of each scan's file."""


@dataclass(frozen=True)
class OpenEnds:
    """Answers to what only the maker knows.

    Attributes
    ----------
    axes : str
        Where the axes of the scans led that it was trained on, in the order x, y, z, e.g. ``"RAS"``; "" if the
        user said nothing; or ``"FILE"``.
    spacing_mm : tuple of 3 float or None
        Along x, y, z of the scan.
    """

    axes: str = ""
    spacing_mm: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.axes and self.axes != AS_FILED and not are_axes(self.axes):
            raise ModelPackageError(
                f"The axes {self.axes!r} are not three letters of L or R, P or A, S or I.", "For example RAS."
            )
        spacing = self.spacing_mm
        if spacing is not None and (len(spacing) != 3 or not all(0 < v < 100 for v in spacing)):
            raise ModelPackageError(f"The spacing {spacing} is not three numbers of mm.", "For example 1.5 1.5 2.")

    def checked_axes(self, found: str, file: str) -> str:
        """Return the axes that the model names, else the user's.

        Raises
        ------
        ModelPackageError
            If neither says anything.
        """
        if found or self.axes not in ("", AS_FILED):
            return found or self.axes
        raise ModelPackageError(
            f"{file} does not bring scans to fixed axes (there is no Orientationd).",
            "Say with --axes which ones the network was trained on: RAS for most NIfTI files, LPS for most DICOM.",
        )

    def checked_spacing(self, found: Sequence[float] | None, axes: str, file: str) -> tuple[float, ...]:
        """Return the spacing along the network's axes that the model names, else the user's.

        Raises
        ------
        ModelPackageError
            If neither says anything.
        """
        if found is not None:
            return tuple(found)
        if self.spacing_mm is None:
            raise ModelPackageError(
                f"{file} does not bring scans to a fixed spacing (there is no Spacingd).",
                "Say with --spacing X Y Z, in mm, which one the network was trained on.",
            )
        return NetworkAxes(axes).of_zyx(self.spacing_mm[::-1])
