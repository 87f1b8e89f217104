"""A cohort of small scans, a model that marks what is bright, and workers in this process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.extend(str(Path(__file__).parents[1] / name) for name in ("cli", "io"))
from bright_model import make_abdomen, write_bright_model

from PancreasSegLib.cohort.choice import ChoiceRule
from PancreasSegLib.cohort.cluster import ClusterSettings, open_client
from PancreasSegLib.cohort.folder import Cohort
from PancreasSegLib.cohort.index import make_index
from PancreasSegLib.cohort.run import model_key, run_cohort
from PancreasSegLib.cohort.task import TaskSettings
from PancreasSegLib.io import write_volume
from PancreasSegLib.volume import Geometry


@pytest.fixture(scope="session")
def bright(tmp_path_factory) -> Path:
    return write_bright_model(tmp_path_factory.mktemp("models") / "bright")


@pytest.fixture(scope="session")
def scans(tmp_path_factory) -> Path:
    """Two abdomens, one without a pancreas, and one whose voxels are cut off though its header is whole."""
    folder = tmp_path_factory.mktemp("scans")
    grid = Geometry((60, 46, 30), (6.0, 6.0, 6.5))
    write_volume(folder / "a.nii.gz", make_abdomen(geometry=grid)[0])
    write_volume(folder / "b.nii.gz", make_abdomen(geometry=Geometry((56, 50, 30), (6.0, 6.0, 6.5)))[0])
    write_volume(folder / "none.nii.gz", make_abdomen(pancreas=False, geometry=grid)[0])
    (folder / "cut.nii.gz").write_bytes((folder / "a.nii.gz").read_bytes()[:2000])
    return folder


@pytest.fixture(scope="session")
def client():
    with open_client(ClusterSettings(workers=1, processes=False)) as client:
        yield client


def make_cohort(folder: Path, source: str | Path, model: Path, **settings: object) -> tuple[Cohort, TaskSettings]:
    """Index a source into a cohort, with the same ids each time, and return the settings of its tasks."""
    key = folder.parent / "key"
    key.write_text("ab" * 32)
    cohort = Cohort.make(folder, key)
    make_index(str(source), cohort, ChoiceRule())
    results = cohort.path / "results" / model_key(str(model))
    return cohort, TaskSettings(str(results), str(model), **settings)


@pytest.fixture
def cohort_of(scans, bright, tmp_path):
    """Make a cohort: of the scans, or of another source."""
    return lambda source=scans, **settings: make_cohort(tmp_path / "cohort", source, bright, **settings)


@pytest.fixture(scope="session")
def finished(scans, bright, client, tmp_path_factory) -> tuple[Cohort, TaskSettings]:
    """A cohort that was run; not to be changed."""
    made = make_cohort(tmp_path_factory.mktemp("finished") / "cohort", scans, bright)
    run_cohort(made[0], client, made[1])
    return made
