"""A miniature dataset: bright blobs in a grey body, two organs."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
import yaml


def blob_case(seed: int, shape=(24, 40, 44)):
    """Return HU and labels (1 decoy, 2 organ) of one generated patient, z, y, x."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    hu = np.full(shape, -1000.0)
    hu[((y - 20) / 18) ** 2 + ((x - 22) / 20) ** 2 < 1] = 40
    label = np.zeros(shape, np.uint8)
    centre = np.array([12, 20, 26]) + rng.integers(-2, 3, 3)
    label[(((z - 12) / 6) ** 2 + ((y - 20) / 5) ** 2 + ((x - 12) / 4) ** 2) < 1] = 1
    label[((z - centre[0]) / 5) ** 2 + ((y - centre[1]) / 4) ** 2 + ((x - centre[2]) / 8) ** 2 < 1] = 2
    hu[label == 1] = 120
    hu[label == 2] = 200
    return hu + rng.normal(0, 8, shape), label


@pytest.fixture(scope="session")
def miniature(tmp_path_factory):
    """An MSD-style folder of four patients on a left-handed grid of 2 x 2 x 3 mm."""
    root = tmp_path_factory.mktemp("miniature")
    (root / "imagesTr").mkdir()
    (root / "labelsTr").mkdir()
    entries = []
    for number in range(4):
        hu, label = blob_case(number)
        for folder, array in (("imagesTr", hu.astype(np.int16)), ("labelsTr", label)):
            image = sitk.GetImageFromArray(array[:, ::-1])
            image.SetSpacing((2.0, 2.0, 3.0))
            image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
            sitk.WriteImage(image, str(root / folder / f"case_{number}.nii.gz"))
        entries.append({"image": f"./imagesTr/case_{number}.nii.gz", "label": f"./labelsTr/case_{number}.nii.gz"})
    content = {
        "name": "miniature",
        "labels": {"0": "background", "1": "decoy", "2": "pancreas"},
        "training": entries,
    }
    (root / "dataset.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def recipe_file(miniature, tmp_path):
    """A recipe of one small segmenter for the miniature dataset."""
    content = {
        "name": "tiny",
        "data": {
            "root": str(miniature),
            "cache": str(tmp_path / "cache"),
            "labels": ["decoy", "pancreas"],
            "folds": 2,
        },
        "output": str(tmp_path / "runs"),
        "device": "cpu",
        "precision": "fp32",
        "monitor": {"curves": False},
        "stages": {
            "segmenter": {
                "spacing_mm": [2.0, 2.0, 3.0],
                "patch_ijk": [32, 24, 16],
                "arguments": {
                    "filters": [8, 16, 16],
                    "kernel_size": [[3, 3, 3]] * 3,
                    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
                    "norm": "instance",
                    "deep_supervision": True,
                },
                "sampling": {"batch_size": 1},
                "optimizer": {"learning_rate": 0.01, "ema": 0.9},
                "steps": 6,
                "validate_every": 3,
            }
        },
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
