"""The contrast phase of a scan, guessed from the HU of aorta, liver and kidneys."""

from __future__ import annotations

import math

UNENHANCED, ARTERIAL, VENOUS, LATE = "unenhanced", "arterial", "portal venous", "late"
_UNENHANCED_AORTA_HU = 80.0
_UNENHANCED_KIDNEY_HU = 70.0
_LATE_LEAD_HU = 15.0
_ARTERIAL_LEAD_HU = 100.0


def contrast_phase(aorta_hu: float, liver_hu: float, kidney_hu: float = math.nan) -> str:
    """Guess the phase of contrast from median HU; a rule of thumb, no reader's word.

    An aorta below 80 HU holds no contrast, unless the kidney, of 70 HU or more, still holds it: that is late. An
    aorta that is at least 100 HU above the liver is arterial. One that is less than 15 HU above it has come into
    balance with the tissues, minutes after the injection: late again. All else is called portal venous.

    Parameters
    ----------
    aorta_hu, liver_hu, kidney_hu : float
        Median HU; NaN where it is not known. Without the kidney a late scan can be taken for an unenhanced one.

    Returns
    -------
    str
        Empty where aorta or liver is not known.

    Examples
    --------
    >>> contrast_phase(45, 55, 35), contrast_phase(280, 70, 120), contrast_phase(150, 110, 180)
    ('unenhanced', 'arterial', 'portal venous')
    >>> contrast_phase(70, 75, 120)
    'late'
    """
    if not (math.isfinite(aorta_hu) and math.isfinite(liver_hu)):
        return ""
    if aorta_hu < _UNENHANCED_AORTA_HU:
        return LATE if kidney_hu >= _UNENHANCED_KIDNEY_HU else UNENHANCED
    lead = aorta_hu - liver_hu
    return ARTERIAL if lead >= _ARTERIAL_LEAD_HU else LATE if lead < _LATE_LEAD_HU else VENOUS
