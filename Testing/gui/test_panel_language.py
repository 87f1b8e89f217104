"""The module in an application of another language."""

from __future__ import annotations

from panel_in_host import MODULE

pytest_plugins = ["panel_in_host"]  # its fixtures


def test_the_module_stands_in_the_translated_category(host):
    import slicer

    host.translations.words[("qSlicerAbstractCoreModule", "Segmentation")] = "Segmentierung"
    host.module(MODULE)
    assert slicer.modules.pancreasseg.categories == ["Segmentierung"]
