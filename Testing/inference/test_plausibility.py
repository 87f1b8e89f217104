"""What is drawn where no pancreas is in view is refused; a doubtful pancreas is given, with a warning."""

from __future__ import annotations

import pytest

from PancreasSegLib.inference.plausibility import observations, refusal
from PancreasSegLib.inference.settings import CascadeSettings
from PancreasSegLib.volume import Box, Geometry

CT = Geometry((100, 100, 40), (1.0, 1.0, 5.0))
INSIDE, AT_THE_END = Box((20, 20, 10), (80, 60, 20)), Box((20, 20, 0), (80, 60, 10))


@pytest.mark.parametrize(
    ("volume_ml", "confidence", "box", "sought", "refused"),
    [
        (20.0, 0.50, AT_THE_END, False, True),  # as bowel in a scan that begins below the organ
        (27.0, 0.51, AT_THE_END, False, True),
        (22.0, 0.55, AT_THE_END, False, False),  # a cut organ, unenhanced
        (80.0, 0.45, AT_THE_END, False, False),
        (9.0, 0.30, INSIDE, False, True),
        (9.0, 0.80, INSIDE, False, False),
        (30.0, 0.40, INSIDE, False, False),
        (9.0, 0.30, INSIDE, True, False),  # the user said where it is
        (1.0, 0.90, INSIDE, True, True),
    ],
)
def test_a_small_find_is_refused_where_it_is_unsure(volume_ml, confidence, box, sought, refused):
    found = {"volume_ml": volume_ml, "confidence": confidence}
    settings = CascadeSettings()
    assert bool(refusal("pancreas", found, box, CT, settings, sought=sought)) == refused
    if not refused and confidence < settings.low_confidence:
        assert "low-confidence" in [w.code for w in observations("pancreas", found, box, CT, settings)]
