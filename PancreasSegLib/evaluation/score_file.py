"""Read the figures that ``cross-validate``, ``evaluate`` and ``benchmark-correction`` have written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.evaluation.case_score import CaseScore
from PancreasSegLib.evaluation.cohort import Cohort
from PancreasSegLib.evaluation.summary import FORMAT, Evaluation, LabelSummary
from PancreasSegLib.models.checksums import sha256


@dataclass(frozen=True)
class ScoreFile:
    """The scores of one model on one label.

    Attributes
    ----------
    title : str
        What a table calls it.
    path : Path
        The file.
    cohort : Cohort
        The scores.
    unseen : bool
        Whether they are of models that never saw the patients, by the file's own word (folds).
    """

    title: str
    path: Path
    cohort: Cohort
    unseen: bool

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return sha256(self.path)

    @property
    def summary(self) -> LabelSummary:
        """All figures."""
        (label,) = self.cohort.labels
        return Evaluation({"model": self.cohort}, self.cohort.about).summaries[label]["model"]

    @property
    def about(self) -> str:
        """What was measured, as a sentence without a full stop."""
        about, cases = self.cohort.about, len(self.cohort.scores)
        patients = len({score.patient or score.case for score in self.cohort.scores})
        scans = f"{cases} cases of {patients} patients" if patients != cases else f"{cases} patients"
        grid = "the CT's own grid"
        if about.get("in_plane_mm") is not None:
            grid = f"a grid of {about['in_plane_mm']:g} mm in-plane"
        how = ", each predicted by networks that never saw the patient" if self.unseen else ""
        return f'{scans} of the dataset "{about.get("dataset", "")}"{how}, on {grid}'


def read_score_file(
    path: Path, title: str = "", *, model: str | None = None, label: str | None = None
) -> ScoreFile:
    """Read ``summary.json`` of a cross-validation or an evaluation.

    Parameters
    ----------
    path : Path
        The file, or the folder that holds it.
    title : str
        What a table calls it; by default the grid that was measured on.
    model, label : str, optional
        Which one, where the file holds several.

    Raises
    ------
    DatasetError
        If it is no such file, or several models or labels are in it and none is named.
    """
    path = path / "summary.json" if path.is_dir() else path
    content = read_json(path)
    try:
        about: dict[str, Any] = dict(content["about"])
        rows = [(str(row.get("model", "")), CaseScore.from_json(row)) for row in content["cases"]]
        models = content.get("models", {})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(
            f"{path} holds no scores: {error!r}.", "Give a summary.json of cross-validate or evaluate."
        ) from error
    name = _one([name for name, _ in rows], model, path, "model", "--model")
    organ = _one([score.label for _, score in rows], label, path, "label", "--label")
    unseen = "folds" in about or "never saw" in str(models.get(name, {}).get("kind", ""))
    if content.get("format") == FORMAT:
        about |= {"model": name}
    scores = tuple(score for owner, score in rows if owner == name and score.label == organ)
    grid = "the CT's own grid" if about.get("in_plane_mm") is None else f"{about['in_plane_mm']:g} mm in-plane"
    return ScoreFile(title or grid, path, Cohort(scores, about), unseen)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    DatasetError
        If there is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error
    except ValueError as error:
        raise DatasetError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path} holds no scores.", "Give a file that PancreasSeg wrote.")
    return content


def _one(names: Sequence[str], wanted: str | None, path: Path, what: str, option: str) -> str:
    found = list(dict.fromkeys(names))
    if not found:
        raise DatasetError(f"{path} holds no cases.", "Give a summary.json of cross-validate or evaluate.")
    if wanted is not None and wanted in found:
        return wanted
    if len(found) > 1 or (wanted is not None and found != [""]):
        raise DatasetError(
            f"{path} holds the {what}s {', '.join(found)}"
            + (f" and not {wanted}." if wanted is not None else ", and one is wanted."),
            f"Name one with {option}.",
        )
    return found[0]
