"""A confirmed slice on its way to the worker: its organ, and what it says is none."""

from __future__ import annotations

import numpy as np
import pytest
from correction_owner import GRIDS, Owner

from PancreasSegLib.refine import EXCLUDED, INCLUDED, Mark
from PancreasSegLib.volume import Box
from PancreasSegLib.worker.correction_files import read_mark, write_mark

FLAT = Box((5, 5, 5), (9, 8, 6))


def test_it_gives_what_the_library_gives(client):
    owner = Owner(client, GRIDS["oblique"], "slice")
    owner.add(owner.stroke(0.8))
    for axis in (2, 0):
        index = (owner.box.lower_ijk[axis] + owner.box.upper_ijk[axis]) // 2
        mark = Mark.of_slice(owner.twin.mask, owner.grid, axis=axis, index=index)
        owner.add(mark)  # compares mask and marks with the library's, voxel by voxel
        marks = owner.whole()[1][mark.box.slices_zyx]
        assert np.array_equal(marks, mark.values) and {INCLUDED, EXCLUDED} <= set(marks.ravel())


@pytest.mark.parametrize("empty", [False, True])
def test_what_is_written_is_read_again(tmp_path, empty):
    grid = GRIDS["oblique"]
    voxels = np.zeros(FLAT.size_ijk[::-1], bool)
    voxels[0, 1, 1:3] = not empty
    mark = Mark("slice", True, FLAT, voxels)
    read = read_mark(tmp_path, write_mark(tmp_path, "mark", grid, mark), grid)
    assert (read.kind, read.include, read.box) == ("slice", True, FLAT)  # not cut to its organ
    assert np.array_equal(read.values, mark.values)
