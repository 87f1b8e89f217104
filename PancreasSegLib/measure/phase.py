"""The contrast phase of a scan, guessed from the HU of aorta and liver."""

from __future__ import annotations

import math

UNENHANCED, ARTERIAL, VENOUS = "unenhanced", "arterial", "portal venous or later"
_UNENHANCED_AORTA_HU = 80.0
_ARTERIAL_LEAD_HU = 100.0


def contrast_phase(aorta_hu: float, liver_hu: float) -> str:
    """Guess the phase of contrast from median HU; a rule of thumb, no reader's word.

    An aorta below 80 HU holds no contrast; one that is at least 100 HU above the liver is arterial; all else is
    called portal venous or later.

    Parameters
    ----------
    aorta_hu, liver_hu : float
        Median HU; NaN where it is not known.

    Returns
    -------
    str
        Empty where either is not known.

    Examples
    --------
    >>> contrast_phase(45, 55), contrast_phase(280, 70), contrast_phase(150, 110)
    ('unenhanced', 'arterial', 'portal venous or later')
    """
    if not (math.isfinite(aorta_hu) and math.isfinite(liver_hu)):
        return ""
    if aorta_hu < _UNENHANCED_AORTA_HU:
        return UNENHANCED
    return ARTERIAL if aorta_hu - liver_hu >= _ARTERIAL_LEAD_HU else VENOUS
