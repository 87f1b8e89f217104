"""What the tests of datasets share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from small_case import small_case

for _room in ("volume", "io"):
    sys.path.append(str(Path(__file__).resolve().parents[1] / _room))


@pytest.fixture
def make_case():
    return small_case
