"""What the proposal is made of: each test falls when the one thing that it is named after is taken out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from trunk import Trunk

from PancreasSegLib.roi import propose_roi
from PancreasSegLib.roi.body import body_mask
from PancreasSegLib.roi.thresholds import IntensityRange
from PancreasSegLib.volume import Geometry, Volume


def test_the_corners_of_a_body_are_restored():
    """Opening rounds them off; arms beside the body and folds of skin would be lost."""
    hu = np.full((12, 90, 90), -1000.0, np.float32)
    body = np.zeros(hu.shape, bool)
    body[:, 20:70, 20:70] = True
    hu[body] = 40.0
    intensities = SimpleNamespace(body_hu=-300.0)
    found = body_mask(SimpleNamespace(hu=hu, intensities=intensities, voxel_ml=0.064, spacing_zyx=(4.0, 4.0, 4.0)))
    assert np.array_equal(found[2:-2], body[2:-2])


def test_there_is_room_beside_what_any_known_patient_had():
    from PancreasSegLib.roi.statistics import location_statistics

    trunk = Trunk().volume()
    proposal, known = propose_roi(trunk), location_statistics()
    middle = proposal.landmarks["spine_top_lps"][0]
    left = trunk.geometry.index_to_lps(np.array(proposal.box.upper_ijk) - 0.5)[0] - middle
    assert left > known["left_of_spine"].greatest + 15


def test_an_oblique_grid_widens_the_box():
    trunk = Trunk().volume()
    angle = np.deg2rad(12)
    matrix = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    g = trunk.geometry
    straight, oblique = (
        np.ptp(propose_roi(Volume(trunk.voxels, grid)).box.to_json(), axis=1) * g.spacing_mm
        for grid in (g, Geometry(g.size_ijk, g.spacing_mm, g.origin_lps, tuple(matrix.ravel())))
    )
    assert (oblique[:2] > straight[:2] + 10).all()


def test_bone_is_found_in_a_scan_that_is_clipped_below_it():
    voxels = np.where(np.arange(20000) % 40 == 0, 150, 30)
    voxels[:1000] = -1000
    assert IntensityRange.of(voxels).bone_hu < 150
    assert IntensityRange.of(np.append(voxels, 900)).bone_hu > 150
