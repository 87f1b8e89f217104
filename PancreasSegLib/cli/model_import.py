"""``pancreasseg models import``: a model of another program becomes a package."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from PancreasSegLib.cli.terminal import note, say

if TYPE_CHECKING:
    from PancreasSegLib.models.imports import Imported


class Localiser(str, Enum):
    """Where an imported model of the pancreas looks."""

    DEFAULT = "default"
    OWN = "own"
    NONE = "none"


def command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Zip or folder of a MONAI bundle or a trained nnU-Net v2 model, or a checkpoint.",
        ),
    ],
    name: Annotated[str, typer.Option(help="What --model will take; by default the model's own name.")] = "",
    organ: Annotated[
        list[str] | None,
        typer.Option(
            help="A label to write, as the model calls it, or NAME=LABEL+LABEL for their sum, or all; can be "
            "given again. By default the pancreas with what lies in it."
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run the model's own code ($ expressions, classes, TorchScript).")
    ] = False,
    axes: Annotated[
        str,
        typer.Option(
            help="The axes it was trained on, e.g. RAS, where the model does not say; file: as in each file."
        ),
    ] = "",
    spacing: Annotated[
        tuple[float, float, float] | None,
        typer.Option(metavar="X Y Z", help="The spacing in mm it was trained on, where the model does not say."),
    ] = None,
    training: Annotated[
        str, typer.Option(help="Which of several nnU-Net trainings: its name or a part of it, e.g. 3d_fullres.")
    ] = "",
    checkpoint: Annotated[
        str, typer.Option(help="File name of nnU-Net's checkpoints, e.g. checkpoint_best.pth.")
    ] = "",
    localiser: Annotated[
        Localiser | None,
        typer.Option(
            help="What finds the pancreas first: the built-in model's localiser (usual), what the model does "
            "itself, or nothing, so that it sees the whole scan."
        ),
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Clean up stray pieces and holes.")] = False,
    mirror: Annotated[bool, typer.Option("--mirror", help="Mirror and average, where nnU-Net does.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a package of the same name.")] = False,
) -> None:
    """Turn a model of another program into a package of yours."""
    from PancreasSegLib.models.imports import import_model

    settings: dict[str, Any] = {"cleaned": True} if clean else {}
    if mirror:
        settings["mirrored"] = True
    if localiser is not None:
        settings["localiser"] = localiser.value
    tell(
        import_model(
            source,
            name=name,
            organs=organ or [],
            trust=trust,
            force=force,
            axes=axes.upper(),
            spacing_mm=spacing,
            training=training,
            checkpoint=checkpoint,
            settings=settings,
        )
    )


def tell(found: Imported) -> None:
    """Say what was imported and how it is used."""
    package = found.package
    say(f"Imported the {found.kind} as {package.name}, which writes {', '.join(package.labels)}.")
    for text in found.notes:
        note(text)
    say(f"Use it with --model {package.name}")
