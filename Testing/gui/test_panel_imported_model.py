"""A MONAI bundle that was imported: in the panel's list, and Segment with it finds the organ."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from panel_in_host import PanelUser

from PancreasSegLib.models.imports import import_model
from PancreasSegLib.volume import Geometry

pytest_plugins = ["panel_in_host"]  # its fixtures

MODELS = Path(__file__).resolve().parents[1] / "models"
if str(MODELS) not in sys.path:
    sys.path.append(str(MODELS))


@pytest.fixture
def imported(person: PanelUser, models: Path, tmp_path: Path) -> str:
    """A bundle that finds what is brighter than 100 HU, in a RAS space of its own, among the user's models."""
    from foreign_models import bundle_config, changed, moving_dynunet, write_bundle

    config = changed(bundle_config(), "Spacingd", pixdim=[4.0, 4.0, 5.0])
    config["inferer"]["roi_size"] = [64, 48, 32]
    bundle = write_bundle(tmp_path / "bundle", config, weights=moving_dynunet(0.5, moved=False).state_dict())
    return import_model(bundle, name="from-monai", force=True, settings={"localiser": "own"}).package.name


def test_it_is_listed_and_segments(imported: str, person: PanelUser):
    from bright_model import make_abdomen
    from test_panel_worker import dice

    from PancreasSegPanel.setup.self_test import add_volume

    geometry = Geometry((90, 70, 40), (4.0, 4.0, 5.0), (-180.0, -140.0, 900.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    ct, truth = make_abdomen(geometry=geometry)
    add_volume(person.host.scene, ct, "CT")
    person.open()
    box = person.host.find("modelComboBox")
    texts = [box.itemText(i) for i in range(box.count)]
    assert f"{imported} (version 0.3.1), not measured" in texts
    person.host.widget.logic.getParameterNode().model = imported
    person.host.process_events()
    assert person.host.find("modelLabel").text
    person.segment_and_wait()
    assert person.status.startswith("Pancreas: "), person.status
    assert dice(person, truth, geometry) > 0.8
