"""The table of results: one line a figure, one column a CT, so that one result needs no scrolling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt

from PancreasSegPanel.scene.measurement import ROWS, Measurement, cell, figures

ROW_HEIGHT = 22


def fill(table: Any, measured: Sequence[Measurement]) -> None:
    """Show measurements; a single one takes the whole width."""
    table.setRowCount(len(ROWS) if measured else 0)
    table.setColumnCount(len(measured))
    table.setVerticalHeaderLabels([heading for _, heading, _ in ROWS] if measured else [])
    table.setHorizontalHeaderLabels([m.ct for m in measured])
    for column, m in enumerate(measured):
        values = figures(m)
        for row, (key, _, digits) in enumerate(ROWS):
            item = qt.QTableWidgetItem(cell(values[key], digits))
            item.setTextAlignment(qt.Qt.AlignCenter)
            item.setToolTip("\n".join([f"{m.ct}: {m.model} on {m.device}", *m.notes]))
            table.setItem(row, column, item)
    table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
    table.horizontalHeader().setStretchLastSection(len(measured) == 1)
    table.resizeColumnsToContents()
