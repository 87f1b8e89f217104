"""Patches with random position, rotation, scale and elastic deformation, drawn in one interpolation.

Position and deformation are one sampling grid, so a patch is interpolated once from the whole case and its border
shows real anatomy rather than padding. Every draw depends on (seed, step, number in the batch) alone, so an
interrupted run continues with the very patches that an unbroken one would have seen, and several processes draw
those of one. The same code runs on the CPU and on a GPU.

A stage of slices (``spatial_dims: 2``) draws one slice of the case, turned, scaled and bent in its own plane.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from PancreasSegLib.training.case_memory import CaseMemory
from PancreasSegLib.training.channels import input_channels
from PancreasSegLib.training.contrast_phase import ContrastPhases
from PancreasSegLib.training.intensity import augment_intensity
from PancreasSegLib.training.partial_labels import Read
from PancreasSegLib.training.prepared import PreparedCase, StoredCase
from PancreasSegLib.training.recipe import AugmentationRecipe, StageRecipe
from PancreasSegLib.training.resident import ResidentCase, resident_case


class PatchSampler:
    """Draws batches of augmented patches.

    Parameters
    ----------
    cases : list of PreparedCase or StoredCase
        Training cases on the stage's grid.
    stage : StageRecipe
        Patch, sampling and augmentation.
    organ : int
        Class index of the organ that patches are centred on.
    device : torch.device
        Where cases live and patches are made.
    seed : int
        Seed of all draws.
    memory_gb : float, optional
        Budget for the cases held on the device; without it all are, from the beginning.
    labels : sequence of str, optional
        Names of the classes from 1, by which organs are shown in another contrast phase.
    """

    def __init__(
        self,
        cases: Sequence[PreparedCase | StoredCase],
        stage: StageRecipe,
        organ: int,
        device: torch.device,
        seed: int,
        memory_gb: float | None = None,
        labels: Sequence[str] = (),
    ) -> None:
        self.stage, self.device, self.seed = stage, device, seed
        self.cases = cases
        self._phases = ContrastPhases(labels)
        self._planar, self._frugal = stage.spatial_dims == 2, memory_gb is not None
        self.memory = CaseMemory(
            lambda number: resident_case(cases[number].load(), organ, device, seed),
            None if memory_gb is None else int(memory_gb * 2**30),
        )
        for number in range(0 if self._frugal else len(cases)):
            self.memory[number]
        self._base = [i for i, case in enumerate(cases) if case.base]
        self._real = [i for i, case in enumerate(cases) if not (case.phantom or case.base or case.morph)]
        self._morphs = [i for i, case in enumerate(cases) if case.morph]
        self._phantoms = [i for i, case in enumerate(cases) if case.phantom]
        self._spacing = np.asarray(stage.spacing_mm[::-1])
        self._shape = stage.patch_ijk[::-1]
        axes = [
            (torch.arange(n, device=device) - (n - 1) / 2) * s
            for n, s in zip(self._shape, self._spacing, strict=True)
        ]
        self._offsets_mm = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).float()

    def batch(
        self, step: int, numbers: Sequence[int] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, list[Read]]:
        """Return the batch of a step, or some of its samples.

        Parameters
        ----------
        step : int
            From 0.
        numbers : sequence of int, optional
            Which samples of the batch; all where left out.

        Returns
        -------
        image : Tensor of float32, shape (n, 1 or 2, z, y, x), or (n, 1 or 2, y, x) for slices
            Normalised HU, and the soft-tissue mask where the recipe has it as a channel.
        label : Tensor of int64, shape (n, z, y, x) or (n, y, x)
            Class indices.
        read : list of (tuple of int or None)
            The classes that were read, sample by sample; None means all.
        """
        images, labels, read = [], [], []
        numbers = range(self.stage.sampling.batch_size) if numbers is None else numbers
        for number in numbers:
            rng = np.random.default_rng([self.seed, step, number])
            generator = torch.Generator(device=self.device)
            generator.manual_seed(self.seed * 1_000_003 + step + (number << 40))
            case = self.memory[self._choose_case(rng)]
            image, label = self._patch(case, rng, generator)
            images.append(image)
            labels.append(label)
            read.append(case.read)
        if self._frugal:
            self.memory.expect(self._chosen(step + 1, numbers))
        return torch.stack(images), torch.stack(labels), read

    def read_in(self, step: int, numbers: Sequence[int]) -> list[Read]:
        """Return which classes were read in samples of a step, without drawing their patches."""
        return [self.cases[number].read for number in self._chosen(step, numbers)]

    def _chosen(self, step: int, numbers: Sequence[int]) -> list[int]:
        """Return the cases that samples of a step are drawn from."""
        return [self._choose_case(np.random.default_rng([self.seed, step, number])) for number in numbers]

    def _patch(
        self, case: ResidentCase, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        matrix, elastic = self._deformation(rng)
        centre = self._centre(case, rng)
        image, label = self._interpolate(case, centre, matrix, elastic, generator)
        stage = self.stage
        hu = image * ((stage.window_hu[1] - stage.window_hu[0]) / 255.0) + stage.window_hu[0]
        hu, label = augment_intensity(hu, label, stage, self._phases, rng, generator)
        channels = input_channels(hu, stage)
        return (channels[:, 0], label[0]) if self._planar else (channels, label)

    def _choose_case(self, rng: np.random.Generator) -> int:
        sampling = self.stage.sampling
        groups = (
            (self._morphs, sampling.morph_share),
            (self._phantoms, sampling.phantom_share),
            (self._base, sampling.base_share),
        )
        chosen = next((cases for cases, share in groups if cases and rng.random() < share), self._real)
        return int(rng.choice(chosen or self._base or self._phantoms))

    def _centre(self, case: ResidentCase, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return a patch centre (z, y, x) in voxels: near the organ, near another label, or anywhere."""
        sampling, draw = self.stage.sampling, rng.random()
        half = np.asarray(self._shape) / 2
        if draw < sampling.organ_share and len(case.organ):
            centre = case.organ[rng.integers(len(case.organ))] + rng.uniform(-0.35, 0.35, 3) * half
        elif draw < sampling.organ_share + sampling.label_share and case.others:
            voxels = case.others[rng.integers(len(case.others))]
            centre = voxels[rng.integers(len(voxels))] + rng.uniform(-0.35, 0.35, 3) * half
        else:
            size = np.asarray(case.image.shape, dtype=float)
            low = np.minimum(half * 0.6, size / 2)
            centre = rng.uniform(low, np.maximum(size - low, low + 1e-3))
        if self._planar:
            centre[0] = np.clip(np.rint(centre[0]), 0, case.image.shape[0] - 1)
        return np.asarray(centre, dtype=np.float64)

    def _deformation(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], float]:
        """Return the matrix from patch mm to source mm (z, y, x), and the SD of the elastic part in mm."""
        a: AugmentationRecipe = self.stage.augmentation
        matrix = np.eye(3)
        if rng.random() < a.rotation_probability:
            limits = np.deg2rad(a.rotation_deg)  # about x, y and z
            angles = rng.uniform(-limits, limits) * ((0, 0, 1) if self._planar else 1)
            for axis, angle in zip((2, 1, 0), angles, strict=True):
                matrix = matrix @ _rotation(axis, float(angle))
        if rng.random() < a.scale_probability:
            low, high = np.log(a.scale)
            axes = rng.uniform(-a.axis_scale, a.axis_scale, 3)
            factors = np.exp(rng.uniform(low, high) + axes)
            matrix = matrix @ np.diag(factors if not self._planar else (1.0, *factors[1:]))
        elastic = float(rng.uniform(0.2, 1.0)) * a.elastic_mm if rng.random() < a.elastic_probability else 0.0
        return matrix, elastic

    def _interpolate(
        self,
        case: ResidentCase,
        centre: NDArray[np.float64],
        matrix: NDArray[np.float64],
        elastic: float,
        generator: torch.Generator,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        mapping = torch.as_tensor(matrix.T, dtype=torch.float32, device=self.device)
        source = self._offsets_mm @ mapping
        if elastic > 0:
            source = source + self._elastic(elastic, generator)
        half_mm = np.abs(matrix) @ (np.asarray(self._shape) * self._spacing / 2) + 3.5 * elastic
        if self._planar:
            half_mm[0] = 0.0
        shape = np.asarray(case.image.shape)
        low = np.clip(np.floor(centre - half_mm / self._spacing) - 1, 0, shape - 2).astype(int)
        high = np.clip(np.ceil(centre + half_mm / self._spacing) + 2, low + 2, shape).astype(int)
        window = tuple(slice(lo, hi) for lo, hi in zip(low, high, strict=True))
        offset = torch.as_tensor(centre - low, dtype=torch.float32, device=self.device)
        spacing = torch.as_tensor(self._spacing, dtype=torch.float32, device=self.device)
        extent = torch.as_tensor(high - low - 1, dtype=torch.float32, device=self.device)
        grid = (((source / spacing + offset) / extent) * 2 - 1).flip(-1)[None]
        both = []
        for tensor, mode in ((case.image, "bilinear"), (case.label, "nearest")):
            part = tensor[window][None, None].float()
            both.append(F.grid_sample(part, grid, mode=mode, padding_mode="zeros", align_corners=True)[0, 0])
        return both[0], both[1].long()

    def _elastic(self, sd_mm: float, generator: torch.Generator) -> torch.Tensor:
        """Return a smooth displacement (z, y, x, 3) in mm from a coarse grid of normal draws."""
        step = self.stage.augmentation.elastic_grid_mm
        size = [max(4, int(np.ceil(n * s / step)) + 1) for n, s in zip(self._shape, self._spacing, strict=True)]
        coarse = torch.randn((1, 3, *size), device=self.device, generator=generator).clamp_(-3, 3) * sd_mm
        fine = F.interpolate(coarse, size=tuple(self._shape), mode="trilinear", align_corners=True)
        if self._planar:
            fine[:, 0] = 0.0
        return fine[0].permute(1, 2, 3, 0)


def _rotation(axis: int, angle: float) -> NDArray[np.float64]:
    """Return the rotation about an axis of a (z, y, x) frame."""
    a, b = [i for i in range(3) if i != axis]
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[a, b], matrix[b, a] = -np.sin(angle), np.sin(angle)
    return matrix
