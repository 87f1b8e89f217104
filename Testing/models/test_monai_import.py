"""MONAI bundles become packages that find the same as MONAI's own runner."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from foreign_models import (
    CENTRE_LPS,
    METADATA,
    ORIENTATIONS,
    ball,
    bundle_config,
    centroid_lps,
    changed,
    moving_dynunet,
    save_nifti,
    write_bundle,
)

from PancreasSegLib.inference import Segmenter
from PancreasSegLib.models import find_package, verify_package
from PancreasSegLib.models.imports import import_model


def segmented(package, volume):
    segmenter = Segmenter.load(package, "cpu", threads=1, precision="fp32")
    return segmenter.segment(volume, roi="none")


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.logical_and(a, b).sum() / (a.sum() + b.sum())


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "abdomen_finder")


def test_a_bundle_becomes_a_package(bundle, models_home):
    imported = import_model(bundle)
    package = imported.package
    assert (package.name, imported.kind) == ("Abdomen-finder", "MONAI bundle")
    assert package.path == models_home / "Abdomen-finder"
    assert package == find_package("Abdomen-finder")
    verify_package(package.path)
    assert package.labels == {"pancreas": 1}
    (stage,) = package.stages
    assert stage.labels == {"background": 0, "pancreas": 1}
    assert stage.arguments["kept"] == [[2]]
    assert (stage.axes, stage.activation) == ("RAS", "softmax")
    assert stage.spacing_mm == (4.0, 5.0, 6.0)
    assert stage.patch_ijk == (24, 16, 16)
    assert stage.window_hu == (-100.0, 300.0)
    assert (stage.mean_hu, stage.std_hu) == pytest.approx((-100.0, 400.0))
    assert package.settings == {
        "single_pass": True,
        "extra_scales": (),
        "overlap": 0.5,
        "cleaned": False,
        "localiser": "default",
    }
    assert (package.version, package.licence) == ("0.3.1", "CC0-1.0")
    assert (package.path / "LICENSE").read_text() == "CC0\n"
    card = (package.path / "MODEL_CARD.md").read_text()
    assert "A paper." in card and "-100 to 300" in card
    assert not list(package.path.rglob("*.pt"))


def test_the_mask_is_that_of_monais_own_runner(models_home, tmp_path):
    pytest.importorskip("nibabel")
    from monai.bundle import run

    # coarse voxels would lie elsewhere in the ball in the one grid than in the other
    bundle = write_bundle(tmp_path / "b", changed(bundle_config(), "Spacingd", pixdim=[1.8, 2.0, 2.2]))
    data = tmp_path / "data"
    data.mkdir()
    volume = ball(ORIENTATIONS["sagittal"])
    save_nifti(volume, data / "scan.nii.gz")
    run(
        config_file=str(bundle / "configs/inference.json"),
        bundle_root=str(bundle),
        dataset_dir=str(data),
        output_dir=str(tmp_path / "out"),
    )
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out/scan_seg.nii.gz"))) == 2
    ours = segmented(import_model(bundle).package, volume).mask == 1
    assert theirs.sum() > 1000
    assert dice(ours, theirs) > 0.97


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SPL", "IRA"])
def test_every_axis_leads_where_the_bundle_says(models_home, tmp_path, axes):
    config = changed(bundle_config(), "Orientationd", axcodes=axes)
    package = import_model(write_bundle(tmp_path / "b", config)).package
    volume = ball(ORIENTATIONS["sagittal"])
    mask = segmented(package, volume).mask
    letters = {"L": (1, 0, 0), "P": (0, 1, 0), "S": (0, 0, 1), "R": (-1, 0, 0), "A": (0, -1, 0), "I": (0, 0, -1)}
    first, last = np.array(letters[axes[0]]), np.array(letters[axes[2]])
    moved = centroid_lps(mask, volume.geometry) - CENTRE_LPS
    assert np.allclose(moved, -4.0 * first + 6.0 * last, atol=1.0)


def test_a_sigmoid_without_a_background(models_home, tmp_path):
    config = changed(bundle_config(), "Activationsd", softmax=False, sigmoid=True)
    config = changed(config, "AsDiscreted", argmax=False, threshold=0.5)
    config["network_def"]["out_channels"] = 2
    metadata = json.loads(json.dumps(METADATA))
    metadata["network_data_format"]["outputs"]["pred"]["channel_def"] = {"0": "pancreas", "1": "liver"}
    weights = moving_dynunet(0.5, channel=0, out_channels=2).state_dict()
    with torch.no_grad():
        weights["output_block.conv.conv.bias"][1] = -20  # no liver anywhere
    package = import_model(write_bundle(tmp_path / "b", config, metadata, weights)).package
    assert package.stages[0].activation == "sigmoid"
    assert package.stages[0].labels == {"background": 0, "pancreas": 1}
    found = segmented(package, ball()).mask
    others = moving_dynunet(0.5).state_dict()
    others["output_block.conv.conv.bias"][1] = -20  # as unlikely there: a third class would lower what wins
    soft = segmented(import_model(write_bundle(tmp_path / "s", weights=others), name="soft").package, ball()).mask
    assert dice(found == 1, soft == 1) > 0.97


def test_monais_runner_runs_the_package_that_came_of_a_bundle(models_home, tmp_path):
    """Other axes than ours, and a sigmoid: what is imported can be given back."""
    pytest.importorskip("nibabel")
    from monai.bundle import run

    config = changed(bundle_config(), "Activationsd", softmax=False, sigmoid=True)
    config = changed(config, "Spacingd", pixdim=[1.8, 2.0, 2.2])
    metadata = json.loads(json.dumps(METADATA))
    names = {"0": "liver", "1": "spleen", "2": "pancreas"}
    metadata["network_data_format"]["outputs"]["pred"]["channel_def"] = names
    weights = moving_dynunet(0.5).state_dict()
    weights["output_block.conv.conv.bias"][:2] = -20  # nothing else anywhere
    package = import_model(write_bundle(tmp_path / "b", config, metadata, weights)).package
    data = tmp_path / "data"
    data.mkdir()
    volume = ball(ORIENTATIONS["sagittal"])
    save_nifti(volume, data / "scan.nii.gz")
    out = tmp_path / "out"
    file = package.path / "configs/inference.json"
    run(config_file=str(file), bundle_root=str(package.path), dataset_dir=str(data), output_dir=str(out))
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "scan_pancreas.nii.gz")))
    assert dice(segmented(package, volume).mask == 1, theirs == 1) > 0.97


def test_the_organ_is_chosen_by_name(bundle, models_home):
    assert import_model(bundle, name="a", organs=["PANCREAS", "liver"]).package.labels == {
        "pancreas": 1,
        "liver": 2,
    }
    with pytest.raises(Exception, match=r"does not find 'spleen'.*liver"):
        import_model(bundle, name="b", organs=["spleen"])


def test_without_a_pancreas_the_organ_must_be_said(models_home, tmp_path):
    metadata = json.loads(json.dumps(METADATA))
    metadata["network_data_format"]["outputs"]["pred"]["channel_def"] = {
        "0": "background",
        "1": "liver",
        "2": "spleen",
    }
    bundle = write_bundle(tmp_path / "b", metadata=metadata)
    with pytest.raises(Exception, match=r"liver, spleen, and no pancreas.*--organ"):
        import_model(bundle)
    package = import_model(bundle, organs=["spleen"]).package
    assert package.labels == {"spleen": 1}
    assert segmented(package, ball()).mask.any()


def test_a_zip_with_or_without_a_folder_around_it(bundle, models_home, tmp_path):
    inside = shutil.make_archive(str(tmp_path / "inside"), "zip", bundle)
    around = shutil.make_archive(str(tmp_path / "around"), "zip", bundle.parent, bundle.name)
    stages = [import_model(file, name=f"zip{i}").package.stages for i, file in enumerate((inside, around))]
    assert stages[0] == stages[1]


def test_yaml_references_and_legacy_separators(models_home, tmp_path):
    yaml = pytest.importorskip("yaml")
    config = bundle_config(numbers={"pixdim": [4.0, 5.0, 6.0], "classes": 3})
    config = changed(config, "Spacingd", pixdim="@numbers#pixdim")
    config["network_def"]["out_channels"] = "@numbers::classes"
    bundle = write_bundle(tmp_path / "b", config)
    (bundle / "configs/inference.json").unlink()
    (bundle / "configs/inference.yaml").write_text(yaml.safe_dump(config))
    assert import_model(bundle).package.stages[0].spacing_mm == (4.0, 5.0, 6.0)


def test_constants_of_normalisation_are_composed(models_home, tmp_path):
    config = bundle_config()
    scaling = changed(config, "ScaleIntensityRanged", b_min=-1.0, b_max=1.0)["preprocessing"]["transforms"]
    normalise = {"_target_": "NormalizeIntensityd", "keys": "image", "subtrahend": 0.5, "divisor": 0.25}
    config["preprocessing"]["transforms"] = [*scaling, normalise]
    stage = import_model(write_bundle(tmp_path / "b", config)).package.stages[0]
    hu = np.array([-100.0, 20.0, 300.0])
    expected = (((hu + 100) / 400 * 2 - 1) - 0.5) / 0.25
    assert np.allclose((hu - stage.mean_hu) / stage.std_hu, expected)
    assert stage.window_hu == pytest.approx((-100.0, 300.0))


def test_what_the_bundle_leaves_open_is_asked(models_home, tmp_path):
    without = changed(changed(bundle_config(), "Spacingd"), "Orientationd")
    bundle = write_bundle(tmp_path / "b", without)
    with pytest.raises(Exception, match=r"Orientationd.*--axes"):
        import_model(bundle)
    with pytest.raises(Exception, match=r"Spacingd.*--spacing"):
        import_model(bundle, axes="SPL")
    stage = import_model(bundle, axes="SPL", spacing_mm=(4.0, 5.0, 6.0)).package.stages[0]
    assert (stage.axes, stage.spacing_mm, stage.patch_ijk) == ("SPL", (4.0, 5.0, 6.0), (16, 16, 24))


def test_a_taken_name_is_kept_unless_forced(bundle, models_home):
    import_model(bundle)
    with pytest.raises(Exception, match=r"there is a model package|There is a model package"):
        import_model(bundle)
    import_model(bundle, force=True)
    with pytest.raises(Exception, match="cannot be the name"):
        import_model(bundle, name="default")


def test_it_is_not_fine_tuned_by_a_trainer_that_knows_other_axes(bundle, models_home):
    from PancreasSegLib.errors import RecipeError
    from PancreasSegLib.training.finetune_recipe import package_stage

    with pytest.raises(RecipeError, match="imported from another program"):
        package_stage(import_model(bundle).package, "segmenter")
