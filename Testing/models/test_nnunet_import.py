"""nnU-Net v2 folders become packages with the same network, spacing, normalisation and labels."""

from __future__ import annotations

import copy
import json
import shutil
from collections import OrderedDict

import numpy as np
import pytest
import torch
from foreign_models import CENTRE_LPS, ORIENTATIONS, ball, centroid_lps
from nnunet_models import (
    DATASET,
    FEATURES,
    KERNELS,
    STRIDES,
    TRAINER,
    checkpoint,
    moving_state,
    normalised_by_batches,
    plans,
    random_state,
    write_nnunet,
)

from PancreasSegLib.errors import ModelPackageError, UntrustedModelError
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.models import build_stage_network, verify_package
from PancreasSegLib.models.imports import import_model
from PancreasSegLib.models.imports.organs import usual_organs


class Trap:
    """Writes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (type(self.path).write_text, (self.path, "code was run"))


@pytest.mark.parametrize("residual", [False, True])
def test_a_model_becomes_a_package(models_home, tmp_path, residual):
    model = write_nnunet(tmp_path, residual=residual, folds=("0", "1", "all"))
    imported = import_model(model)
    package = imported.package
    verify_package(package.path)
    assert package.name == "Dataset007_Pancreas-3d_fullres"
    assert package.labels == {"pancreas": 1}
    (stage,) = package.stages
    assert stage.network == ("nnunet-residual" if residual else "nnunet-plain")
    assert len(stage.weights) == 3
    assert stage.labels == {"background": 0, "pancreas": 1}
    assert stage.arguments["kept"] == [[1, 2]]  # a cancer of the pancreas is part of it
    assert any("sum of pancreas and cancer" in text for text in imported.notes)
    assert stage.axes == "SPL"
    assert stage.spacing_mm == (5.0, 4.0, 6.0)
    assert stage.patch_ijk == (16, 24, 8)
    assert stage.multiple_ijk == (4, 4, 2)
    assert stage.window_hu == (-96.0, 215.0)
    assert (stage.mean_hu, stage.std_hu) == (78.0, 75.4)
    for member in range(3):
        network = build_stage_network(package, stage, member)
        expected = random_state(residual, member)
        assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
    assert any("--axes" in text for text in imported.notes)
    assert stage.original.mirrored_axes == (0, 1, 2)
    assert any("--mirror" in text for text in imported.notes)


def theirs(residual):
    """The network as nnU-Net builds it, from its own package of networks."""
    unet = pytest.importorskip("dynamic_network_architectures.architectures.unet")
    common = {
        "input_channels": 1,
        "n_stages": 3,
        "features_per_stage": FEATURES,
        "conv_op": torch.nn.Conv3d,
        "kernel_sizes": KERNELS,
        "strides": STRIDES,
        "num_classes": 3,
        "conv_bias": True,
        "norm_op": torch.nn.InstanceNorm3d,
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": torch.nn.LeakyReLU,
        "nonlin_kwargs": {"inplace": True},
        "deep_supervision": True,
    }
    if residual:
        return unet.ResidualEncoderUNet(n_blocks_per_stage=[1, 2, 2], n_conv_per_stage_decoder=[1, 1], **common)
    return unet.PlainConvUNet(n_conv_per_stage=[2, 2, 2], n_conv_per_stage_decoder=[2, 2], **common)


@pytest.mark.parametrize("residual", [False, True])
def test_scores_are_those_of_nnunets_own_network(models_home, tmp_path, residual):
    network = theirs(residual)
    model = write_nnunet(tmp_path, residual=residual)
    torch.save({**checkpoint({}), "network_weights": network.state_dict()}, model / "fold_0/checkpoint_final.pth")
    package = import_model(model).package
    ours = build_stage_network(package, package.stages[0])
    network.decoder.deep_supervision = False
    x = torch.randn(1, 1, 8, 24, 16)
    with torch.no_grad():
        scores = network.eval()(x)
        expected = torch.stack([scores[:, 0], scores[:, 1:].logsumexp(1)], 1)
        assert torch.allclose(ours(x), expected, atol=1e-5)


def test_the_layers_are_in_the_order_that_nnunet_computes(models_home, tmp_path):
    """A forward pass written out from the names of the weights alone."""
    from torch.nn.functional import conv3d, conv_transpose3d, instance_norm, leaky_relu

    state = random_state()
    package = import_model(write_nnunet(tmp_path, state=state)).package
    ours = build_stage_network(package, package.stages[0])

    def layers(place, x, kernel, stride):
        for i in range(2):
            name = f"{place}.convs.{i}"
            x = conv3d(
                x,
                state[f"{name}.conv.weight"],
                state[f"{name}.conv.bias"],
                stride if i == 0 else 1,
                [k // 2 for k in kernel],
            )
            x = instance_norm(x, weight=state[f"{name}.norm.weight"], bias=state[f"{name}.norm.bias"], eps=1e-5)
            x = leaky_relu(x)
        return x

    x = torch.randn(1, 1, 8, 24, 16)
    y, skips = x, []
    for level in range(3):
        y = layers(f"encoder.stages.{level}.0", y, KERNELS[level], STRIDES[level])
        skips.append(y)
    for step, level in enumerate((1, 0)):
        name, stride = f"decoder.transpconvs.{step}", STRIDES[level + 1]
        y = conv_transpose3d(y, state[f"{name}.weight"], state[f"{name}.bias"], stride)
        y = layers(f"decoder.stages.{step}", torch.cat([y, skips[level]], 1), KERNELS[level], 1)
    y = conv3d(y, state["decoder.seg_layers.1.weight"], state["decoder.seg_layers.1.bias"])
    with torch.no_grad():
        assert torch.allclose(ours(x), torch.stack([y[:, 0], y[:, 1:].logsumexp(1)], 1), atol=1e-5)


@pytest.mark.parametrize(
    ("transpose", "axes", "base"),
    [([2, 0, 1], "", "SPL"), ([1, 0, 2], "LAS", "SAL")],
)
def test_transposed_axes_lead_where_nnunet_would_take_them(models_home, tmp_path, transpose, axes, base):
    plan = normalised_by_batches(plans())
    plan["transpose_forward"] = transpose
    spacing_zyx = (6.0, 4.0, 5.0)
    plan["configurations"]["3d_fullres"]["spacing"] = [spacing_zyx[i] for i in transpose]
    model = write_nnunet(tmp_path, plan=plan, state=moving_state())
    package = import_model(model, axes=axes or "LPS", organs=["pancreas"]).package
    stage = package.stages[0]
    assert stage.spacing_mm == spacing_zyx[::-1]
    assert stage.axes == "".join(base[i] for i in transpose)
    volume = ball(ORIENTATIONS["mirrored"])
    found = Segmenter.load(package, "cpu", threads=1, precision="fp32").segment(volume, roi="none")
    last = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0)}[stage.axes[2]]
    size = {"L": 5.0, "R": 5.0, "P": 4.0}[stage.axes[2]]
    moved = centroid_lps(found.mask, volume.geometry) - CENTRE_LPS
    assert np.allclose(moved, size * np.array(last), atol=1.2)


def test_a_reader_that_reorients_says_the_axes(models_home, tmp_path):
    plan = {**plans(), "image_reader_writer": "NibabelIOWithReorient"}
    imported = import_model(write_nnunet(tmp_path, plan=plan))
    assert imported.package.stages[0].axes == "SAR"
    assert not any("--axes" in text for text in imported.notes)


def test_plans_of_older_versions(models_home, tmp_path):
    plan = plans(
        UNet_class_name="PlainConvUNet",
        UNet_base_num_features=4,
        unet_max_num_features=6,
        n_conv_per_stage_encoder=[2, 2, 2],
        n_conv_per_stage_decoder=[2, 2],
        num_pool_per_axis=[1, 2, 2],
        pool_op_kernel_sizes=STRIDES,
        conv_kernel_sizes=KERNELS,
    )
    del plan["configurations"]["3d_fullres"]["architecture"]
    from PancreasSegLib.networks import build_network

    stage = {"filters": [4, 6, 6], "kernel_size": KERNELS, "strides": STRIDES, "out_channels": 3}
    state = build_network("nnunet-plain", **stage, blocks=[2, 2, 2], decoder_blocks=[2, 2]).state_dict()
    package = import_model(write_nnunet(tmp_path, plan=plan, state=state)).package
    assert package.stages[0].arguments["filters"] == [4, 6, 6]
    build_stage_network(package, package.stages[0])


def test_a_configuration_inherits(models_home, tmp_path):
    plan = plans()
    plan["configurations"]["3d_lowres"] = {"inherits_from": "3d_fullres", "spacing": [8.0, 8.0, 8.0]}
    model = write_nnunet(tmp_path, plan=plan, trainer="nnUNetTrainer__nnUNetPlans__3d_lowres")
    assert import_model(model).package.stages[0].spacing_mm == (8.0, 8.0, 8.0)


def test_one_of_several_configurations_in_a_zip(models_home, tmp_path):
    write_nnunet(tmp_path / "results", trainer="nnUNetTrainer__nnUNetPlans__3d_fullres")
    plan = plans()
    plan["configurations"]["3d_lowres"] = {"inherits_from": "3d_fullres", "spacing": [8.0, 8.0, 8.0]}
    lowres = "nnUNetTrainer__nnUNetPlans__3d_lowres"
    shutil.copytree(
        write_nnunet(tmp_path / "more", plan=plan, trainer=lowres),
        tmp_path / "results/Dataset007_Pancreas" / lowres,
    )
    packed = shutil.make_archive(str(tmp_path / "exported"), "zip", tmp_path / "results")
    with pytest.raises(ModelPackageError, match=r"2 trained nnU-Net models.*--training Dataset007_Pancreas/"):
        import_model(packed)
    assert import_model(packed, training="3d_lowres").package.name == "Dataset007_Pancreas-3d_lowres"
    imported = import_model(packed, training="3d_fullres", organs=["cancer", "pancreas"])
    assert imported.package.labels == {"cancer": 1, "pancreas": 2}


def test_a_network_for_slices(models_home, tmp_path):
    plan = normalised_by_batches(plans(patch_size=[24, 16], spacing=[4.0, 5.0]))
    plan["configurations"] = {"2d": plan["configurations"]["3d_fullres"]}
    given = plan["configurations"]["2d"]["architecture"]["arch_kwargs"]
    given |= {"kernel_sizes": [[3, 3]] * 3, "strides": [[1, 1], [2, 2], [2, 2]]}
    given |= {"conv_op": "torch.nn.modules.conv.Conv2d", "norm_op": "torch.nn.modules.batchnorm.BatchNorm2d"}
    weights = {name: value[:, :, 0] if value.ndim == 5 else value for name, value in moving_state().items()}
    trainer = "nnUNetTrainer__nnUNetPlans__2d"
    model = write_nnunet(tmp_path, plan=plan, trainer=trainer, state=weights)
    package = import_model(model, axes="LPS", organs=["pancreas"]).package
    stage = package.stages[0]
    assert stage.spatial_dims == 2
    assert (stage.spacing_mm, stage.patch_ijk, stage.multiple_ijk) == ((5.0, 4.0, 6.0), (16, 24, 1), (4, 4, 1))
    volume = ball(ORIENTATIONS["mirrored"])
    found = Segmenter.load(package, "cpu", threads=1, precision="fp32").segment(volume, roi="none")
    assert np.allclose(centroid_lps(found.mask, volume.geometry) - CENTRE_LPS, [5.0, 0, 0], atol=1.2)


def regions() -> dict:
    labels = {"background": 0, "whole": [1, 2], "cancer": 2}
    return {**DATASET, "labels": labels, "regions_class_order": [1, 2]}


def test_a_folder_of_another_name_says_in_the_checkpoint_what_it_is(models_home, tmp_path):
    imported = import_model(write_nnunet(tmp_path, trainer="somewhere"))
    assert imported.package.name == "Dataset007_Pancreas-3d_fullres"
    assert "nnUNetTrainer, 3d_fullres" in imported.package.description


def test_a_folder_of_another_name_whose_checkpoint_says_nothing(models_home, tmp_path):
    model = write_nnunet(tmp_path, trainer="somewhere")
    torch.save(checkpoint(random_state(), init_args={}), model / "fold_0/checkpoint_final.pth")
    with pytest.raises(ModelPackageError, match="not named Trainer__Plans__configuration"):
        import_model(model)


def test_plans_at_the_root_of_a_zip(models_home, tmp_path):
    model = write_nnunet(tmp_path)
    packed = shutil.make_archive(str(tmp_path / "weights"), "zip", model)
    assert import_model(packed).package.stages[0].spacing_mm == (5.0, 4.0, 6.0)


def test_a_lone_checkpoint_has_any_name_and_one_of_several_is_named(models_home, tmp_path):
    fold = write_nnunet(tmp_path) / "fold_0"
    (fold / "checkpoint_final.pth").rename(fold / "checkpoint_best_panorama.pth")
    assert import_model(tmp_path, name="a").package.labels == {"pancreas": 1}
    shutil.copy(fold / "checkpoint_best_panorama.pth", fold / "checkpoint_latest.pth")
    with pytest.raises(ModelPackageError, match=r"checkpoint_best_panorama\.pth.*--checkpoint"):
        import_model(tmp_path, name="b")
    assert import_model(tmp_path, name="c", checkpoint="checkpoint_latest.pth").package.name == "c"
    assert import_model(fold / "checkpoint_latest.pth", name="d").package.name == "d"


def test_a_checkpoint_alone_brings_its_plans(models_home, tmp_path):
    content = checkpoint(random_state())
    content["init_args"] |= {"plans": plans(), "dataset_json": DATASET}
    torch.save(content, tmp_path / "checkpoint_final.pth")
    assert import_model(tmp_path / "checkpoint_final.pth").package.stages[0].patch_ijk == (16, 24, 8)


def test_links_to_a_model_are_followed(models_home, tmp_path):
    (tmp_path / "here").symlink_to(write_nnunet(tmp_path / "elsewhere").parent.parent)
    assert import_model(tmp_path / "here").package.name == "Dataset007_Pancreas-3d_fullres"


def test_a_model_of_the_first_version_is_named(models_home, tmp_path):
    folder = tmp_path / "3d_fullres/Task007/nnUNetTrainerV2__nnUNetPlansv2.1"
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.pkl").write_bytes(b"x")
    (folder / "fold_0/model_final_checkpoint.model").write_bytes(b"x")
    with pytest.raises(ModelPackageError, match="nnU-Net version 1"):
        import_model(tmp_path)


def test_without_mirroring_the_axes_must_be_known(models_home, tmp_path):
    model = write_nnunet(tmp_path)
    content = checkpoint(random_state(), inference_allowed_mirroring_axes=None)
    torch.save(content, model / "fold_0/checkpoint_final.pth")
    with pytest.raises(ModelPackageError, match=r"without mirroring.*--axes RAS"):
        import_model(model)
    imported = import_model(model, axes="RAS")
    assert imported.package.stages[0].axes == "SAR"
    assert not any("--mirror" in text for text in imported.notes)
    assert import_model(model, name="filed", axes="FILE").package.stages[0].original.as_filed


@pytest.mark.parametrize(
    ("organ", "kept"),
    [
        ([], [[1, 2]]),
        (["pancreas"], [[1]]),
        (["cancer", "pancreas"], [[2], [1]]),
        (["all"], [[1], [2]]),
        (["organ=pancreas+cancer"], [[1, 2]]),
    ],
)
def test_what_is_written(models_home, tmp_path, organ, kept):
    package = import_model(write_nnunet(tmp_path), organs=organ).package
    assert package.stages[0].arguments["kept"] == kept
    assert list(package.labels.values()) == list(range(1, len(kept) + 1))


@pytest.mark.parametrize(
    ("labels", "parts"),
    [
        (["PDAC", "veins", "arteries", "pancreas", "pancreatic duct", "common bile duct"], [3, 0, 4]),
        (["pancreas", "pancreatic tumor"], [0, 1]),
        (["liver", "pancreas", "tumor"], [1]),
        (["spleen", "pancreas", "kidney_cyst_left"], [1]),
    ],
)
def test_what_belongs_to_the_pancreas_is_known(labels, parts):
    assert usual_organs(labels) == {"pancreas": [labels[i] for i in parts]}


def test_regions_are_scored_by_themselves(models_home, tmp_path):
    stage = import_model(
        write_nnunet(tmp_path, dataset=regions(), state=random_state(out_channels=2)), organs=["cancer", "whole"]
    ).package.stages[0]
    assert stage.activation == "sigmoid"
    assert stage.arguments["kept"] == [[0], [1]]  # as nnU-Net writes them: the inner one last
    assert stage.labels == {"background": 0, "whole": 1, "cancer": 2}


def cascade() -> dict:
    plan = plans(previous_stage="3d_lowres")
    return plan


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset": {**regions(), "regions_class_order": [1]}}, "regions_class_order is"),
        ({"dataset": {**DATASET, "channel_names": {"0": "CT", "1": "PET"}}}, "takes 2 images"),
        ({"dataset": {**DATASET, "labels": {"background": 0, "pancreas": 3}}}, r"labels is"),
        ({"plan": cascade()}, "cascade cannot be imported"),
        ({"plan": plans(normalization_schemes=["RGBTo01Normalization"])}, "RGBTo01Normalization"),
        ({"plan": {**plans(patch_size=[24, 16]), "transpose_forward": [1, 0, 2]}}, "leaves slices axial"),
        ({"plan": plans(spacing=[0, 1, 1])}, "spacing is"),
        ({"plan": {**plans(), "transpose_forward": [0, 0, 1]}}, "transpose_forward is"),
        ({"plan": {**plans(), "configurations": {}}}, "has no configuration"),
        ({"folds": ("x",)}, "no weights"),
    ],
)
def test_what_cannot_be_imported_gets_a_sentence(models_home, tmp_path, changes, words):
    model = write_nnunet(tmp_path, **changes)
    with pytest.raises(ModelPackageError, match=words):
        import_model(model)
    assert not models_home.exists() or not any(models_home.iterdir())


def test_a_network_of_another_class(models_home, tmp_path):
    plan = plans()
    about = plan["configurations"]["3d_fullres"]["architecture"]
    about["network_class_name"] = "os.system"
    with pytest.raises(ModelPackageError, match=r"'os\.system' cannot be imported"):
        import_model(write_nnunet(tmp_path, plan=plan))


def test_weights_of_another_network(models_home, tmp_path):
    state = random_state()
    state["decoder.seg_layers.1.bias"] = torch.zeros(7)
    with pytest.raises(ModelPackageError, match=r"has shape \[7\], not \[3\]"):
        import_model(write_nnunet(tmp_path, state=state))


def test_a_monstrous_plan_allocates_nothing(models_home, tmp_path):
    plan = copy.deepcopy(plans())
    plan["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]["features_per_stage"] = [10**7] * 3
    with pytest.raises(ModelPackageError, match="too small for 10000000 channels"):
        import_model(write_nnunet(tmp_path, plan=plan))


def test_a_checkpoint_with_code_is_refused_and_not_run(models_home, tmp_path):
    model = write_nnunet(tmp_path)
    proof = tmp_path / "proof"
    file = model / "fold_0/checkpoint_final.pth"
    torch.save(checkpoint(random_state(), init_args=Trap(proof)), file)
    for trust in (False, True):
        with pytest.raises(UntrustedModelError, match="would run code"):
            import_model(model, trust=trust)
    assert not proof.exists()
    torch.load(file, weights_only=False)
    assert proof.exists()  # the trap was real


def test_plans_that_are_no_json(models_home, tmp_path):
    model = write_nnunet(tmp_path)
    (model / "plans.json").write_text("{" * 100)
    with pytest.raises(ModelPackageError, match=r"plans\.json cannot be read"):
        import_model(model)
    (model / "plans.json").write_text(json.dumps([plans()]))
    with pytest.raises(ModelPackageError, match="not an object"):
        import_model(model)


def test_prefixes_of_wrappers_are_taken_off(models_home, tmp_path):
    model = write_nnunet(tmp_path)
    content = checkpoint(random_state())
    content["network_weights"] = OrderedDict(
        (f"module._orig_mod.{key}", value) for key, value in content["network_weights"].items()
    )
    torch.save(content, model / "fold_0/checkpoint_final.pth")
    assert import_model(tmp_path / "Dataset007_Pancreas").package.stages[0].network == "nnunet-plain"
    assert model.name == TRAINER
