"""Intensity augmentation in HU: noise, kernels, resolution, contrast, contrast phase, truncated scans.

The nnU-Net family (Isensee et al., Nature Methods 2021), with strengths in HU and mm, and one of our own: another
contrast phase, or each labelled organ shifted by its own number of HU.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from PancreasSegLib.training.contrast_phase import ContrastPhases
from PancreasSegLib.training.recipe import AugmentationRecipe, StageRecipe


def augment_intensity(
    hu: torch.Tensor,
    label: torch.Tensor,
    stage: StageRecipe,
    phases: ContrastPhases,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Apply the recipe's intensity augmentations to one patch.

    Parameters
    ----------
    hu : Tensor of float32, shape (z, y, x)
        HU inside the stage's window.
    label : Tensor of int64, shape (z, y, x)
        Class indices.
    stage : StageRecipe
        Window, spacing and strengths.
    phases : ContrastPhases
        The phases that the stage's labels allow.
    rng, generator
        Sources of the scalar and of the voxel-wise draws.

    Returns
    -------
    tuple of Tensor
        HU clipped to the window again, and the label (background where the scan was truncated).
    """
    a = stage.augmentation
    low, high = stage.window_hu
    air = hu <= low + 0.01 * (
        high - low
    )  # far below the window in a real scan: stays at its floor whatever the noise
    if rng.random() < a.phase_probability:
        hu = hu + _phase_shift(label, a.phase_hu, rng)
    if a.contrast_phases:
        names, shares = [None, *a.contrast_phases], list(a.contrast_phases.values())
        phase = names[int(np.searchsorted(np.cumsum([1 - sum(shares), *shares]), rng.random(), side="right"))]
        if phase is not None:
            hu = phases.show(hu, label, phase, rng)
    if rng.random() < a.blur_probability:
        hu = gaussian_blur(hu, _sigmas(rng.uniform(*a.blur_mm), stage))
    elif rng.random() < a.sharpen_probability:
        soft = gaussian_blur(hu, _sigmas(a.blur_mm[1], stage))
        hu = hu + float(rng.uniform(0.3, 1.0)) * (hu - soft)
    if rng.random() < a.intensity_probability:
        centre = float(rng.uniform(0, 100))
        hu = (hu - centre) * float(rng.uniform(*a.contrast)) + centre
        hu = hu + float(rng.normal(0, a.brightness_hu))
    if rng.random() < a.low_resolution_probability:
        hu = _low_resolution(hu, a, rng)
    if rng.random() < a.noise_probability:
        hu = hu + _noise(hu, float(rng.uniform(0, a.noise_hu)), rng, generator)
    hu = torch.where(air, low, hu).clamp(low, high)
    if rng.random() < a.gamma_probability:
        hu = _gamma(hu, low, high, float(rng.uniform(*a.gamma)), inverted=bool(rng.random() < 0.5))
    if rng.random() < a.truncate_probability:
        hu, label = _truncate(hu, label, low, rng)
    return hu, label


def gaussian_blur(image: torch.Tensor, sigma_zyx: tuple[float, float, float]) -> torch.Tensor:
    """Blur a (z, y, x) tensor by a separable Gaussian, sigmas in voxels; edges are repeated."""
    result = image[None, None]
    for axis, sigma in enumerate(sigma_zyx):
        if sigma < 0.2:
            continue
        reach = max(1, int(np.ceil(2.5 * sigma)))
        taps = torch.arange(-reach, reach + 1, device=image.device, dtype=image.dtype)
        kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
        kernel = kernel / kernel.sum()
        shape, pad = [1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]
        shape[2 + axis] = 2 * reach + 1
        pad[2 * (2 - axis)] = pad[2 * (2 - axis) + 1] = reach
        result = F.conv3d(F.pad(result, pad, mode="replicate"), kernel.reshape(shape))
    return result[0, 0]


def _sigmas(sigma_mm: float, stage: StageRecipe) -> tuple[float, float, float]:
    x, y, z = stage.spacing_mm
    return sigma_mm / z, sigma_mm / y, sigma_mm / x


def _phase_shift(label: torch.Tensor, sd_hu: float, rng: np.random.Generator) -> torch.Tensor:
    """Return a smooth map of HU shifts, one draw a labelled organ."""
    shifts = rng.normal(0, sd_hu, 256)
    shifts[0] = 0
    table = torch.as_tensor(shifts, dtype=torch.float32, device=label.device)
    kernel = [3 if length >= 3 else 1 for length in label.shape]
    margin = [length // 2 for length in kernel]
    return F.avg_pool3d(table[label][None, None], kernel, 1, margin, count_include_pad=False)[0, 0]


def _noise(hu: torch.Tensor, sd_hu: float, rng: np.random.Generator, generator: torch.Generator) -> torch.Tensor:
    """Return Gaussian noise; half of the time correlated in-plane, as a soft kernel leaves it."""
    noise = torch.randn(hu.shape, device=hu.device, generator=generator)
    if rng.random() < 0.5:
        sigma = float(rng.uniform(0.4, 1.0))
        noise = gaussian_blur(noise, (0.0, sigma, sigma))
        noise = noise / noise.std().clamp_min(1e-6)
    return noise * sd_hu


def _low_resolution(hu: torch.Tensor, a: AugmentationRecipe, rng: np.random.Generator) -> torch.Tensor:
    """Sample coarsely along z, in-plane or both, and interpolate back."""
    factor = float(rng.uniform(1.0, a.low_resolution))
    kind = rng.random()
    factors = (factor if kind < 0.7 else 1.0, *(2 * (factor if kind > 0.5 else 1.0,)))
    size = [max(min(n, 2), int(n / f)) for n, f in zip(hu.shape, factors, strict=True)]  # a slice stays one
    coarse = F.interpolate(hu[None, None], size=size, mode="trilinear", align_corners=False)
    return F.interpolate(coarse, size=tuple(hu.shape), mode="trilinear", align_corners=False)[0, 0]


def _gamma(hu: torch.Tensor, low: float, high: float, gamma: float, inverted: bool) -> torch.Tensor:
    share = ((hu - low) / (high - low)).clamp(0, 1)
    share = 1 - (1 - share) ** gamma if inverted else share**gamma
    return share * (high - low) + low


def _truncate(
    hu: torch.Tensor, label: torch.Tensor, floor: float, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let the scan end inside the patch, most often along z."""
    axis = int(rng.choice([0, 0, 0, 1, 2] if len(hu) > 1 else [1, 2]))
    size = hu.shape[axis]
    cut = int(rng.uniform(0.05, 0.4) * size)
    part = [slice(None)] * 3
    part[axis] = slice(0, cut) if rng.random() < 0.5 else slice(size - cut, size)
    hu, label = hu.clone(), label.clone()
    hu[tuple(part)] = floor
    label[tuple(part)] = 0
    return hu, label
