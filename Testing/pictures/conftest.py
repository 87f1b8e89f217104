"""One phantom for all pictures."""

from __future__ import annotations

import pytest

from PancreasSegLib.phantom import Phantom, make_phantom


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    """A patient at 4 x 4 x 5 mm."""
    return make_phantom(2, spacing_mm=(4, 4, 5), range_mm=(-100, 100))
