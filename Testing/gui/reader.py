"""A person who corrects a segment in the test host: with mouse and keys, on real slice views.

PYTEST_DONT_REWRITE: it is no test.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from panel_in_host import PanelUser, learnt
from slices import Slices

from PancreasSegLib.volume import Box, Geometry, Volume

GRID = Geometry((64, 60, 40), (2.0, 2.0, 3.0), (-64.0, -60.0, 900.0))
ORGAN_HU, FAT_HU = 110, -90
ORGAN = Box((16, 22, 10), (50, 40, 28))
FOUND = Box((16, 22, 10), (34, 40, 28))
"""The model found the organ's right half; the left one is missing."""


def abdomen(geometry: Geometry = GRID) -> Volume:
    """An ellipsoid of organ in fat in air."""
    organ = inside(geometry, ORGAN)
    hu = np.full(geometry.shape_zyx, -1000, np.int16)
    z, y, x = np.ogrid[tuple(slice(0, n) for n in geometry.shape_zyx)]
    _, height, width = geometry.shape_zyx
    hu[np.broadcast_to(((y / height - 0.5) / 0.47) ** 2 + ((x / width - 0.5) / 0.47) ** 2 < 1, hu.shape)] = FAT_HU
    hu[organ] = ORGAN_HU
    return Volume(hu + ((x + 2 * y + 3 * z) % 7).astype(np.int16), geometry)


def inside(geometry: Geometry, box: Box) -> np.ndarray:
    """The ellipsoid that touches the sides of a box, on the whole grid, (z, y, x)."""
    z, y, x = np.ogrid[tuple(slice(0, n) for n in geometry.shape_zyx)]
    middle = np.add(box.lower_ijk, box.upper_ijk) / 2 - 0.5
    half = np.asarray(box.size_ijk) / 2
    return ((x - middle[0]) / half[0]) ** 2 + ((y - middle[1]) / half[1]) ** 2 + (
        (z - middle[2]) / half[2]
    ) ** 2 <= 1


def found_mask(geometry: Geometry = GRID) -> np.ndarray:
    """What the model marked, cut to :data:`FOUND`."""
    return inside(geometry, ORGAN)[FOUND.slices_zyx].astype(np.uint8)


class Reader(PanelUser):
    """Corrects.

    Attributes
    ----------
    slices : Slices
        The slice views.
    """

    slices: Slices
    geometry: Geometry

    def start(self, geometry: Geometry = GRID, *, transform: Any = None, segment: bool = True) -> None:
        """Load the CT, open the module, and let the model find half of the organ."""
        from PancreasSegPanel.scene.volume_node import add_volume

        ct = add_volume(self.host.scene, abdomen(geometry), "CT")
        if transform is not None:
            ct.SetAndObserveTransformNodeID(transform.GetID())
        self.open()
        self.slices = Slices(self.host, ct)
        self.geometry = geometry
        if segment:
            self.find_half()

    def find_half(self) -> None:
        """Click Segment; the model answers with half of the organ."""
        self.segment(box=FOUND, mask=found_mask(self.geometry))
        self.look_at(self.edge())

    # ------------------------------------------------------------------ where things are

    def ras(self, index_ijk: Sequence[float]) -> np.ndarray:
        """The position of a voxel, as the slice views show it."""
        import slicer
        import vtk

        matrix = vtk.vtkMatrix4x4()
        self.slices.ct.GetIJKToRASMatrix(matrix)
        point = matrix.MultiplyPoint((*index_ijk, 1.0))
        parent = self.slices.ct.GetParentTransformNode()
        if parent is not None:
            slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(parent, None, matrix)
            point = matrix.MultiplyPoint(point)
        return np.array(point[:3])

    def edge(self) -> np.ndarray:
        """The middle of the cut between what was found and what is missing."""
        return self.ras((FOUND.upper_ijk[0] - 0.5, 31, 19))

    def look_at(self, ras: Sequence[float]) -> None:
        self.slices.jump(ras)

    def way(self, *indices: Sequence[float]) -> list[np.ndarray]:
        return [self.ras(index) for index in indices]

    # ------------------------------------------------------------------ what is done

    @property
    def section(self) -> Any:
        return self.panel.correct

    @property
    def session(self) -> Any:
        return self.section._known

    @property
    def told(self) -> str:
        return self.host.find("correctionStatusLabel").text

    def take(self, tool: str) -> None:
        """Take a tool by its button: include, exclude, includePoint, excludePoint."""
        names = {"include": "includeBrush", "exclude": "excludeBrush"}
        button = f"{names.get(tool, tool)}Button"
        if not self.host.find(button).checked:
            self.host.click(button)

    def draw(self, view: str, line: Sequence[Any], **keys: bool) -> None:
        """Draw with the left button and let the worker answer, if it is asked."""
        self.host.mouse.drag(view, line, **keys)
        self.let_correct()

    def edit(self, voxels: np.ndarray) -> None:
        """Paint and erase with the Segment Editor until the segment is this, on the CT's grid."""
        import slicer

        from PancreasSegPanel.scene.oriented_image import oriented_image

        if not self.section.editor.active:
            self.host.click("paintButton")
        image = oriented_image(voxels.astype(np.uint8), (0, 0, 0), self.frame(self.node))
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        logic.SetBinaryLabelmapToSegment(image, self.node, self.section.choice.segment_id, logic.MODE_REPLACE)
        self.host.process_events()

    def waiting(self) -> list[Any]:
        """What the worker was asked to correct and has not answered."""
        return [r for r in self.client.requests if r.method == "refine" and not r.done]

    def let_correct(self) -> None:
        """The worker answers everything."""
        while asked := self.waiting():
            for request in asked:
                self.client.correct(request)
            self.wait(lambda asked=asked: all(request.done for request in asked), 20)
            self.host.process_events()

    def lesson(self) -> Any:
        """What the worker was asked to learn last, None before."""
        return next((r for r in reversed(self.client.requests) if r.method == "learn"), None)

    def let_learn(self) -> None:
        """The worker has learnt."""
        request = self.lesson()
        self.client.teach(request)
        self.wait(lambda: request.done, 20)
        self.host.process_events()

    def as_learnt(self, request: Any) -> np.ndarray:
        """The mask that the worker's lesson leads to, (z, y, x)."""
        state = request.options["state"]
        mask = state.within(Box.whole(self.geometry))[0] > 0
        change = learnt(request.scan, state)
        mask[change.box.slices_zyx] = change.mask > 0
        return mask

    # ------------------------------------------------------------------ what is there

    @property
    def node(self) -> Any:
        """The segmentation that is corrected."""
        return self.section.choice.segmentation

    def now(self, segment_id: str = "", node: Any = None) -> np.ndarray:
        """A segment on the CT's grid, (z, y, x)."""
        from PancreasSegPanel.scene.oriented_image import oriented_image, values_on

        node = self.node if node is None else node
        segment = node.GetSegmentation().GetSegment(segment_id or self.section.choice.segment_id)
        like = oriented_image(np.zeros(self.geometry.shape_zyx, np.uint8), (0, 0, 0), self.frame(node))
        labelmap = segment.GetRepresentation("Binary labelmap")
        return values_on(labelmap, like) == segment.GetLabelValue()

    def frame(self, node: Any) -> np.ndarray:
        """From the CT's voxels to a segmentation's own axes."""
        from PancreasSegPanel.scene.ct_node import geometry_of
        from PancreasSegPanel.scene.segment_on_ct import frame_of

        return frame_of(node, geometry_of(self.slices.ct))

    def marked(self, name: str) -> np.ndarray:
        """A segment of the marks node."""
        node = self.session.marks_node
        return np.zeros(self.geometry.shape_zyx, bool) if node is None else self.now(name, node)

    def under(self, view: str, line: Sequence[Any], radius_mm: float) -> tuple[np.ndarray, np.ndarray]:
        """Voxels that a slice brush surely covered, and those that it may have touched, by their own distance."""
        index = np.indices(self.geometry.shape_zyx).reshape(3, -1)[::-1].T
        first, step = self.ras((0, 0, 0)), [self.ras(e) - self.ras((0, 0, 0)) for e in np.eye(3)]
        positions = first + index @ np.array(step)
        normal = self.slices.axes(view)[2]
        apart = np.full(len(positions), np.inf)
        for start, end in pairwise(line):
            along = np.clip((positions - start) @ (end - start) / max(1e-9, (end - start) @ (end - start)), 0, 1)
            off = positions - start - along[:, None] * (end - start)
            apart = np.minimum(apart, np.linalg.norm(off - (off @ normal)[:, None] * normal, axis=1))
        half = 0.5 * sum(abs(float(normal @ s)) for s in step)
        height = np.abs((positions - line[0]) @ normal)
        right = self.slices.axes(view)[0]
        pixel = abs(float((self.slices.ras(view, 1, 0) - self.slices.ras(view, 0, 0)) @ right))
        sure = (height < half - 0.1) & (apart < radius_mm - pixel)
        maybe = (height < half + 0.1) & (apart < radius_mm + pixel + max(np.linalg.norm(s) for s in step) / 2)
        return sure.reshape(self.geometry.shape_zyx), maybe.reshape(self.geometry.shape_zyx)


def ball(geometry: Geometry, index_ijk: Sequence[float], radius_mm: float) -> np.ndarray:
    """Voxels within a distance of one, (z, y, x)."""
    z, y, x = np.indices(geometry.shape_zyx)
    offsets = [
        (axis - centre) * size
        for axis, centre, size in zip((x, y, z), index_ijk, geometry.spacing_mm, strict=True)
    ]
    return sum(offset**2 for offset in offsets) <= radius_mm**2
