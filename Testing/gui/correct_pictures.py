"""The pictures of the tutorial *Correct a mask*: a generated phantom, the default model, the test host.

Run from the project's root::

    python Testing/gui/correct_pictures.py [--folder Resources/Screenshots]

The strokes are placed by the phantom's own anatomy: over the largest piece that the model marked wrongly and over
the largest that it missed, as a reader would see them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

TESTING = Path(__file__).resolve().parents[1]
MODULE = TESTING.parent / "PancreasSeg" / "PancreasSeg.py"
SEED = 1
FIELD_MM = 170.0
CROP = (slice(40, 344), slice(0, 364))
PATIENCE_S = 300.0
CAPTION_PIXELS = 24
BESIDE_MM = 6.0
"""So far from the slice that is mended the picture shows another one."""


class Photographer:
    """The panel with a segmented phantom, and a camera."""

    def __init__(self, folder: Path) -> None:
        from host import start_host

        self.host, self.folder = start_host(), folder

    def open(self) -> None:
        """Load the phantom, open the module, segment."""
        sys.path[:0] = [str(MODULE.parent), str(Path(__file__).parent)]
        from slices import Slices

        from PancreasSegLib.phantom import PHANTOM_LABELS, make_phantom
        from PancreasSegPanel.scene.volume_node import add_volume

        phantom = make_phantom(seed=SEED)
        self.grid = phantom.ct.geometry
        self.truth = np.asarray(phantom.labels.voxels) == PHANTOM_LABELS["pancreas"]
        node = add_volume(self.host.scene, phantom.ct, "Phantom")
        display = node.GetDisplayNode()
        display.AutoWindowLevelOff()
        display.SetWindowLevel(350, 50)
        self.host.module(MODULE)
        for _ in range(2):  # the second run is a warm one: its time is the one to show
            self.host.click("segmentButton")
            self.wait(lambda: self.host.find("segmentButton").enabled)
        self.slices = Slices(self.host, node)

    def wait(self, until: Any) -> None:
        self.host.process_events(until, PATIENCE_S)

    # ------------------------------------------------------------------ where the mask is wrong

    def mask(self) -> np.ndarray:
        """The segment on the phantom's grid."""
        from PancreasSegPanel.scene.oriented_image import oriented_image, values_on
        from PancreasSegPanel.scene.patient_axes import ras_from_geometry

        section = self.host.widget.panel.correct
        segment = section.choice.segmentation.GetSegmentation().GetSegment(section.choice.segment_id)
        like = oriented_image(np.zeros(self.grid.shape_zyx, np.uint8), (0, 0, 0), ras_from_geometry(self.grid))
        return values_on(segment.GetRepresentation("Binary labelmap"), like) == segment.GetLabelValue()

    def dice(self) -> float:
        mask = self.mask()
        return float(2 * (mask & self.truth).sum() / (mask.sum() + self.truth.sum()))

    def stroke_over(self, wrong: np.ndarray) -> list[np.ndarray]:
        """A line along the largest wrong piece, on the axial slice that shows most of it, in RAS."""
        from scipy.ndimage import distance_transform_edt, label

        pieces, _ = label(wrong)
        largest = pieces == np.argmax(np.bincount(pieces.ravel())[1:]) + 1
        k = int(np.argmax(largest.sum(axis=(1, 2))))
        flat, _ = label(largest[k])
        flat = flat == np.argmax(np.bincount(flat.ravel())[1:]) + 1
        deep = np.argwhere(distance_transform_edt(flat) > 0.55 * distance_transform_edt(flat).max()).astype(float)
        along = np.linalg.svd(deep - deep.mean(0), full_matrices=False)[2][0]
        order = deep[np.argsort((deep - deep.mean(0)) @ along)]
        picked = order[np.linspace(0, len(order) - 1, 4).astype(int)]
        picked = np.vstack([picked[:1], [order[len(order) // 2]], picked[-1:]])
        lps = self.grid.index_to_lps(np.column_stack([picked[:, 1], picked[:, 0], np.full(len(picked), float(k))]))
        return list(lps * (-1, -1, 1))

    # ------------------------------------------------------------------ pictures

    def look(self, view: str, position: np.ndarray) -> None:
        """Centre the views, and come closer in one of them."""
        self.slices.jump(position)
        node = self.slices.node(view)
        x, y, z = node.GetFieldOfView()
        node.SetFieldOfView(FIELD_MM, FIELD_MM * y / x, z)

    def view(self, name: str) -> np.ndarray:
        return self.host.view_pictures()[name][CROP]

    def strip(self, name: str, pictures: Sequence[np.ndarray], captions: Sequence[str]) -> None:
        """Write pictures side by side, each with its caption."""
        from PySide6 import QtCore, QtGui

        gap = np.full((pictures[0].shape[0], 6, 3), 255, np.uint8)
        row = np.hstack([part for picture in pictures for part in (picture, gap)][:-1])
        whole = np.full((row.shape[0] + 2 * CAPTION_PIXELS, row.shape[1], 3), 255, np.uint8)
        whole[CAPTION_PIXELS : CAPTION_PIXELS + row.shape[0]] = row
        rows, columns, _ = whole.shape
        image = QtGui.QImage(whole.data, columns, rows, 3 * columns, QtGui.QImage.Format_RGB888).copy()
        painter = QtGui.QPainter(image)
        painter.setPen(QtGui.QColor(20, 20, 20))
        width = pictures[0].shape[1] + 6
        for number, caption in enumerate(captions):
            place = QtCore.QRect(number * width, rows - CAPTION_PIXELS, width - 6, CAPTION_PIXELS)
            painter.drawText(place, QtCore.Qt.AlignCenter, caption)
        title = QtCore.QRect(0, 0, columns, CAPTION_PIXELS)
        painter.drawText(title, QtCore.Qt.AlignCenter, "test host, not 3D Slicer; generated phantom")
        painter.end()
        if not image.save(str(self.folder / name)):
            raise OSError(f"{name} could not be written")

    def correct(self, name: str, tool: str, wrong: np.ndarray, captions: Sequence[str]) -> None:
        """Draw one stroke over what is wrong; a picture before, while drawing, and after."""
        way = self.stroke_over(wrong)
        self.look("Red", way[1])
        before = self.view("Red")
        if not self.host.find(tool).checked:
            self.host.click(tool)
        self.host.mouse.press("Red", way[0])
        self.host.mouse.draw("Red", way)
        drawing = self.view("Red")
        self.host.mouse.release("Red", way[-1])
        session = self.host.widget.panel.correct.session()
        self.wait(lambda: not session.busy)
        self.host.mouse.leave()
        after = self.view("Red")
        self.strip(name, [before, drawing, after], captions)
        sys.stdout.write(f"{name}: {self.host.find('correctionStatusLabel').text} Dice {self.dice():.3f}\n")

    def take_all(self) -> None:
        """Make every picture."""
        self.open()
        sys.stdout.write(f"The model alone: Dice {self.dice():.3f}\n")
        self.confirmed_slice()
        mask = self.mask()
        self.correct(
            "correct_exclude.png",
            "excludeBrushButton",
            mask & ~self.truth,
            ("the model marked too much here", "a line with Exclude", "one line later: a rest is left"),
        )
        self.correct(
            "correct_include.png",
            "includeBrushButton",
            self.truth & ~self.mask(),
            ("a part is missing", "a line with Include", "the part is there"),
        )
        self.preview()
        self.window()

    def confirmed_slice(self) -> None:
        """Mend a slice by hand, press S, look at one beside it; then take all back.

        The slice is the one whose error goes on most in the slice beside it.
        """
        from PySide6 import QtCore

        from PancreasSegPanel.scene.oriented_image import oriented_image
        from PancreasSegPanel.scene.pancreas_segment import put_labelmap
        from PancreasSegPanel.scene.patient_axes import ras_from_geometry

        beside = round(BESIDE_MM / self.grid.spacing_mm[2])
        shared = np.zeros(len(self.truth) - beside, int)
        for wrong in (self.truth & ~self.mask(), self.mask() & ~self.truth):
            shared += (wrong[beside:] & wrong[:-beside]).sum(axis=(1, 2))
        found = (self.truth & self.mask()).any(axis=(1, 2))
        shared[~(found[beside:] & found[:-beside])] = 0
        k = int(np.argmax(shared))
        middle = np.argwhere(self.truth[k] | self.mask()[k]).mean(0)
        centres = [(middle[1], middle[0], float(number)) for number in (k, k + beside)]
        places = [self.grid.index_to_lps(centre) * (-1, -1, 1) for centre in centres]
        session = self.host.widget.panel.correct.session()
        pictures = []
        self.look("Red", places[1])
        pictures.append(self.view("Red"))
        self.look("Red", places[0])
        pictures.append(self.view("Red"))
        self.host.mouse.move("Red", places[0])
        mended = self.mask()
        mended[k] = self.truth[k]  # what a reader does with the Segment Editor
        image = oriented_image(mended.astype(np.uint8), (0, 0, 0), ras_from_geometry(self.grid))
        put_labelmap(session.segmentation, session.segment_id, image)
        before = self.dice()
        self.host.press(QtCore.Qt.Key_S)
        self.wait(lambda: not session.busy)
        self.host.mouse.leave()
        pictures.append(self.view("Red"))
        self.look("Red", places[1])
        pictures.append(self.view("Red"))
        far = f"{beside * self.grid.spacing_mm[2]:.0f} mm above"
        captions = (f"{far}, before", "this slice, before", "mended by hand, S pressed", f"{far}: it followed")
        self.strip("correct_slice.png", pictures, captions)
        told = self.host.find("correctionStatusLabel").text
        sys.stdout.write(f"correct_slice.png: {told} Dice {before:.3f} to {self.dice():.3f}\n")
        while session.can_undo:
            session.undo()

    def preview(self) -> None:
        """A correction that waits to be accepted."""
        self.host.click("previewCheckBox")
        way = self.stroke_over(self.truth & ~self.mask())
        self.look("Red", way[1])
        self.host.mouse.drag("Red", way)
        session = self.host.widget.panel.correct.session()
        self.wait(lambda: not session.busy)
        self.host.mouse.leave()
        shown = self.view("Red")
        self.host.click("acceptButton")
        self.strip("correct_preview.png", [shown, self.view("Red")], ("previewed: the yellow outline", "accepted"))
        self.host.click("previewCheckBox")

    def window(self) -> None:
        """The panel beside the views."""
        self.host.click("show3DButton")
        way = self.stroke_over(self.truth & ~self.mask())
        for view in ("Red", "Yellow", "Green"):
            self.look(view, way[1])
        self.host.find("inputsCollapsibleButton").collapsed = True
        self.host.mouse.move("Red", way[1])
        self.host.window.scroll_to(self.host.find("inputsCollapsibleButton"))
        self.host.screenshot(self.folder / "correct_test_host.png")
        self.host.mouse.leave()


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=TESTING.parent / "Resources" / "Screenshots")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    sys.path.insert(0, str(TESTING))
    photographer = Photographer(arguments.folder)
    photographer.take_all()
    photographer.host.close()


if __name__ == "__main__":
    main()
