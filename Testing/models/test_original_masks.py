"""Imported models give the masks of their own programs: nnU-Net's steps written out, and MONAI's own runner."""

from __future__ import annotations

import json
from itertools import chain, combinations, product

import numpy as np
import pytest
import torch
from foreign_models import bundle_config, changed, save_nifti, write_bundle
from nnunet_models import DATASET, checkpoint, plans, random_state, write_nnunet
from scipy.ndimage import gaussian_filter

from PancreasSegLib.inference import CascadeSettings, Segmenter
from PancreasSegLib.inference.original_grid import nnunet_grid
from PancreasSegLib.inference.original_input import interpolated
from PancreasSegLib.models import build_stage_network
from PancreasSegLib.models.imports import import_model
from PancreasSegLib.volume import Box, Geometry, Volume

LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
RAS = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
OBLIQUE = (0.0, 0.98, 0.199, 1.0, 0.0, 0.0, 0.0, 0.199, -0.98)


def scan(size=(30, 34, 26), spacing=(3.1, 2.7, 3.9), direction=LPS, seed=0) -> Volume:
    """Smooth lumps of -300 to 400 HU."""
    lumps = gaussian_filter(np.random.default_rng(seed).normal(size=size[::-1]), [2.5, 3.5, 3.0])
    hu = np.clip(lumps / lumps.std() * 150 + 60, -300, 400).astype(np.int16)
    return Volume(hu, Geometry(size, spacing, (7.0, -5.0, 30.0), direction))


def resized(image, shape, order, apart, clip=True):
    """Scikit-image's resize as nnU-Net calls it; across thick slices the nearest."""
    resize = pytest.importorskip("skimage.transform").resize
    if image.shape == tuple(shape):
        return image
    if apart is None:
        return resize(image, shape, order, mode="edge", anti_aliasing=False, clip=clip)
    moved = np.moveaxis(image, apart, 0)
    flat = [n for axis, n in enumerate(shape) if axis != apart]
    slices = np.stack([resize(part, flat, order, mode="edge", anti_aliasing=False, clip=clip) for part in moved])
    nearest = np.floor((np.arange(shape[apart]) + 0.5) * len(slices) / shape[apart]).astype(int)
    return np.moveaxis(slices[nearest], 0, apart)


def thick_axis(first, second):
    for spacing in (first, second):
        if max(spacing) / min(spacing) > 3:
            return int(np.argmax(spacing))
    return None


def nnunets_scores(voxels, scan_mm, stage, networks, mirrored=()):
    """Scores (classes, z, y, x) on the scan's grid, step by step as nnU-Net computes them."""
    wanted, patch = list(stage.spacing_mm[::-1]), list(stage.patch_ijk[::-1])
    low, high = stage.window_hu
    image = (np.clip(voxels.astype(np.float32), low, high) - stage.mean_hu) / stage.std_hu
    shape = [round(mm / new * n) for mm, new, n in zip(scan_mm, wanted, voxels.shape, strict=True)]
    image = resized(image, shape, 3, thick_axis(scan_mm, wanted))
    missing = [max(0, p - n) for p, n in zip(patch, image.shape, strict=True)]
    padded = np.pad(image, [(m // 2, m - m // 2) for m in missing])
    weight = np.zeros(patch)
    weight[tuple(n // 2 for n in patch)] = 1
    weight = gaussian_filter(weight, [n / 8 for n in patch], mode="constant")
    weight = np.maximum(weight / weight.max(), 6e-9)
    total, norm = 0, np.zeros(padded.shape)
    starts = []
    for n, p in zip(padded.shape, patch, strict=True):
        count = int(np.ceil((n - p) / (p / 2))) + 1
        starts.append([int(np.round((n - p) / max(count - 1, 1) * i)) for i in range(count)])
    flips = list(chain.from_iterable(combinations(mirrored, n) for n in range(len(mirrored) + 1)))
    for corner in product(*starts):
        where = tuple(slice(s, s + p) for s, p in zip(corner, patch, strict=True))
        found = 0
        for network, flip in product(networks, flips):
            seen = torch.from_numpy(np.flip(padded[where], flip).astype(np.float32).copy())[None, None]
            with torch.no_grad():
                found = found + np.flip(network(seen)[0].numpy(), [1 + a for a in flip])
        if isinstance(total, int):
            total = np.zeros((len(found), *padded.shape))
        total[(slice(None), *where)] += found / (len(networks) * len(flips)) * weight
        norm[where] += weight
    inside = tuple(slice(m // 2, m // 2 + n) for m, n in zip(missing, image.shape, strict=True))
    scores = (total / norm)[(slice(None), *inside)]
    return np.stack([resized(c, voxels.shape, 1, thick_axis(wanted, scan_mm)) for c in scores])


def dice(a, b):
    return 2 * np.logical_and(a, b).sum() / max(1, a.sum() + b.sum())


def ours(package, volume, **settings):
    chosen = CascadeSettings(**{**package.settings, "localiser": "none", **settings})
    segmenter = Segmenter.load(package, "torch:cpu", threads=1, precision="fp32", settings=chosen)
    return segmenter.segment(volume, roi="none", allow_empty=True)


def full_networks(model, organs=("pancreas", "cancer")):
    """The networks with all their classes, in their order."""
    package = import_model(model, name="full", organs=organs, axes="FILE", force=True).package
    stage = package.stages[0]
    return [build_stage_network(package, stage, n) for n in range(len(stage.weights))], stage


@pytest.mark.parametrize(
    ("volume", "folds", "mirrored"),
    [
        (scan(direction=OBLIQUE), ("0", "1"), False),
        (scan(size=(10, 12, 9)), ("0",), False),  # smaller than a window
        (scan(size=(60, 50, 9), spacing=(1.4, 1.6, 9.0)), ("0",), False),  # thick slices
        (scan(size=(20, 26, 16)), ("0",), True),
    ],
)
def test_the_masks_are_those_of_nnunet(models_home, tmp_path, volume, folds, mirrored):
    model = write_nnunet(tmp_path, folds=folds)
    networks, stage = full_networks(model)
    scores = nnunets_scores(
        volume.voxels, volume.geometry.spacing_mm[::-1], stage, networks, (0, 1, 2) if mirrored else ()
    )
    theirs = scores.argmax(axis=0)
    assert min(np.bincount(theirs.ravel(), minlength=3)[1:]) > 50  # the test sees both labels
    both = ours(import_model(model, organs=["pancreas", "cancer"]).package, volume, mirrored=mirrored).mask
    assert dice(both == 1, theirs == 1) > 0.998
    assert dice(both == 2, theirs == 2) > 0.998
    alone = ours(import_model(model, name="alone", organs=["cancer"]).package, volume, mirrored=mirrored).mask
    assert dice(alone == 1, theirs == 2) > 0.998


def test_a_label_of_very_many(models_home, tmp_path):
    """Each of a hundred others is ahead somewhere; windows and members are averaged, and classes interpolated."""
    names = [f"structure {n}" for n in range(117)]
    dataset = {**DATASET, "labels": {name: n for n, name in enumerate(["background", *names])}}
    model = write_nnunet(tmp_path, dataset=dataset)
    for fold in (0, 1):
        (model / f"fold_{fold}").mkdir(exist_ok=True)
        content = checkpoint(random_state(seed=fold, out_channels=118))
        torch.save(content, model / f"fold_{fold}/checkpoint_final.pth")
    volume = scan()
    networks, stage = full_networks(model, names)
    scores = nnunets_scores(volume.voxels, volume.geometry.spacing_mm[::-1], stage, networks)
    theirs = scores.argmax(axis=0)
    largest = int(np.bincount(theirs.ravel())[1:].argmax())
    found = ours(import_model(model, organs=[names[largest]]).package, volume).mask
    assert (theirs == largest + 1).sum() > 50
    assert dice(found == 1, theirs == largest + 1) > 0.998


def test_regions_are_written_as_nnunet_writes_them(models_home, tmp_path):
    labels = {"background": 0, "whole": [1, 2], "cancer": 2}
    dataset = {**DATASET, "labels": labels, "regions_class_order": [1, 2]}
    model = write_nnunet(tmp_path, dataset=dataset, state=random_state(out_channels=2))
    networks, stage = full_networks(model, ("whole", "cancer"))
    volume = scan()
    scores = nnunets_scores(volume.voxels, volume.geometry.spacing_mm[::-1], stage, networks)
    theirs = np.where(scores[1] > 0, 2, np.where(scores[0] > 0, 1, 0))
    assert min(np.bincount(theirs.ravel(), minlength=3)[1:]) > 50
    found = ours(import_model(model, organs=["whole", "cancer"]).package, volume).mask
    assert dice(found == 1, theirs == 1) > 0.998
    assert dice(found == 2, theirs == 2) > 0.998


def test_a_region_of_a_scan_is_segmented_as_a_file_of_it(models_home, tmp_path):
    """The window is as large as the patch where the scan goes on, and the mask is cut to what was asked for."""
    model = write_nnunet(tmp_path)
    package = import_model(model, organs=["pancreas", "cancer"]).package
    volume = scan(size=(60, 60, 40))
    asked = Box((20, 20, 15), (30, 34, 21))
    found = Segmenter.load(package, "torch:cpu", threads=1, precision="fp32").segment(
        volume, roi=asked, allow_empty=True
    )
    outside = found.mask.copy()
    outside[asked.slices_zyx] = 0
    assert not outside.any()
    networks, stage = full_networks(model)
    grid = found.probability["cancer"].geometry
    assert grid.size_ijk == stage.patch_ijk
    first = np.round(volume.geometry.lps_to_index(grid.index_to_lps(np.full(3, -0.5))) + 0.5).astype(int)
    last = volume.geometry.lps_to_index(grid.index_to_lps(np.array(grid.size_ijk) - 0.5)) + 0.5
    seen = Box(tuple(map(int, first)), tuple(map(int, np.round(last))))
    part = volume.cropped(seen)
    scores = nnunets_scores(part.voxels, part.geometry.spacing_mm[::-1], stage, networks)
    theirs = np.zeros(found.mask.shape, dtype=bool)
    theirs[seen.slices_zyx] = scores.argmax(axis=0) == 2
    assert theirs[asked.slices_zyx].sum() > 50
    assert dice(found.mask[asked.slices_zyx] == 2, theirs[asked.slices_zyx]) > 0.998


@pytest.mark.parametrize(
    ("n", "scan_mm", "wanted"),
    [
        ((20, 30, 25), (3.0, 0.8, 0.8), (1.5, 1.5, 1.5)),
        ((20, 30, 25), (2.5, 0.8, 0.9), (3.0, 3.0, 3.0)),
        ((12, 30, 25), (5.0, 0.8, 0.8), (2.5, 0.8, 0.8)),
        ((7, 8, 9), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    ],
)
def test_interpolation_is_that_of_nnunet(n, scan_mm, wanted):
    image = np.random.default_rng(0).normal(size=n).astype(np.float32)
    grid = nnunet_grid(n, scan_mm, wanted)
    theirs = resized(image.astype(float), grid.shape, 3, thick_axis(scan_mm, wanted), clip=False)
    assert np.abs(interpolated(image, grid.to_network) - theirs).max() < 1e-4
    back = resized(theirs, n, 1, thick_axis(wanted, scan_mm))
    assert np.abs(interpolated(theirs, grid.to_scan) - back).max() < 1e-4


def bundle_with(tmp_path, inferer=(), after=None, extra=(), pixdim=(2.9, 3.3, 3.7)):
    """A bundle whose DynUNet has random weights, so that nothing is where a mere threshold would put it."""
    from foreign_models import DYNUNET
    from monai.networks import nets

    torch.manual_seed(3)
    network = nets.DynUNet(**{**DYNUNET, "norm_name": "instance"})
    with torch.no_grad():
        network.output_block.conv.conv.weight *= 5
        network.output_block.conv.conv.bias[1] += 0.5  # so that each label has some hundred voxels of a small scan
    config = changed(bundle_config(), "Spacingd", pixdim=list(pixdim))
    config["network_def"]["norm_name"] = "instance"
    config["inferer"] |= dict(inferer)
    if extra:
        config = changed(config, "ScaleIntensityRanged")
        config["preprocessing"]["transforms"] += list(extra)
    if after:
        config["postprocessing"]["transforms"][:3] = after(config["postprocessing"]["transforms"])
    return write_bundle(tmp_path / "b", config, weights=network.state_dict())


def nearest(transforms):
    activation, invert, discrete = transforms[:3]
    return [activation, discrete, {**invert, "nearest_interp": True}]


@pytest.mark.parametrize(
    ("volume", "options"),
    [
        (scan(direction=RAS), {"inferer": {"mode": "constant", "overlap": 0.25}}),
        (scan(size=(12, 14, 11), seed=1), {"inferer": {"padding_mode": "replicate"}}),
        (scan(size=(60, 50, 9), spacing=(1.4, 1.6, 9.0)), {"after": nearest}),
        (
            scan(direction=OBLIQUE),
            {
                "extra": (
                    {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True},
                    {"_target_": "ScaleIntensityd", "keys": "image", "minv": -1.0, "maxv": 1.0},
                )
            },
        ),
    ],
)
def test_the_masks_are_those_of_monai(models_home, tmp_path, volume, options):
    pytest.importorskip("nibabel")
    import SimpleITK as sitk
    from monai.bundle import run

    bundle = bundle_with(tmp_path, **options)
    (tmp_path / "data").mkdir()
    save_nifti(volume, tmp_path / "data/scan.nii.gz")
    run(
        config_file=str(bundle / "configs/inference.json"),
        bundle_root=str(bundle),
        dataset_dir=str(tmp_path / "data"),
        output_dir=str(tmp_path / "out"),
    )
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out/scan_seg.nii.gz")))
    assert min(np.bincount(theirs.astype(int).ravel(), minlength=3)[1:]) > 50
    package = import_model(bundle, organs=["liver", "pancreas"]).package
    found = ours(package, volume).mask
    assert dice(found == 1, theirs == 1) > 0.995
    assert dice(found == 2, theirs == 2) > 0.995


def test_a_clean_up_is_a_choice(models_home, tmp_path):
    model = write_nnunet(tmp_path)
    plain = import_model(model, organs=["cancer"]).package
    clean = import_model(model, name="clean", organs=["cancer"], settings={"cleaned": True}).package
    assert json.loads((clean.path / "configs/metadata.json").read_text())["pancreasseg"]["settings"]["cleaned"]
    assert "cleaned up" in (clean.path / "MODEL_CARD.md").read_text()
    assert ours(clean, scan()).mask.sum() < ours(plain, scan()).mask.sum()


def test_slices_are_seen_one_by_one(models_home, tmp_path):
    plan = plans(patch_size=[24, 16], spacing=[4.0, 5.0])
    plan["configurations"] = {"2d": plan["configurations"]["3d_fullres"]}
    given = plan["configurations"]["2d"]["architecture"]["arch_kwargs"]
    given |= {"kernel_sizes": [[3, 3]] * 3, "strides": [[1, 1], [2, 2], [2, 2]]}
    given |= {"conv_op": "torch.nn.modules.conv.Conv2d", "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d"}
    flat = {"spatial_dims": 2, "kernel_size": 3, "strides": [1, 2, 2]}
    state = random_state(**flat)
    model = write_nnunet(tmp_path, plan=plan, trainer="nnUNetTrainer__nnUNetPlans__2d", state=state)
    content = checkpoint(state, inference_allowed_mirroring_axes=(0, 1))
    torch.save(content, model / "fold_0/checkpoint_final.pth")
    _, stage = full_networks(model)
    volume = scan()
    assert stage.original.mirrored_axes == (1, 2)
    found = ours(import_model(model, organs=["pancreas", "cancer"]).package, volume)
    assert set(np.unique(found.mask)) == {0, 1, 2}
    assert found.probability["cancer"].geometry.spacing_mm[2] == pytest.approx(3.9)
