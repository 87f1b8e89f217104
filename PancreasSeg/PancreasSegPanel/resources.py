"""Where the form and the pictures lie, in the installed and in the developer's layout.

Installed, ``Resources/`` lies beside ``PancreasSeg.py``; in a checkout it lies one folder above.
"""

from __future__ import annotations

from pathlib import Path


def resource(name: str, module_folder: Path | None = None) -> Path:
    """Return the path of a file in ``Resources/``.

    Parameters
    ----------
    name : str
        Relative path with forward slashes, e.g. ``"UI/PancreasSeg.ui"``.
    module_folder : Path, optional
        The folder of ``PancreasSeg.py``.

    Raises
    ------
    FileNotFoundError
        If neither layout has it; the sentence names both places.
    """
    folder = module_folder or Path(__file__).resolve().parents[1]
    places = [folder / "Resources" / name, folder.parent / "Resources" / name]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"{name} is neither {places[0]} nor {places[1]}: the installation is incomplete.")
    return found
