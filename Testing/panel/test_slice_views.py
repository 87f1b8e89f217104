"""The slices go to the organ's centre of gravity."""

import numpy as np
from fake_worker import BOX
from test_patient_axes import move
from test_segment_writing import expected, segment

from PancreasSegPanel.drawing.slice_views import centre_ras
from PancreasSegPanel.scene.pancreas_segment import find_own_segment


def test_the_centre_is_that_of_the_voxels_in_the_world(logic, client, add_ct, grid, scene):
    node = segment(logic, client, add_ct(grid)).segmentation
    own = find_own_segment(node, "pancreas")
    index = np.argwhere(expected(grid, BOX))[:, ::-1]
    x, y, z = grid.index_to_lps(index).mean(axis=0)
    assert np.allclose(centre_ras(node, own), (-x, -y, z))
    move(scene, node, (10.0, 20.0, 30.0))
    assert np.allclose(centre_ras(node, own), (-x + 10, -y + 20, z + 30))
