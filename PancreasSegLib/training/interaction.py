"""Masks as a reader finds them, and the marks that the reader makes: what a refiner learns from.

Masks with realistic errors come from the network that is to be corrected; parts that are missing, tissue that was
taken by mistake and a boundary that wavers are put in on top. Marks are drawn where a reader would draw them
(Xu et al., Deep Interactive Object Selection, CVPR 2016; Sofiiuk et al., Reviving Iterative Training with Mask
Guidance, ICIP 2022, for the mask as an input).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from PancreasSegLib.evaluation.simulated_user import SimulatedUser
from PancreasSegLib.refine.encoding import correction_channels
from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED
from PancreasSegLib.training.partial_labels import Read
from PancreasSegLib.training.patches import PatchSampler
from PancreasSegLib.training.recipe import InteractionRecipe

Array = NDArray[np.bool_]


class InteractionSampler:
    """Adds a faulty mask and marks to the patches of another sampler.

    Parameters
    ----------
    patches : PatchSampler
        Gives image and label.
    recipe : InteractionRecipe
        How masks are spoilt and marks are drawn.
    organ : int
        Class index of the organ that is corrected.
    network : Module or None
        Proposes masks from the image alone; without one, all masks are spoilt references.
    """

    def __init__(
        self, patches: PatchSampler, recipe: InteractionRecipe, organ: int, network: nn.Module | None = None
    ) -> None:
        self.patches, self.recipe, self.organ = patches, recipe, organ
        self.spacing = tuple(patches.stage.spacing_mm[::-1])
        self._network = network.eval().requires_grad_(False) if network is not None else None

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor, list[Read]]:
        """Return the batch of a step: image with three more channels, label, and the classes that were read."""
        image, label, read = self.patches.batch(step)
        proposed = self._proposed(image)
        extra = []
        for number in range(len(label)):
            rng = np.random.default_rng([self.patches.seed, step, number, 7])
            reference = (label[number] == self.organ).cpu().numpy()
            proposal = None if proposed is None else proposed[number]
            mask, marks = self.interaction(image[number, 0].cpu().numpy(), reference, proposal, rng)
            extra.append(torch.from_numpy(correction_channels(mask, marks, self.spacing)))
        return torch.cat([image, torch.stack(extra).to(image)], dim=1), label, read

    def interaction(
        self, image: NDArray[np.float32], reference: Array, proposal: Array | None, rng: np.random.Generator
    ) -> tuple[Array, NDArray[np.uint8]]:
        """Return a faulty mask and the marks on it, both of shape (z, y, x).

        Parameters
        ----------
        image : ndarray of float32, shape (z, y, x)
            Normalised HU.
        reference : ndarray of bool, shape (z, y, x)
            The organ.
        proposal : ndarray of bool, shape (z, y, x), or None
            What a network proposes.
        rng : Generator
            Source of all draws.
        """
        r = self.recipe
        if rng.random() < r.empty_probability:
            mask = np.zeros_like(reference)
        else:
            own = proposal is not None and rng.random() < r.proposal_probability
            mask = proposal.copy() if own and proposal is not None else self._wavering(reference, rng)
            for _ in range(rng.binomial(2, r.removal_probability)):
                self._remove(mask, rng)
            for _ in range(rng.binomial(2, r.addition_probability)):
                self._add(mask, reference, image, rng)
        marks = np.zeros(mask.shape, dtype=np.uint8)
        for left in reversed(range(int(rng.integers(0, r.marks + 1)))):
            drawn = self._mark(mask, reference, marks, rng)
            if drawn is not None and left and rng.random() < 0.7:  # an earlier mark has had its effect
                near = self._ball(mask.shape, drawn, rng.uniform(8, 25))
                mask[near] = reference[near]
        return mask, marks

    @torch.no_grad()
    def _proposed(self, image: torch.Tensor) -> NDArray[np.bool_] | None:
        if self._network is None:
            return None
        with torch.autocast(image.device.type, torch.bfloat16, enabled=image.device.type == "cpu"):
            scores = self._network(image)
        result: NDArray[np.bool_] = (scores.argmax(1) == self.organ).cpu().numpy()
        return result

    def _mark(
        self, mask: Array, reference: Array, marks: NDArray[np.uint8], rng: np.random.Generator
    ) -> tuple[float, ...] | None:
        """Draw one mark on a wrong region into `marks`; return its middle (z, y, x), None if nothing is wrong."""
        include = rng.random() < 0.55
        for wanted in (include, not include):
            wrong = reference & ~mask if wanted else mask & ~reference
            regions, count = ndimage.label(wrong)
            if not count:
                continue
            sizes = np.bincount(regions.ravel())[1:].astype(float) ** rng.choice([1.0, 2.0])
            region = regions == 1 + rng.choice(count, p=sizes / sizes.sum())
            user = SimulatedUser(
                "stroke" if rng.random() < 0.8 else "point",
                length_mm=float(rng.uniform(5, self.recipe.stroke_mm)),
                radius_mm=float(rng.uniform(1, 4)),
            )
            drawn = user.draw(region, self.spacing, axis=0 if rng.random() < 0.85 else int(rng.integers(3)))
            marks[drawn] = INCLUDED if wanted else EXCLUDED
            return tuple(np.argwhere(drawn).mean(0))
        return None

    def _ball(self, shape: tuple[int, ...], centre: tuple[float, ...], radius_mm: float) -> Array:
        offsets = [(np.arange(n) - c) * s for n, c, s in zip(shape, centre, self.spacing, strict=True)]
        z, y, x = np.ix_(*offsets)
        return np.asarray(z**2 + y**2 + x**2 <= radius_mm**2)

    def _remove(self, mask: Array, rng: np.random.Generator) -> None:
        """Take a ball, or everything on one side of a plane, out of the mask."""
        voxels = np.argwhere(mask)
        if not len(voxels):
            return
        centre = voxels[rng.integers(len(voxels))]
        low, high = self.recipe.removed_mm
        if rng.random() < 0.6:
            mask[self._ball(mask.shape, tuple(centre), rng.uniform(low, high))] = False
            return
        normal = rng.normal(size=3)
        far = ((voxels - centre) * self.spacing) @ normal > 0
        mask[tuple(voxels[far].T)] = False

    def _add(self, mask: Array, reference: Array, image: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Take tissue of like HU near the organ into the mask, as when bowel is mistaken for it."""
        edge = np.argwhere(ndimage.binary_dilation(reference, iterations=int(rng.integers(2, 7))) & ~reference)
        if not len(edge):
            return
        centre = edge[rng.integers(len(edge))]
        low, high = self.recipe.added_mm
        near = self._ball(mask.shape, tuple(centre), rng.uniform(low, high)) & ~reference
        smooth = ndimage.uniform_filter(image, 3)
        alike = np.abs(smooth - smooth[tuple(centre)]) < rng.uniform(0.2, 0.8)
        regions, _ = ndimage.label(near & alike)
        if regions[tuple(centre)]:
            mask |= regions == regions[tuple(centre)]

    def _wavering(self, reference: Array, rng: np.random.Generator) -> Array:
        """Return the reference with a boundary that is off by some mm, smoothly varying."""
        inside = ndimage.distance_transform_edt(reference, sampling=self.spacing)
        outside = ndimage.distance_transform_edt(~reference, sampling=self.spacing)
        coarse = rng.normal(
            0, self.recipe.wavering_mm * rng.uniform(0, 1.5), [max(2, n // 8) for n in reference.shape]
        )
        fine = ndimage.zoom(coarse, np.divide(reference.shape, coarse.shape), order=1)
        return np.asarray(inside - outside + fine > 0)
