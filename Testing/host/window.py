"""The window of the test host: a module's panel on the left, four views on the right."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6 import QtCore, QtGui, QtWidgets

TITLE = "test host, not 3D Slicer"


class HostWindow(QtWidgets.QMainWindow):
    """Stands in for the main window; ``slicer.util.mainWindow()`` finds it by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle(TITLE)
        self.resize(1240, 860)
        self._scroll = QtWidgets.QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFixedWidth(480)
        self._views = QtWidgets.QLabel()
        self._views.setAlignment(QtCore.Qt.AlignCenter)
        title = QtWidgets.QLabel(TITLE)  # offscreen windows have no frame that would show the title
        title.setAlignment(QtCore.Qt.AlignCenter)
        central = QtWidgets.QWidget()
        rows = QtWidgets.QVBoxLayout(central)
        rows.addWidget(title)
        columns = QtWidgets.QHBoxLayout()
        columns.addWidget(self._scroll)
        columns.addWidget(self._views, 1)
        rows.addLayout(columns, 1)
        self.setCentralWidget(central)
        self.statusBar().showMessage(TITLE)

    def show_panel(self, panel: Any) -> None:
        """Show a module's panel, or none."""
        previous = self._scroll.takeWidget()
        if previous is not None:
            previous.hide()
        if panel is not None:
            self._scroll.setWidget(panel)
            panel.show()

    def scroll_to(self, widget: Any) -> None:
        """Bring a widget of the panel into view, where it lies once what was opened has been laid out."""
        QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.LayoutRequest.value)
        self._scroll.ensureWidgetVisible(widget)

    def show_views(self, pictures: dict[str, np.ndarray]) -> None:
        """Show the views as the application arranges them: axial, 3D / sagittal, coronal."""
        upper = np.hstack([pictures["Red"], pictures["1"]])
        lower = np.hstack([pictures["Yellow"], pictures["Green"]])
        pixels = np.ascontiguousarray(np.vstack([upper, lower]))
        rows, columns, _ = pixels.shape
        image = QtGui.QImage(pixels.data, columns, rows, 3 * columns, QtGui.QImage.Format_RGB888).copy()
        self._views.setPixmap(QtGui.QPixmap.fromImage(image))
