"""The files that one scan's segmentation becomes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PancreasSegLib.errors import OutputError

if TYPE_CHECKING:
    from PancreasSegLib.volume import Volume

MASK_EXTENSION = ".nii.gz"
PICTURE_EXTENSIONS = (".png", ".jpg", ".jpeg", ".pdf", ".svg")


@dataclass(frozen=True)
class OutputFiles:
    """Where the mask and what goes with it are wanted; all of them appear, or none.

    Attributes
    ----------
    mask : Path
        The mask, in the format that its extension names.
    report, picture, probability : Path or None
        JSON report, montage and probability crop; None where not wanted.
    """

    mask: Path
    report: Path | None = None
    picture: Path | None = None
    probability: Path | None = None

    @property
    def paths(self) -> dict[str, Path]:
        """The wanted files by option name."""
        named = {
            "output": self.mask,
            "report": self.report,
            "picture": self.picture,
            "save-probability": self.probability,
        }
        return {name: path for name, path in named.items() if path is not None}

    def check(self, source: Path) -> None:
        """Refuse before the run what could not be written after it.

        Raises
        ------
        OutputError
            If an extension is unknown, a folder cannot be written, or two of the files, or one of them and the
            input, are the same.
        """
        from PancreasSegLib.io import check_writable
        from PancreasSegLib.io.formats import WRITABLE_MASKS, WRITABLE_VOLUMES
        from PancreasSegLib.io.input_files import files_of

        extensions = {
            "output": WRITABLE_MASKS,
            "report": (".json",),
            "picture": PICTURE_EXTENSIONS,
            "save-probability": WRITABLE_VOLUMES,
        }
        seen: dict[str, str] = {}
        inputs = files_of(source)
        for option, path in self.paths.items():
            check_writable(path, extensions[option], inputs=inputs)
            with contextlib.suppress(OSError):
                # many disks take Mask.nii and mask.nii for one
                other = seen.setdefault(str(path.resolve()).casefold(), option)
                if other != option:
                    raise OutputError(f"--{other} and --{option} name the same file {str(path)!r}.", "Rename one.")

    def are_done(self) -> bool:
        """Whether all of them are there, and of one run as far as a report says."""
        if not all(os.path.exists(path) for path in self.paths.values()):  # noqa: PTH110  (also of a name too long)
            return False
        if self.report is None:
            return True
        from PancreasSegLib.report import is_of_one_run

        return is_of_one_run(self.report, {name: path for name, path in self.paths.items() if name != "report"})

    def refuse_inputs(self, volume: Volume) -> None:
        """Refuse to write over any file that the scan was read from, now that all of them are known.

        Raises
        ------
        OutputError
        """
        from PancreasSegLib.io import check_writable
        from PancreasSegLib.io.input_files import inputs_of

        inputs = inputs_of(volume)
        for path in self.paths.values():
            check_writable(path, None, inputs=inputs)

    @contextlib.contextmanager
    def staged(self) -> Iterator[OutputFiles]:
        """Give temporary names; when the block ends well, all files take their own names, else none is left.

        Yields
        ------
        OutputFiles
            The same files under temporary names beside them.
        """
        from PancreasSegLib.io import atomic_path

        with contextlib.ExitStack() as stack:
            # The mask is entered first, so that it takes its name last: where it stands, the rest stands too.
            names = {option: stack.enter_context(atomic_path(path)) for option, path in self.paths.items()}
            yield replace(
                self,
                mask=names["output"],
                report=names.get("report"),
                picture=names.get("picture"),
                probability=names.get("save-probability"),
            )


def scan_name(source: Path) -> str:
    """Return a scan's name: that of its file without the extension, or of its folder.

    Examples
    --------
    >>> scan_name(Path("scans/patient 1.nii.gz")), scan_name(Path("scans/CT.2024/"))
    ('patient 1', 'CT.2024')
    """
    from PancreasSegLib.io.formats import extension_of

    source = source if source.name not in ("", "..") else source.resolve()
    if source.is_dir():
        return source.name
    extension = extension_of(source)
    return source.name[: len(source.name) - len(extension)] or source.name


def beside(mask: Path, extension: str) -> Path:
    """Return the name of a file that goes with a mask.

    Examples
    --------
    >>> beside(Path("out/ct_pancreas.nii.gz"), ".png").as_posix()
    'out/ct_pancreas.png'
    """
    from PancreasSegLib.io.formats import extension_of

    stem = mask.name[: len(mask.name) - len(extension_of(mask))]
    return mask.with_name(stem + extension)
