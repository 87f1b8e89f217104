"""What every measure of a report means."""

from __future__ import annotations

DEFINITIONS: dict[str, tuple[str, str]] = {
    "dice": (
        "Dice",
        "Twice the common volume over the sum of both volumes; 1 is perfect, 0 is nothing in common.",
    ),
    "iou": ("IoU", "The common volume over the joint volume (Jaccard); Dice / (2 - Dice)."),
    "nsd_1mm": (
        "NSD 1 mm",
        "Normalised surface Dice: the share of both surfaces, by area, within 1 mm of the other.",
    ),
    "nsd_2mm": ("NSD 2 mm", "The same within 2 mm."),
    "nsd_3mm": ("NSD 3 mm", "The same within 3 mm."),
    "nsd_5mm": ("NSD 5 mm", "The same within 5 mm."),
    "hd95_mm": (
        "HD95, mm",
        "95 % Hausdorff distance: within it lies 95 % of each surface, by area, from the other; the larger of "
        "both directions.",
    ),
    "assd_mm": (
        "ASSD, mm",
        "Average symmetric surface distance: the mean distance to the other surface, over the area of both.",
    ),
    "precision": ("Precision", "The share of the predicted volume that is in the reference."),
    "recall": ("Recall", "The share of the reference's volume that is predicted (sensitivity)."),
    "volume_error_ml": ("Volume error, mL", "Predicted minus reference volume; positive is too large."),
    "absolute_volume_error_ml": ("Absolute volume error, mL", "Its magnitude."),
    "seconds": ("Time, s", "Of the prediction, without reading the CT; contended if the machine was busy."),
}
"""Heading and definition by measure."""

CONVENTIONS: tuple[str, ...] = (
    "Masks are compared on the reference's own grid, uncropped, unless the head of this report says otherwise.",
    "Surfaces are measured as DeepMind's surface-distance does: an element of surface in every neighbourhood "
    "of 2 x 2 x 2 voxels that is cut, as large as marching cubes makes it; distances run to the nearest "
    "element of the other surface. MONAI counts boundary voxels instead, whatever their area, so its NSD, "
    "HD95 and ASSD differ.",
    "Both masks empty: 1, and distances of 0. One mask empty: 0 for Dice, IoU, NSD, precision and recall, and"
    " no finite distance. Such a case is counted, never dropped: its distance counts in median and quartiles "
    "as the largest, and cannot enter a mean, so the table says how many there were. A scan that the model "
    "refused counts as an empty mask.",
    "Intervals of means: BCa bootstrap with patients as units, from five patients on. With fewer than 20 they are "
    "somewhat too narrow.",
    "Comparison of models: Wilcoxon's signed-rank test over patients, two-sided, exact up to 200; a distance "
    "that is infinite for one of them is the largest difference there, and in no mean. Holm's correction over "
    "the pairs of models within a measure and label, not over measures or labels.",
    "Limits of agreement: bias and 1.96 SD of the volume differences (Bland and Altman), with 95 % intervals.",
    "Confidence: the expected Dice that the run reported, from its own probabilities. Refitted: a temperature"
    " for the log-odds is fitted to all other patients and applied to the one that was left out, so nobody is"
    " judged by a fit that saw them.",
    "Contrast phase: unenhanced below 80 HU in the aorta, arterial where the aorta is 100 HU or more above "
    "the liver, less than 15 HU late, else portal venous; by the reference's aorta and liver. A rule of thumb,"
    " no reader's word.",
    "Contrast with its rim: median HU of the organ minus that of the 6 mm around it.",
)
"""How all of them are taken."""
