"""``pancreasseg models card``: the measured part of a model card, from the files of the measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A package's name, or its folder.")],
    scores: Annotated[
        list[str] | None,
        typer.Option(
            "--scores", help="[TITLE=]summary.json of cross-validate or evaluate; the first gives the cases."
        ),
    ] = None,
    correction: Annotated[
        list[str] | None, typer.Option("--correction", help="[TITLE=]JSON of benchmark-correction.")
    ] = None,
    text: Annotated[
        Path | None, typer.Option("--text", help="A new text for the card, Markdown, with or without the tables.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Which model, where a score file holds several.")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="Which label, where a score file holds several.")
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Change nothing; exit status 2 if the card says other than the files."),
    ] = False,
) -> None:
    """Write measured figures into a package's model card and metadata, with its checksums.

    The tables stand between <!-- measured: NAME --> and <!-- measured: end --> in MODEL_CARD.md, NAME being
    summary, cases, confidence or correction.
    """
    from PancreasSegLib.cli.terminal import say
    from PancreasSegLib.errors import DatasetError, ModelPackageError
    from PancreasSegLib.evaluation.model_card import measured_blocks, measured_scores, with_blocks
    from PancreasSegLib.evaluation.score_file import read_score_file
    from PancreasSegLib.models import find_package, update_package_card

    if not (scores or correction or text):
        raise DatasetError("There is nothing to write into the card.", "Give --scores, --correction or --text.")
    package = find_package(name)
    files = [read_score_file(path, title, model=model, label=label) for title, path in _titled(scores)]
    benchmarks = {title or path.stem + "s": path for title, path in _titled(correction)}
    before = _read(text or package.path / "MODEL_CARD.md")
    card = with_blocks(before, measured_blocks(files, benchmarks))
    figures = measured_scores(files, benchmarks, package.scores)
    if check:
        if card != _read(package.path / "MODEL_CARD.md") or figures != package.scores:
            raise ModelPackageError(
                f"The model card of {package.name} does not say what these files say.", "Write it without --check."
            )
        say(f"The model card of {package.name} says what these files say.")
        return
    update_package_card(package.path, model_card=card, scores=figures)
    say(f"Wrote {package.path / 'MODEL_CARD.md'}, the scores in its metadata, and the checksums.")


def _titled(texts: Sequence[str] | None) -> list[tuple[str, Path]]:
    """Return title (empty if none is given) and path of each ``[TITLE=]PATH``."""
    found = []
    for given in texts or ():
        title, separator, path = given.rpartition("=")
        if not separator or Path(given).exists():
            title, path = "", given
        found.append((title.strip(), Path(path).expanduser()))
    return found


def _read(path: Path) -> str:
    from PancreasSegLib.errors import UnreadableFileError

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"{path} cannot be read: {error}.", "Check the path.") from error
