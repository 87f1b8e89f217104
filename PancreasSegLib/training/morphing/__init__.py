"""Training cases morphed into the organ shapes of other patients, of whom only masks are known."""

from PancreasSegLib.training.morphing.store import MorphStore

__all__ = ["MorphStore"]
