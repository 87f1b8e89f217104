"""Other programs' own inference, in an environment with them: ``python public_peers.py KIND MODEL CT OUT ...``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch


def nnunet(model: str, ct: str, out: str, folds: str, checkpoint: str, mirror: str) -> None:
    """Run nnU-Net's predictor."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        use_mirroring=mirror == "1",
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(model, [int(f) for f in folds.split(",")], checkpoint)
    files = predictor.plans_manager.image_reader_writer_class()
    image, about = files.read_images([ct])
    files.write_seg(predictor.predict_single_npy_array(image, about), out, about)


def bundle(model: str, ct: str, out: str) -> None:
    """Run a bundle by MONAI's runner."""
    from monai.bundle import run

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "data").mkdir()
        shutil.copy(ct, place / "data/ct.nii.gz")
        run(
            config_file=f"{model}/configs/inference.json",
            bundle_root=model,
            dataset_dir=str(place / "data"),
            output_dir=str(place / "out"),
        )
        shutil.move(place / "out/ct_seg.nii.gz", out)


def auto3dseg(model: str, ct: str, out: str) -> None:
    """Run the steps of Auto3DSeg's SegResNet, by MONAI's transforms; its own program comes with no package."""
    from monai import transforms as t
    from monai.inferers import SlidingWindowInfererAdapt
    from monai.networks import nets

    content = torch.load(f"{model}/model.pt", weights_only=True)
    config = content["config"]
    network = nets.SegResNetDS(**{k: v for k, v in config["network"].items() if k != "_target_"})
    network.load_state_dict(content["state_dict"])
    low, high = config["intensity_bounds"]
    pixdim = np.array(config["resample_resolution"])
    before = t.Compose(
        [
            t.LoadImaged("image", ensure_channel_first=True),
            t.EnsureTyped("image", dtype=torch.float32),
            t.Orientationd("image", axcodes="RAS"),
            t.Spacingd("image", pixdim, min_pixdim=0.75 * pixdim, max_pixdim=1.25 * pixdim, dtype=torch.float),
            t.ScaleIntensityRanged("image", a_min=low, a_max=high, b_min=-1, b_max=1, clip=False),
            t.Lambdad("image", func=torch.sigmoid),
        ]
    )
    item = before({"image": ct})
    inferer = SlidingWindowInfererAdapt(roi_size=config["roi_size"], overlap=0.625, mode="gaussian")
    with torch.no_grad():
        item["pred"] = torch.softmax(inferer(item["image"][None], network.eval())[0], dim=0)
    back = t.Invertd("pred", transform=before, orig_keys="image", nearest_interp=False)
    found = back(item)["pred"].argmax(dim=0, keepdim=True)
    t.SaveImage(output_dir=str(Path(out).parent), output_postfix="", separate_folder=False, resample=False)(
        found, filename=out.removesuffix(".nii.gz")
    )


if __name__ == "__main__":
    torch.set_num_threads(2)
    library = torch.library.Library("torchvision", "DEF")  # one of another torch may lie beside; it is not used
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor boxes, Tensor scores, float limit) -> Tensor")
    {"nnunet": nnunet, "bundle": bundle, "auto3dseg": auto3dseg}[sys.argv[1]](*sys.argv[2:])
