"""A tiny model package that tests write and break."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PancreasSegLib.models import ModelPackage, Stage, write_package
from PancreasSegLib.networks import build_network

ARGUMENTS = {
    "in_channels": 1,
    "out_channels": 3,
    "filters": [2, 2, 2],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
    "norm": "batch",
    "deep_supervision": True,
}
LABELS = {"background": 0, "liver": 1, "pancreas": 2}


def stage(role: str = "segmenter", members: int = 1, **changes: Any) -> Stage:
    """A stage whose network is a DynUNet with two channels a level."""
    fields = {
        "role": role,
        "network": "dynunet",
        "arguments": ARGUMENTS,
        "weights": tuple(f"models/{role}-{i}.safetensors" for i in range(members)),
        "spacing_mm": (4.0, 4.0, 6.0),
        "window_hu": (-100.0, 240.0),
        "mean_hu": 50.0,
        "std_hu": 100.0,
        "patch_ijk": (16, 24, 8),
        "multiple_ijk": (4, 4, 2),
        "labels": LABELS,
    }
    return Stage(**{**fields, **changes})


def package(*stages: Stage, name: str = "tiny", **changes: Any) -> ModelPackage:
    """A description; its folder is set when it is written."""
    fields = {
        "version": "1.2.0",
        "description": "A tiny package for tests.",
        "path": Path(),
        "stages": stages or (stage(),),
        "scores": {"dice": 0.5, "on": "nothing"},
        "sources": ({"name": "made up", "licence": "CC0-1.0"},),
        "licence": "Apache-2.0",
        "recipe": {"seed": 0},
    }
    return ModelPackage(name=name, **{**fields, **changes})


def weights(stage: Stage) -> dict[str, Any]:
    """Random weights of a stage's network, all representable in float16."""
    return {
        k: v.half().float()
        for k, v in build_network(stage.network, lean=True, **stage.arguments).state_dict().items()
    }


def written(folder: Path, description: ModelPackage | None = None, **options: Any) -> ModelPackage:
    """Write a package with random weights."""
    description = description or package()
    states = {name: weights(stage) for stage in description.stages for name in stage.weights}
    return write_package(folder, description, states, "# Tiny\n", **options)


def sums_again(folder: Path) -> None:
    """Make SHA256SUMS right again after a change, as a hostile maker would."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n" for p in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def change_metadata(folder: Path, change: Callable[[dict], None]) -> None:
    """Edit metadata.json and make the checksums right again."""
    path = folder / "configs/metadata.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    sums_again(folder)


class Tiny:
    """What the tests need to make packages and break them."""

    stage = staticmethod(stage)
    package = staticmethod(package)
    weights = staticmethod(weights)
    written = staticmethod(written)
    sums_again = staticmethod(sums_again)
    change_metadata = staticmethod(change_metadata)
    labels = LABELS
    arguments = ARGUMENTS
