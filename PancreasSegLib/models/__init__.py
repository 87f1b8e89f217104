"""Model packages: weights as data, and how to feed them.

A package is a MONAI bundle folder that is read as data only: ``configs/metadata.json`` (MONAI's schema with a
``pancreasseg`` block), ``models/*.safetensors``, ``MODEL_CARD.md``, ``LICENSE`` and ``SHA256SUMS``; and
``configs/inference.json`` for MONAI's own runner, which this library never reads.

Examples
--------
>>> from PancreasSegLib.models import build_stage_network, find_package
>>> package = find_package("default")                                   # doctest: +SKIP
>>> network = build_stage_network(package, package.stage("segmenter"))  # doctest: +SKIP
"""

from PancreasSegLib.models.card import update_package_card
from PancreasSegLib.models.checksums import read_checksums, verify_package
from PancreasSegLib.models.metadata import load_package
from PancreasSegLib.models.package import ModelPackage, Stage
from PancreasSegLib.models.registry import (
    Entry,
    default_folder,
    find_package,
    list_packages,
    packages_folder,
    remove_package,
    scan_packages,
)
from PancreasSegLib.models.transfer import add_package, export_package
from PancreasSegLib.models.weights import build_stage_network, load_weights
from PancreasSegLib.models.write import write_package

__all__ = [
    "Entry",
    "ModelPackage",
    "Stage",
    "add_package",
    "build_stage_network",
    "default_folder",
    "export_package",
    "find_package",
    "list_packages",
    "load_package",
    "load_weights",
    "packages_folder",
    "read_checksums",
    "remove_package",
    "scan_packages",
    "update_package_card",
    "verify_package",
    "write_package",
]
