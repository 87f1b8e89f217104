"""Tables as Parquet, whole or not at all; and as parts that are appended while a run goes on."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PancreasSegLib.io import atomic_path

Row = dict[str, Any]


def write_table(path: Path, rows: Sequence[Row], columns: Sequence[str] | None = None) -> None:
    """Write rows as Parquet; a column that is missing in a row is null there.

    Parameters
    ----------
    path : Path
    rows : sequence of dict
    columns : sequence of str, optional
        Which, and their order; by default all, as they first come.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: _typed(pa.array([row.get(name) for row in rows])) for name in names})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def _typed(array: Any) -> Any:
    """Give a column without any value the type of a text: other readers know no null column."""
    import pyarrow as pa

    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def read_table(path: Path) -> list[Row]:
    """Read the rows of a Parquet file."""
    import pyarrow.parquet as pq

    rows: list[Row] = pq.ParquetFile(path).read().to_pylist()
    return rows


def write_csv(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Write rows as CSV."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


class Parts:
    """A table in numbered Parquet files, each written once.

    Parameters
    ----------
    folder : Path
        Of the files.
    size : int
        Rows a file.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size
        self._waiting: list[Row] = []

    def rows(self) -> Iterator[Row]:
        """Give all rows that are kept, each with what it has a value for."""
        for path in self._files():
            for row in read_table(path):
                yield {name: value for name, value in row.items() if value is not None}

    def append(self, rows: Iterable[Row]) -> None:
        """Add rows; they are on the disk when a part is full, or after `flush`."""
        self._waiting += rows
        if len(self._waiting) >= self.size:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            last = int(self._files()[-1].stem) if self._files() else 0
            write_table(self.folder / f"{last + 1:06d}.parquet", self._waiting)
            self._waiting = []

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.parquet"))
