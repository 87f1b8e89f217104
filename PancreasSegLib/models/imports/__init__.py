"""Models of other programs, turned into packages of ours: MONAI bundles and nnU-Net v2 folders.

Weights are data: state dicts are read without running anything, and networks are rebuilt from a name and plain
arguments. What a bundle can only say in code (``$`` expressions, classes of its own, TorchScript) is run where the
user asks for it, and refused otherwise.

Examples
--------
>>> from PancreasSegLib.models.imports import import_model
>>> imported = import_model("spleen_ct_segmentation.zip", organs=["spleen"])  # doctest: +SKIP
>>> imported.package.name                                                     # doctest: +SKIP
'spleen_ct_segmentation'
"""

from PancreasSegLib.models.imports.importing import Imported, import_model

__all__ = ["Imported", "import_model"]
