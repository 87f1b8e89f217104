"""The table of the batch: one line a CT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt

from PancreasSegPanel.batch.batch import Line, State
from PancreasSegPanel.form.results_table import ROW_HEIGHT

HEADINGS = ("CT", "State", "mL", "Confidence", "Remark")


def fill(table: Any, lines: Sequence[Line]) -> None:
    """Show the lines of a batch."""
    if table.columnCount != len(HEADINGS):
        table.setColumnCount(len(HEADINGS))
        table.setHorizontalHeaderLabels(list(HEADINGS))
        table.horizontalHeader().setStretchLastSection(True)
        for column in range(len(HEADINGS) - 1):
            table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        table.verticalHeader().visible = False
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
    if table.rowCount != len(lines):
        table.setRowCount(len(lines))
    for row, line in enumerate(lines):
        for column, text in enumerate(_texts(line)):
            item = table.item(row, column)
            if item is None:
                item = qt.QTableWidgetItem(text)
                if column in (2, 3):
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                table.setItem(row, column, item)
            elif item.text() != text:
                item.setText(text)
            item.setToolTip(line.remark or line.name)


def _texts(line: Line) -> tuple[str, ...]:
    state = line.state.value
    if line.state is State.RUNNING:
        state = f"running, {line.fraction:.0%}"
    m = line.measurement
    volume = f"{m.volume_ml:.1f}" if m is not None else ""
    confidence = f"{m.confidence:.2f}" if m is not None and m.confidence is not None else ""
    return line.name, state, volume, confidence, line.remark
