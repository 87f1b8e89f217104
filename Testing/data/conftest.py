"""What the tests of datasets share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from small_case import small_case

sys.path.append(str(Path(__file__).resolve().parents[1] / "volume"))


@pytest.fixture
def make_case():
    return small_case
