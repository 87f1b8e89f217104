"""What every measurement means, in which unit, and after whom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A measurement's heading, unit and definition.

    Attributes
    ----------
    heading : str
        As a table shows it.
    unit : str
        ``mL``, ``mm``, ``HU`` ...; empty for ratios and names.
    definition : str
        How it is taken, with its source.
    """

    heading: str
    unit: str
    definition: str


_FAT = (
    "Share of voxels from -190 to -30 HU, the range of adipose tissue on CT (Yoshizumi et al., "
    "Radiology 211:283-286, 1999)"
)
_PARTS = (
    "The head, with neck and uncinate process, ends where the centreline passes the aorta's right border, in "
    "front of which the left border of the superior mesenteric vein lies (AJCC, 8th edition), or at two fifths "
    "of the line where the aorta is not known; the tail begins half-way from there to the tip."
)
_BALL = "diameter of the largest ball inside the organ that holds the point (Hildebrand and Rüegsegger, 1997)"


def _density(prefix: str, where: str, how: str) -> dict[str, Measure]:
    return {
        f"{prefix}mean_hu": Measure(f"Mean HU{where}", "HU", f"Mean of the voxels inside{how}."),
        f"{prefix}sd_hu": Measure(f"SD of HU{where}", "HU", f"Standard deviation, noise included{how}."),
        f"{prefix}median_hu": Measure(f"Median HU{where}", "HU", f"Median of the voxels inside{how}."),
        f"{prefix}p10_hu": Measure(
            f"10th percentile of HU{where}", "HU", f"A tenth of the voxels lies below{how}."
        ),
        f"{prefix}p90_hu": Measure(
            f"90th percentile of HU{where}", "HU", f"A tenth of the voxels lies above{how}."
        ),
        f"{prefix}fat_share": Measure(f"Share of fat{where}", "", f"{_FAT}{how}."),
    }


MEASURES: dict[str, Measure] = {
    "volume_ml": Measure("Volume", "mL", "Voxels inside times the volume of one."),
    "head_ml": Measure("Head", "mL", _PARTS),
    "body_ml": Measure("Body", "mL", _PARTS),
    "tail_ml": Measure("Tail", "mL", _PARTS),
    **_density("", "", ""),
    **_density("core_", ", core", "; without the outer 1.5 mm, where organ and surroundings share voxels"),
    "pancreas_minus_spleen_hu": Measure(
        "Pancreas minus spleen",
        "HU",
        "Difference of median HU, both without rim; an index of fat on unenhanced CT.",
    ),
    "pancreas_to_spleen": Measure("Pancreas to spleen", "", "Ratio of the same medians."),
    "liver_minus_spleen_hu": Measure(
        "Liver minus spleen", "HU", "Difference of median HU, both without rim; an index of fat on unenhanced CT."
    ),
    "liver_to_spleen": Measure("Liver to spleen", "", "Ratio of the same medians."),
    "phase": Measure(
        "Contrast phase",
        "",
        "Below 80 HU in the aorta unenhanced, or late where a kidney has 70 HU or more; else arterial where the "
        "aorta is 100 HU or more above the liver, late where it is less than 15 HU above it, else portal venous; "
        "a rule of thumb, no reader's word.",
    ),
    "length_mm": Measure("Length", "mm", "Length of the centreline between the two points furthest apart inside."),
    "thickness_mm": Measure("Thickness, median", "mm", f"Median along the centreline of the {_BALL}."),
    "head_thickness_mm": Measure("Thickness of the head", "mm", f"Greatest {_BALL}, in the head."),
    "body_thickness_mm": Measure("Thickness of the body", "mm", f"Greatest {_BALL}, in the body."),
    "tail_thickness_mm": Measure("Thickness of the tail", "mm", f"Greatest {_BALL}, in the tail."),
    "surface_cm2": Measure("Surface", "cm²", "Area by marching cubes on a grid of 1 mm, smoothed by 1.5 mm."),
    "surface_per_volume_mm": Measure(
        "Surface to volume", "1/mm", "Area over volume on that grid: grows with lobulation, falls with size."
    ),
    "sphericity": Measure("Sphericity", "", "Area of the ball of equal volume over the area (Wadell, 1935)."),
    "convexity": Measure("Convexity", "", "Volume over the volume of the convex hull."),
}
"""By name; ``NAME_hu`` of another organ is its median HU without the outer 3 mm."""
