"""Which patients, which labels, and who is held out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, model_validator

from PancreasSegLib.training.recipe.part import Part

ALL_LABELS = ("all",)
"""``labels: all`` as it is kept until the dataset's labels are known."""

Held = Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, lt=1)] | tuple[str, ...]
"""Patients that are held out: how many, which share of all, or which."""

_NAMES = {"type": "array", "items": {"type": "string"}, "minItems": 1}
Labels = Annotated[
    tuple[str, ...],
    WithJsonSchema({"anyOf": [{"const": "all"}, _NAMES, {"type": "object", "additionalProperties": _NAMES}]}),
]


class FoldSplit(Part):
    """Cross-validation: as many groups of patients as there are folds, drawn by the seed."""

    kind: Literal["folds"] = "folds"
    folds: int = Field(default=5, ge=2)
    seed: int = 0


class HoldoutSplit(Part):
    """One division: patients to validate on, patients to test on, the rest to learn from.

    Each is a number of patients, a share of them, or their names. Patients of ``test`` are never learnt from, by
    ``fold: all`` neither.
    """

    kind: Literal["holdout"]
    validation: Held = 0.2
    test: Held = 0
    seed: int = 0


class FileSplit(Part):
    """A division that is written down: ``splits.json`` of ``pancreasseg data split``, relative to the dataset."""

    kind: Literal["file"]
    file: Path = Path("splits.json")


Split = Annotated[FoldSplit | HoldoutSplit | FileSplit, Field(discriminator="kind")]


class DataRecipe(Part):
    """Which patients and labels.

    ``root`` is an MSD-style folder; ``cache`` holds the prepared cases (a prepared cache is enough to train).

    ``labels`` are the classes to learn, in the order of the output channels after background: names of the
    dataset, ``all``, or a mapping ``{new name: [names of the dataset]}`` whose labels are merged (kept in
    ``merge``). ``organ`` is the one that counts: patches are centred on it, and by it a run is judged.
    ``outputs`` are the labels that the model package writes, the organ where nothing is said.

    ``folds`` and ``split_seed`` are the short form of ``split: {kind: folds}``.
    """

    root: Path
    cache: Path = Path(".runs/cache")
    labels: Labels = ("pancreas",)
    merge: dict[str, tuple[str, ...]] = Field(
        default={}, description="labels of the dataset that make one class, by the name of the class"
    )
    organ: str = "pancreas"
    outputs: tuple[str, ...] = ()
    split: Split | None = None
    folds: int = Field(default=5, ge=2)
    split_seed: int = 0
    exclude: tuple[str, ...] = ()
    phantoms: int = Field(default=0, ge=0, description="generated anatomical phantoms added to the training cases")
    shapes: Path | None = Field(
        default=None,
        description="folder of masks without CTs, of other patients, in the dataset or elsewhere: training cases "
        "are morphed into their shapes, see sampling.morph_share",
    )
    cache_memory_gb: float | None = Field(
        default=None, gt=0, description="for cases held in memory; what does not fit is read when it is needed"
    )

    @model_validator(mode="before")
    @classmethod
    def _labels_in_every_form(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        labels = values.get("labels")
        if labels == "all":
            return {**values, "labels": ALL_LABELS}
        if isinstance(labels, dict):
            return {**values, "labels": tuple(labels), "merge": {**labels, **values.get("merge", {})}}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> DataRecipe:
        if not self.labels:
            raise ValueError("labels: at least one is needed")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("labels: each is named once")
        for name, merged in self.merge.items():
            if not merged:
                raise ValueError(f"merge.{name}: name at least one label of the dataset")
        sources = [source for name in self.labels for source in self.sources_of(name)]
        twice = sorted({source for source in sources if sources.count(source) > 1})
        if twice:
            raise ValueError(f"labels: {', '.join(twice)} cannot belong to two classes")
        return self

    @property
    def every_label(self) -> bool:
        """Whether ``labels`` is still ``all``, to be taken from the dataset."""
        return self.labels == ALL_LABELS

    @property
    def written(self) -> tuple[str, ...]:
        """Labels that the model package writes."""
        return self.outputs or (self.organ,)

    @property
    def shapes_folder(self) -> Path | None:
        """The folder of ``shapes``: in the dataset if it is there."""
        if self.shapes is None:
            return None
        beside = self.root / self.shapes
        return beside if beside.is_dir() else self.shapes

    @property
    def division(self) -> FoldSplit | HoldoutSplit | FileSplit:
        """How patients are held out, from ``split`` or from its short form."""
        return self.split or FoldSplit(folds=self.folds, seed=self.split_seed)

    def sources_of(self, label: str) -> tuple[str, ...]:
        """Return the dataset's labels that make a class; the label itself if nothing is merged."""
        return self.merge.get(label, (label,))
