"""What was measured of a case, to judge it by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from PancreasSegLib.data.adapters.source_case import Remark
from PancreasSegLib.errors import DatasetError

HISTOGRAM_EDGES_HU = tuple(range(-1050, 1601, 25))
"""Borders of the histogram's bins; what lies beyond is counted in the first and the last."""


@dataclass(frozen=True)
class LabelQuality:
    """One label of one case.

    Attributes
    ----------
    volume_ml : float
    mean_hu, sd_hu : float or None
        Under the label; None where it is empty.
    pieces : int
        Connected pieces (26 neighbours).
    largest_share : float
        Of the volume, in the largest piece.
    extent_mm : tuple of 3 float
        Left-right, anterior-posterior, superior-inferior; zeros where it is empty.
    touches : tuple of str
        Borders of the scan that it reaches: of ``left``, ``right``, ``anterior``, ``posterior``, ``inferior``,
        ``superior``.
    """

    volume_ml: float
    mean_hu: float | None = None
    sd_hu: float | None = None
    pieces: int = 0
    largest_share: float = 0.0
    extent_mm: tuple[float, ...] = (0.0, 0.0, 0.0)
    touches: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaseQuality:
    """One case.

    Attributes
    ----------
    name, patient : str
    size_ijk : tuple of int
    spacing_mm : tuple of float
    orientation : str
        To which side of the patient each axis of the file runs, such as ``"LPS"``.
    hu_range : tuple of 2 float
        Lowest and highest value.
    histogram : tuple of int
        Voxels between the borders of `HISTOGRAM_EDGES_HU`.
    content_sha256 : str
        Of the voxels in canonical axes.
    thumbnail : str
        See `PancreasSegLib.data.thumbnail`.
    labels : dict of str to LabelQuality
        Those that the case was read for.
    remarks : tuple of Remark
        What is wrong or strange with it, by itself; what stands out among the others is not in it.
    facts : dict of str to str
    """

    name: str
    patient: str
    size_ijk: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    orientation: str
    hu_range: tuple[float, float]
    histogram: tuple[int, ...]
    content_sha256: str
    thumbnail: str
    labels: dict[str, LabelQuality]
    remarks: tuple[Remark, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CaseQuality:
        """Rebuild from `to_json`.

        Raises
        ------
        DatasetError
            If it is not that.
        """
        try:
            lists = ("size_ijk", "spacing_mm", "hu_range", "histogram")
            labels = {
                str(name): LabelQuality(
                    **{**label, "extent_mm": tuple(label["extent_mm"]), "touches": tuple(label["touches"])}
                )
                for name, label in value["labels"].items()
            }
            remarks = tuple(Remark(**remark) for remark in value["remarks"])
            fields: dict[str, Any] = {key: tuple(value[key]) if key in lists else value[key] for key in value}
            return cls(**{**fields, "labels": labels, "remarks": remarks})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatasetError(
                f"This is not a case's quality: {error!r}.", "Inspect the dataset again."
            ) from error
