"""A scan whose left and right were exchanged shows its liver on the left, and is told so."""

from __future__ import annotations

import numpy as np
import pytest

from PancreasSegLib.io import read_volume
from PancreasSegLib.phantom import make_phantom
from PancreasSegLib.roi import propose_roi
from PancreasSegLib.volume import Volume


def _mirrored(ct: Volume) -> Volume:
    return Volume(np.ascontiguousarray(ct.voxels[..., ::-1]), ct.geometry)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_phantom_and_its_mirror_image(seed):
    ct = make_phantom(seed=seed, spacing_mm=(3.0, 3.0, 4.0)).ct
    assert propose_roi(ct).landmarks["liver_side"] == "right"
    assert propose_roi(_mirrored(ct)).landmarks["liver_side"] == "left"


@pytest.mark.data
@pytest.mark.parametrize("name", ["ct/hcc_048_portal", "ct/waw_1211_arterial", "abdomen/imagesTr/abdomen_0023"])
def test_real_cts(shared_data, name):
    ct = read_volume(shared_data / f"{name}.nii.gz")
    assert propose_roi(ct).landmarks["liver_side"] == "right"
    assert propose_roi(_mirrored(ct)).landmarks["liver_side"] == "left"


@pytest.mark.data
@pytest.mark.parametrize("name", ["0005", "0009"])
def test_a_large_spleen_is_no_liver(shared_data, name):
    ct = read_volume(shared_data / "abdomen" / "imagesTr" / f"abdomen_{name}.nii.gz")
    assert propose_roi(ct).landmarks["liver_side"] != "left"
