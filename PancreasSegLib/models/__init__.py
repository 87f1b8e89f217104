"""Model packages: weights as data, and how to feed them."""

from PancreasSegLib.models.package import ModelPackage, Stage

__all__ = ["ModelPackage", "Stage"]
