"""Every error a user can meet: what happened, and what to do about it.

Code raises one of these with a sentence; the command line prints ``message`` and ``hint`` and exits with
``exit_code``; the worker sends ``code``, ``message`` and ``hint`` as they are.
"""

from __future__ import annotations

from collections.abc import Sequence


class PancreasSegError(Exception):
    """Base of all errors that are meant for the user.

    Parameters
    ----------
    message : str
        One sentence: what happened, naming the file or setting.
    hint : str, optional
        One sentence: what to do.

    Attributes
    ----------
    code : str
        Stable machine-readable name of the error, kebab-case.
    exit_code : int
        Exit status of the command line: 2 refused or failed, 3 no pancreas, 130 cancelled.
    """

    code = "error"
    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UnreadableFileError(PancreasSegError):
    """A file or folder is missing, empty, truncated, not permitted or of no known format."""

    code = "unreadable-file"


class NotACTError(PancreasSegError):
    """The image is not a single 3D CT volume: MR-like intensities, 2D, 4D, RGB, too few slices."""

    code = "not-a-ct"


class DicomSeriesError(PancreasSegError):
    """A DICOM series cannot become a volume: missing slices, gantry tilt, duplicate positions, mixed frames."""

    code = "dicom-series"


class InvalidVoxelsError(PancreasSegError):
    """Too many NaN or infinite voxels inside the body."""

    code = "invalid-voxels"


class GeometryError(PancreasSegError):
    """Spacing, direction or size make no sense, or two grids that must match do not."""

    code = "geometry"


class RegionError(PancreasSegError):
    """A region of interest given by the user is malformed, empty or outside the scan."""

    code = "region"


class NoPancreasError(PancreasSegError):
    """No pancreas in view, or the network found none that is plausible."""

    code = "no-pancreas"
    exit_code = 3


class ModelPackageError(PancreasSegError):
    """A model package is missing, incomplete, of a newer format, or its checksum or content is wrong."""

    code = "model-package"


class PackageExistsError(ModelPackageError):
    """There is a model package of that name already."""

    code = "package-exists"


class UndecidedModelError(ModelPackageError):
    """A model leaves a choice to its user.

    Parameters
    ----------
    message, hint : str
        As for any error.
    what : {"organ", "training"}
        What is to be chosen.
    names : sequence of str
        From which.
    """

    code = "undecided-model"

    def __init__(self, message: str, hint: str = "", what: str = "", names: Sequence[str] = ()) -> None:
        super().__init__(message, hint)
        self.what, self.names = what, tuple(names)


class UntrustedModelError(ModelPackageError):
    """A model file would run code when loaded (a pickle with objects, an expression)."""

    code = "untrusted-model"


class NetworkError(PancreasSegError):
    """An architecture's name or arguments are unknown."""

    code = "network"


class DeviceError(PancreasSegError):
    """The device that was asked for is not there or cannot be used."""

    code = "device"


class OutOfMemoryError(PancreasSegError):
    """The scan does not fit into memory, even with the smallest tiles on the CPU."""

    code = "out-of-memory"


class OutputError(PancreasSegError):
    """An output cannot be written: unknown extension, read-only folder, full disk."""

    code = "output"


class MissingPackageError(PancreasSegError):
    """An optional Python package is needed for what was asked."""

    code = "missing-package"


class RecipeError(PancreasSegError):
    """A training recipe is malformed; the sentence names the field."""

    code = "recipe"


class DatasetError(PancreasSegError):
    """A dataset folder lacks something or its files do not fit together."""

    code = "dataset"


class CaseExistsError(DatasetError):
    """The CT is in the training folder already and was not to be replaced."""

    code = "case-exists"


class NoImprovementError(PancreasSegError):
    """A fine-tuned model is no better on the held-out cases, so it was not installed."""

    code = "no-improvement"


class MaskError(PancreasSegError):
    """A mask is empty, or does not lie on the grid of the CT that it is to be measured on."""

    code = "mask"


class CohortError(PancreasSegError):
    """A cohort's folder, source, rule or answers do not fit together, or a part of it is not there yet."""

    code = "cohort"


class MarkError(PancreasSegError):
    """A mark of the user lies outside the CT, is empty, or makes no sense."""

    code = "mark"


class TooLittleMarkedError(MarkError):
    """What a user has marked is not enough for a model to learn the patient from."""

    code = "too-little-marked"

    def __init__(
        self,
        message: str = "Too little is marked to learn from.",
        hint: str = "Mend a slice or two and confirm them; strokes alone are not enough.",
    ) -> None:
        super().__init__(message, hint)


class WorkerError(PancreasSegError):
    """The worker process could not be started, stopped unexpectedly, or did not understand."""

    code = "worker"


class CorrectionLostError(WorkerError):
    """The worker does not hold a correction as its owner knows it; it has to be opened again."""

    code = "correction-lost"


class CancelledError(PancreasSegError):
    """The user cancelled; nothing was written."""

    code = "cancelled"
    exit_code = 130

    def __init__(self, message: str = "Cancelled; nothing was written.", hint: str = "") -> None:
        super().__init__(message, hint)
