"""What all tests share: the place of the real CTs, skips with a reason, and a home of their own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")
settings.register_profile("pancreasseg", deadline=None)  # a busy machine is no failure
settings.load_profile("pancreasseg")

PROJECT = Path(__file__).resolve().parents[1]


def data_folder() -> Path:
    """Return where the real CTs are looked for."""
    return Path(os.environ.get("PANCREASSEG_DATA") or PROJECT.parent / "shared" / "data")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("data") and not data_folder().is_dir():
        pytest.skip(f"the real CTs are not in {data_folder()} (PANCREASSEG_DATA names another place)")
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device here")


def heed_sigint() -> None:
    """For ``preexec_fn``: a child of a background job would inherit that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def heeding_sigint():
    """What to give to ``Popen(preexec_fn=...)`` where a test interrupts the child."""
    return heed_sigint


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory):
    """Keep the tests away from the models and caches of the person who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA", "APPDATA"):
            patch.setenv(variable, str(tmp_path_factory.mktemp(variable.lower())))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the real CTs; for tests marked ``data``."""
    return data_folder()


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's root folder."""
    return PROJECT
