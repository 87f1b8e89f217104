"""Which segment is corrected: a list of the segments that there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import slicer

from PancreasSegPanel.scene.pancreas_segment import label_of
from PancreasSegPanel.signals import connect

EVENTS = ("SegmentAdded", "SegmentRemoved", "SegmentModified")


class SegmentSelector:
    """A combo box with the segments of some segmentations; follows them as segments come, go and are renamed.

    Parameters
    ----------
    combo : QComboBox
        Lists them.
    on_change : callable
        Called when another segment is chosen.
    """

    def __init__(self, combo: Any, on_change: Callable[[], None]) -> None:
        self._combo, self._on_change = combo, on_change
        self._filling = False
        self._entries: list[tuple[Any, str]] = []
        self._observed: dict[str, tuple[Any, list[int]]] = {}
        connect(combo, "currentIndexChanged(int)", self._chosen)

    @property
    def segmentation(self) -> Any | None:
        """The node of the chosen segment."""
        return self._current[0]

    @property
    def segment_id(self) -> str | None:
        """The chosen segment."""
        return self._current[1]

    @property
    def _current(self) -> tuple[Any, str] | tuple[None, None]:
        number = self._combo.currentIndex
        return self._entries[number] if 0 <= number < len(self._entries) else (None, None)

    def fill(self, nodes: Iterable[Any]) -> None:
        """List the segments of these nodes; the chosen one stays, else an own one is taken, else the first."""
        nodes = list(nodes)
        self._observe(nodes)
        self._list(nodes)

    def choose(self, segmentation: Any, segment_id: str) -> None:
        """Choose a segment of the list."""
        for number, entry in enumerate(self._entries):
            if entry[0] is segmentation and entry[1] == segment_id:
                self._combo.currentIndex = number

    def close(self) -> None:
        """Observe nothing any more and list nothing."""
        self.fill([])

    def _list(self, nodes: list[Any]) -> None:
        before = self._current
        entries: list[tuple[Any, str]] = []
        for node in nodes:
            segmentation = node.GetSegmentation()
            for number in range(segmentation.GetNumberOfSegments()):
                entries.append((node, str(segmentation.GetNthSegmentID(number))))
        texts = [self._text(entry, len(nodes) > 1) for entry in entries]
        self._filling = True
        if texts != [self._combo.itemText(number) for number in range(self._combo.count)]:
            self._combo.clear()
            self._combo.addItems(texts)
        self._entries = entries
        self._combo.currentIndex = _index(entries, before)
        self._filling = False
        self._combo.enabled = bool(entries)
        if self._current != before:
            self._on_change()

    @staticmethod
    def _text(entry: tuple[Any, str], several: bool) -> str:
        node, segment_id = entry
        name = node.GetSegmentation().GetSegment(segment_id).GetName() or segment_id
        return f"{name} ({node.GetName()})" if several else name

    def _chosen(self, _number: int) -> None:
        if not self._filling:
            self._on_change()

    def _observe(self, nodes: list[Any]) -> None:
        wanted = {node.GetID(): node for node in nodes}
        for node_id in [i for i, (node, _tags) in self._observed.items() if wanted.get(i) is not node]:
            node, tags = self._observed.pop(node_id)
            for tag in tags:
                node.RemoveObserver(tag)
        for node_id, node in wanted.items():
            if node_id not in self._observed:
                events = (getattr(slicer.vtkSegmentation, name) for name in EVENTS)
                self._observed[node_id] = (node, [node.AddObserver(event, self._changed) for event in events])

    def _changed(self, _caller: Any, _event: str) -> None:
        self._list([node for node, _tags in self._observed.values()])


def _index(entries: list[tuple[Any, str]], before: tuple[Any, str] | tuple[None, None]) -> int:
    for number, entry in enumerate(entries):
        if entry[0] is before[0] and entry[1] == before[1]:
            return number
    for number, (node, segment_id) in enumerate(entries):
        if label_of(node.GetSegmentation().GetSegment(segment_id)):
            return number
    return 0 if entries else -1
