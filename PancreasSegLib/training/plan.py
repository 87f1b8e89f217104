"""Choose what a recipe leaves open: all labels, and spacing, patch and batch after dataset and memory.

The rules are those of nnU-Net (Isensee et al., Nature Methods 2021, 18:203-211): the spacing is the median of the
dataset's, on the coarse axis of thick slices its tenth percentile; the patch has the shape of the median case and
is as large as the memory allows; what memory is left goes into the batch, up to a twentieth of all voxels.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from PancreasSegLib.data import Dataset, read_dataset
from PancreasSegLib.errors import RecipeError
from PancreasSegLib.training.cache import CaseCache
from PancreasSegLib.training.recipe import DataRecipe, Recipe, StageRecipe, load_recipe

_log = logging.getLogger(__name__)

_COARSE = 3.0  # a slice this much thicker than the pixels is thick
_SHARE_OF_VOXELS = 0.05
_LARGEST_BATCH = 64
_CPU_GB = 4.0  # more would fit, but a step would take very long
_GB = 2**30
Preparing = Callable[[float, str], None]


def planned(
    recipe: Recipe, device: torch.device, dtype: torch.dtype, processes: int = 1, progress: Preparing | None = None
) -> Recipe:
    """Return the recipe with nothing left open; what was chosen is in the log.

    Parameters
    ----------
    recipe : Recipe
        Returned as it is, where it leaves nothing open.
    device, dtype
        Where and in what precision it is trained.
    processes : int
        That share a batch.
    progress : callable, optional
        Told of the preparation of cases, whose sizes decide on patches.

    Raises
    ------
    RecipeError
        If there is nothing to choose from: too little memory, no such label.
    DatasetError
        If the dataset is needed and cannot be read.
    """
    data = _with_labels(recipe.data) if recipe.data.every_label else recipe.data
    stages = {}
    for role, stage in recipe.stages.items():
        chosen = stage
        if not any(stage.spacing_mm):
            spacing = plan_spacing(dataset_spacings(read_dataset(data.root)))
            chosen = chosen.model_copy(update={"spacing_mm": spacing})
            _log.info("%s: spacing_mm auto is %s", role, list(spacing))
        if not any(stage.patch_ijk) or not stage.sampling.batch_size:
            shapes = [case.size_ijk for case in CaseCache(data, chosen).stored(progress)]
            memory = recipe.memory_gb or memory_at_hand(device, shapes, data)
            room = _Room(chosen, len(data.labels), memory, 1.0 if dtype == torch.float32 else 0.6, processes)
            chosen = plan_patches(chosen, shapes, room, device)
            batch = chosen.sampling.batch_size
            _log.info("%s: patch_ijk %s, batch_size %d, for %.1f GB", role, list(chosen.patch_ijk), batch, memory)
        stages[role] = chosen
    return recipe.model_copy(update={"data": data, "stages": stages})


def as_run(recipe: Recipe) -> Recipe:
    """Return the recipe with what an earlier call chose for its run folder; as it is, where nothing is open."""
    stages = recipe.stages
    settled = all(any(s.spacing_mm) and any(s.patch_ijk) and s.sampling.batch_size for s in stages.values())
    file = recipe.run_folder / "recipe.yaml"
    if (settled and not recipe.data.every_label) or not file.is_file():
        return recipe
    made = load_recipe(file)
    data = made.data if recipe.data.every_label else recipe.data
    return recipe.model_copy(
        update={"data": data, "stages": {r: _settled(s, made.stages.get(r)) for r, s in stages.items()}}
    )


def _settled(stage: StageRecipe, made: StageRecipe | None) -> StageRecipe:
    if made is None:
        return stage
    batch = stage.sampling.batch_size or made.sampling.batch_size
    return stage.model_copy(
        update={
            "spacing_mm": stage.spacing_mm if any(stage.spacing_mm) else made.spacing_mm,
            "patch_ijk": stage.patch_ijk if any(stage.patch_ijk) else made.patch_ijk,
            "sampling": stage.sampling.model_copy(update={"batch_size": batch}),
        }
    )


def _with_labels(data: DataRecipe) -> DataRecipe:
    """Take all labels of the dataset, in the order of their values."""
    dataset = read_dataset(data.root)
    merged = {source for sources in data.merge.values() for source in sources}
    by_value = sorted((value, name) for name, value in dataset.labels.items() if value > 0)
    labels = [name for _, name in by_value if name not in merged] + list(data.merge)
    for field, names in (("organ", [data.organ]), ("outputs", data.outputs)):
        for name in names:
            if name not in labels:
                raise RecipeError(
                    f"data.{field}: the dataset {dataset.name} has no label {name!r}.",
                    f"It has: {', '.join(labels)}.",
                )
    _log.info("labels: all are %s", ", ".join(labels))
    return data.model_copy(update={"labels": tuple(labels)})


def dataset_spacings(dataset: Dataset) -> NDArray[np.float64]:
    """Return the spacing of each case along canonical x, y and z in mm, shape (cases, 3), from the headers."""
    from PancreasSegLib.io.image_file import read_geometry
    from PancreasSegLib.volume import AxisMap

    return np.asarray(
        [AxisMap.to_canonical(read_geometry(case.image)).target.spacing_mm for case in dataset.cases]
    )


def plan_spacing(spacings: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the spacing to train at.

    Examples
    --------
    >>> plan_spacing(np.array([[0.7, 0.7, 5.0], [0.8, 0.8, 2.5], [0.9, 0.9, 5.0]]))
    (0.8, 0.8, 3.0)
    """
    chosen = np.median(spacings, axis=0)
    coarse = int(chosen.argmax())
    if chosen[coarse] > _COARSE * np.delete(chosen, coarse).max():
        chosen[coarse] = max(np.percentile(spacings[:, coarse], 10), np.delete(chosen, coarse).max())
    x, y, z = (round(float(value), 4) for value in chosen)
    return x, y, z


def memory_at_hand(device: torch.device, shapes: Sequence[Sequence[int]], data: DataRecipe) -> float:
    """Return the GB that a training may take: free on the GPU beside the cases; half of what is free on a CPU."""
    from PancreasSegLib.inference.memory import available_memory_mb

    if device.type != "cuda":
        return min(_CPU_GB, 0.5 * available_memory_mb() / 1024)
    free, _ = torch.cuda.mem_get_info(device)
    held = data.cache_memory_gb or sum(2 * float(np.prod(shape)) for shape in shapes) / _GB
    return 0.9 * free / _GB - held


@dataclass(frozen=True)
class _Room:
    """What fits into the memory."""

    stage: StageRecipe
    labels: int
    memory_gb: float
    precision: float
    processes: int

    def needed_gb(self, patch: NDArray[np.int64], batch: int) -> float:
        """Return the memory that a step takes in one process, counted on a network without content."""
        from PancreasSegLib.networks.footprint import network_footprint
        from PancreasSegLib.training.stage_network import stage_arguments

        share = max(1, batch // (self.processes * self.stage.sampling.accumulate))
        arguments = stage_arguments(self.stage, self.labels)
        size = (int(patch[0]), int(patch[1]), int(patch[2]))
        footprint = network_footprint(self.stage.network, arguments, size, batch=share)
        return footprint.training_mb / 1024 * self.precision

    def multiple(self) -> NDArray[np.int64]:
        """Return what a patch must be a multiple of, along x, y and z."""
        from PancreasSegLib.networks import input_multiple
        from PancreasSegLib.training.stage_network import stage_arguments

        return np.asarray(input_multiple(self.stage.network, **stage_arguments(self.stage, self.labels)))


def plan_patches(
    stage: StageRecipe, shapes: Sequence[Sequence[int]], room: _Room, device: torch.device
) -> StageRecipe:
    """Return the stage with a patch and a batch that fit."""
    median = np.median(np.asarray(shapes), axis=0)
    least = room.processes * stage.sampling.accumulate * (1 if device.type == "cpu" else 2)
    batch = stage.sampling.batch_size or least
    patch = np.asarray(stage.patch_ijk)
    if not patch.any():
        patch = _largest_patch(stage, median, batch, room)
    if not stage.sampling.batch_size:
        batch = _largest_batch(patch, least, float(np.prod(shapes, axis=1).sum()), room)
    needed = room.needed_gb(patch, batch)
    if needed > room.memory_gb:
        raise RecipeError(
            f"patch_ijk: a batch of {batch} patches of {patch.tolist()} takes {needed:.1f} GB, and "
            f"{room.memory_gb:.1f} GB are at hand.",
            "Choose a smaller network, patch or batch, or say otherwise with memory_gb.",
        )
    sampling = stage.sampling.model_copy(update={"batch_size": batch})
    return stage.model_copy(update={"patch_ijk": tuple(int(n) for n in patch), "sampling": sampling})


def _largest_patch(stage: StageRecipe, median: NDArray[np.float64], batch: int, room: _Room) -> NDArray[np.int64]:
    """Begin with the median case and take from the axis that is longest in mm until the batch fits."""
    multiple = room.multiple()
    if stage.spatial_dims == 2:
        median = np.asarray([median[0], median[1], 1])
    patch = np.maximum(np.ceil(median / multiple), 2 - (multiple == 1)).astype(int) * multiple
    smallest = np.where(multiple == 1, np.minimum(patch, 8 if stage.spatial_dims == 3 else 1), 2 * multiple)
    step = np.where(multiple == 1, 1, multiple)
    while (needed := room.needed_gb(patch, batch)) > room.memory_gb and (patch > smallest).any():
        # activations go with the voxels: jump to what should fit, then look again
        wanted = float(np.prod(patch)) * max(0.3, min(0.98, room.memory_gb / needed))
        while np.prod(patch) > wanted and (patch > smallest).any():
            axis = int(np.where(patch > smallest, patch * np.asarray(stage.spacing_mm), -1).argmax())
            patch[axis] = max(smallest[axis], patch[axis] - step[axis])
    return patch


def _largest_batch(patch: NDArray[np.int64], least: int, voxels: float, room: _Room) -> int:
    """Raise the batch while it fits and holds no more than a twentieth of all voxels."""
    most = min(_LARGEST_BATCH * least, int(_SHARE_OF_VOXELS * voxels / float(np.prod(patch))))
    batch = least
    while batch + least <= most and room.needed_gb(patch, batch + least) <= room.memory_gb:
        batch += least
    return batch
