"""Networks of packages as files for other programs: ONNX, TorchScript, ``torch.export``.

Examples
--------
>>> from PancreasSegLib.models import find_package
>>> from PancreasSegLib.models.exports import export_graphs
>>> graphs = export_graphs(find_package("default"), "onnx", "onnx")  # doctest: +SKIP
>>> max(check.difference for check in graphs[0].parity) < 1e-4      # doctest: +SKIP
True
"""

from PancreasSegLib.models.exports.graph_export import FORMATS, ExportedGraph, Parity, export_graphs

__all__ = ["FORMATS", "ExportedGraph", "Parity", "export_graphs"]
