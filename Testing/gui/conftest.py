"""The test host, for every test here; without what it needs they are skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from host import unavailable


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = unavailable()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gui)
            if reason:
                item.add_marker(pytest.mark.skip(reason=f"the test host cannot run: {reason}"))


@pytest.fixture(scope="session")
def _running_host():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QT_QPA_PLATFORM", os.environ.get("PANCREASSEG_QT_PLATFORM", "offscreen"))
        from host import start_host

        running = start_host()
        yield running
        running.close()


@pytest.fixture
def host(_running_host):
    """The host with an empty scene and no module; a test that leaves an exception of a slot behind fails."""
    _running_host.reset()
    yield _running_host
    errors = list(_running_host.slot_errors)
    _running_host.reset()
    errors += _running_host.slot_errors
    _running_host.slot_errors.clear()
    if errors:
        pytest.fail("exceptions in slots, which 3D Slicer would only print:\n" + "\n".join(errors), pytrace=False)
