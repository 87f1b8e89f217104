"""Models of Auto3DSeg as 3D Slicer's MONAIAuto3DSeg keeps them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foreign_models import ball, centroid_lps

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.models.imports import import_model

NETWORK = {
    "_target_": "SegResNetDS",
    "init_filters": 4,
    "blocks_down": [1, 1],
    "norm": "BATCH",
    "in_channels": 1,
    "out_channels": 3,
    "dsdepth": 1,
}


def write_model(folder, labels="LabelValue,Name\n1,liver\n2,pancreas\n", **changes):
    """``model.pt`` with weights and configuration, and ``labels.csv``."""
    from monai.networks.nets import SegResNetDS

    folder.mkdir()
    torch.manual_seed(0)
    network = SegResNetDS(**{k: v for k, v in NETWORK.items() if k != "_target_"})
    config = {
        "network": dict(NETWORK),
        "resample_resolution": [2.0, 2.5, 3.2],
        "normalize_mode": "range",
        "intensity_bounds": [-100.0, 300.0],
        "roi_size": [16, 16, 16],
        "orientation_ras": True,
        "sigmoid": False,
        **changes,
    }
    content = {"state_dict": network.state_dict(), "config": config, "epoch": 3, "best_metric": np.float64(0.8)}
    torch.save(content, folder / "model.pt")
    (folder / "labels.csv").write_text(labels)
    return folder


def test_a_model_becomes_a_package_that_runs(models_home, tmp_path):
    package = import_model(write_model(tmp_path / "abdomen")).package
    (stage,) = package.stages
    assert (stage.axes, stage.patch_ijk, stage.spacing_mm) == ("RAS", (16, 16, 16), (2.0, 2.5, 3.2))
    assert stage.arguments["kept"] == [[2]]
    assert (stage.mean_hu, stage.std_hu) == (100.0, 200.0)
    assert stage.original.intensity == ({"step": "sigmoid"},)
    found = Segmenter.load(package, "torch:cpu", threads=1, precision="fp32").segment(
        ball(), roi="none", allow_empty=True
    )
    grid = found.probability["pancreas"].geometry
    assert grid.spacing_mm == (2.0, 2.5, 3.0)  # 3.0 mm is near enough to 3.2
    assert centroid_lps(np.ones((2, 2, 2)), grid).shape == (3,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"normalize_mode": "pet"}, "normalize_mode is 'pet'"),
        ({"network": {**NETWORK, "_target_": "os.system"}}, r"'os\.system' cannot be imported"),
        ({"labels": "a,b\n1,2\n"}, "value and the name"),
        ({"labels": "value,name\n7,pancreas\n"}, "does not fit its network"),
        ({"roi_size": [0, 1, 2]}, "roi_size is"),
    ],
)
def test_what_cannot_be_imported_gets_a_sentence(models_home, tmp_path, changes, words):
    with pytest.raises(ModelPackageError, match=words):
        import_model(write_model(tmp_path / "abdomen", **changes))
