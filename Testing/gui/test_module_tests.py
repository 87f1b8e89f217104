"""The module's own tests, run as its CTest does: each alone, and skipped where packages are not installed yet."""

from __future__ import annotations

import io

import pytest
from panel_in_host import MODULE

pytest_plugins = ["panel_in_host"]  # its fixtures


def test_they_are_skipped_with_the_reason_where_packages_are_missing(host):
    host.slicer_python.begin()
    log = io.StringIO()
    result = host.run_module_tests(MODULE, log)
    assert result.wasSuccessful(), log.getvalue()
    reasons = [reason for test, reason in result.skipped if "PancreasSegTest" in str(test)]
    assert len(reasons) == 3
    assert all(reason.startswith("openvino") and "not installed" in reason for reason in reasons), reasons


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a busy machine is no failure
@pytest.mark.parametrize("name", ["test_correct_phantom", "test_learn_phantom", "test_segment_phantom"])
def test_each_passes_alone(host, name):
    host.live_views = True
    log = io.StringIO()
    result = host.run_module_tests(MODULE, log, name)
    assert result.wasSuccessful(), log.getvalue()
    assert result.testsRun == 2 and not result.skipped  # with the empty base class, which unittest finds too
