"""Make masks worth correcting: the default model's, of known patients shown as arterial and with coarse noise.

    python Testing/benchmarks/degraded_masks.py DATA MASKS [--noise 40]
    pancreasseg benchmark-correction DATA --masks MASKS [--tool slice --views all]

DATA holds ``imagesTr`` and ``labelsTr``; MASKS gets a mask and a probability a patient. One pass, no refusal.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from other_phases import ORGANS
from scipy import ndimage

from PancreasSegLib import Segmenter, Volume, read_volume, write_mask
from PancreasSegLib.inference.settings import CascadeSettings
from PancreasSegLib.io import read_labels, write_volume
from PancreasSegLib.metrics import dice
from PancreasSegLib.training.contrast_phase import ContrastPhases


def degraded(ct: Volume, labels: np.ndarray, noise_hu: float, seed: int) -> Volume:
    """Return the scan as arterial, with noise of that SD whose grains are a few mm wide."""
    rng = np.random.default_rng(seed)
    hu, organs = torch.from_numpy(ct.voxels.astype(np.float32)), torch.from_numpy(labels.astype(np.int64))
    shown = ContrastPhases(ORGANS).show(hu, organs, "arterial", rng).numpy()
    noise = ndimage.gaussian_filter(rng.normal(size=shown.shape).astype(np.float32), (0.5, 2.5, 2.5))
    return Volume((shown + noise * (noise_hu / noise.std())).round().astype(np.int16), ct.geometry)


def main() -> None:
    """Write the masks and print how far each is off."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--noise", type=float, default=40.0, help="SD in HU")
    options = parser.parse_args()
    options.masks.mkdir(parents=True, exist_ok=True)
    settings = CascadeSettings(least_confidence=0, smallest_ml=0.1, extra_scales=())
    segmenter = Segmenter.load("default", settings=settings)
    for number, image in enumerate(sorted((options.data / "imagesTr").glob("*.nii.gz"))):
        ct, labels = read_volume(image, assume_ct=True), read_labels(options.data / "labelsTr" / image.name).voxels
        result = segmenter.segment(degraded(ct, labels, options.noise, number), allow_empty=True)
        mask, name = (result.mask > 0).astype(np.uint8), image.name.removesuffix(".nii.gz")
        write_mask(options.masks / image.name, mask, ct.geometry, labels={"pancreas": 1})
        if "pancreas" in result.probability:
            write_volume(options.masks / f"{name}_probability.nii.gz", result.probability["pancreas"])
        reference = labels == ORGANS.index("pancreas") + 1
        sys.stdout.write(f"{name}: Dice {dice(mask > 0, reference):.3f}\n")


if __name__ == "__main__":
    main()
