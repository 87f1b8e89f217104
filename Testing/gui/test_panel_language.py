"""The module in an application of another language."""

from __future__ import annotations

import ast

from panel_in_host import MODULE, PROJECT

pytest_plugins = ["panel_in_host"]  # its fixtures


def test_the_module_stands_in_the_translated_category(host):
    import slicer

    host.translations.words[("qSlicerAbstractCoreModule", "Segmentation")] = "Segmentierung"
    host.module(MODULE)
    assert slicer.modules.pancreasseg.categories == ["Segmentierung"]


def test_what_the_panel_says_is_translated(host, add_ct, axial):
    host.slicer_python.begin()  # imports the panel's files anew, which look up some texts as they are imported
    host.slicer_python.install(["openvino"])
    host.translations.words |= {
        ("form.choices_section", "Choose a CT."): "Wählen Sie ein CT.",
        ("form.batch_section", "No CT is loaded."): "Es ist kein CT geladen.",
        ("drawing.tools", "Click into missed organ in a slice view."): "Klicken Sie auf fehlendes Organ.",
        ("scene.measurement", "Volume (mL)"): "Volumen (ml)",
        ("scene.ct_node", "{size} voxels of {spacing} mm"): "{size} Voxel zu {spacing} mm",
    }
    host.module(MODULE)
    assert host.find("segmentButton").toolTip == "Wählen Sie ein CT."
    host.find("batchCollapsibleButton").collapsed = False
    host.process_events()
    host.click("batchLoadedButton")
    assert host.find("statusLabel").text == "Es ist kein CT geladen."
    from PancreasSegPanel.drawing.tools import TOOLS
    from PancreasSegPanel.scene.ct_node import check_node
    from PancreasSegPanel.scene.measurement import ROWS

    assert TOOLS[2].hint == "Klicken Sie auf fehlendes Organ." and ROWS[0][1] == "Volumen (ml)"
    assert "Voxel zu" in check_node(add_ct(axial)).sentence


def test_no_file_hides_the_translation_behind_a_throwaway():
    """A loop over ``_`` in a function would make its ``_()`` fail."""
    found = []
    for path in (PROJECT / "PancreasSeg").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        imported = any(isinstance(n, ast.alias) and n.asname == "_" for n in ast.walk(tree))
        names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "_"]
        if imported and any(isinstance(n.ctx, ast.Store) for n in names):
            found.append(path.name)
    assert not found
