"""Measurements against organs of known shape and density."""

from __future__ import annotations

import json

import numpy as np
import pytest

from PancreasSegLib.errors import MaskError
from PancreasSegLib.io import write_mask, write_volume
from PancreasSegLib.measure import MEASURES, measure_organ
from PancreasSegLib.measure.centreline import find_centreline
from PancreasSegLib.measure.density import density, erode_rim
from PancreasSegLib.measure.parts import divide_into_parts
from PancreasSegLib.measure.shape import OrganShape
from PancreasSegLib.volume import Geometry, Volume


def positions(geometry):
    z, y, x = np.indices(geometry.shape_zyx)
    return geometry.index_to_lps(np.stack([x, y, z], axis=-1).reshape(-1, 3)).reshape(*geometry.shape_zyx, 3)


def arch(geometry, radius_mm=9.0, bend_mm=60.0, degrees=150.0):
    """Return a tube bent in the coronal plane, its ends round: from the right (-L) up and over to the left."""
    angles = np.deg2rad(np.linspace(180 - (180 - degrees) / 2, (180 - degrees) / 2, 400))
    line = np.stack([bend_mm * np.cos(angles), np.zeros_like(angles), bend_mm * np.sin(angles)], axis=-1)
    at = positions(geometry)
    radial = np.hypot(at[..., 0], at[..., 2])
    on_arc = np.sqrt((radial - bend_mm) ** 2 + at[..., 1] ** 2) < radius_mm
    angle = np.rad2deg(np.arctan2(at[..., 2], at[..., 0]))
    tube = on_arc & (np.abs(angle - 90) <= degrees / 2)
    for end in (line[0], line[-1]):
        tube |= np.linalg.norm(at - end, axis=-1) < radius_mm
    return tube


def grid(spacing=(1.0, 1.0, 1.0), flip=(1, 1, 1)):
    extent = np.array([170.0, 40.0, 100.0])
    low = np.array([-85.0, -20.0, -5.0])
    size = tuple(int(np.ceil(e / s)) for e, s in zip(extent, spacing, strict=True))
    direction = np.diag(np.array(flip, float))
    origin = tuple(lo if f > 0 else lo + s * (n - 1) for lo, f, s, n in zip(low, flip, spacing, size, strict=True))
    return Geometry(size, spacing, origin, direction)


LENGTH_MM = 60 * np.deg2rad(150) + 2 * 9
VOLUME_ML = (np.pi * 81 * 60 * np.deg2rad(150) + 4 / 3 * np.pi * 729) / 1000


@pytest.mark.parametrize(
    ("spacing", "flip", "blur_mm"),
    [((1.0, 1.0, 1.0), (1, 1, 1), 1.5), ((0.8, 0.8, 2.5), (1, -1, 1), 2.0), ((0.7, 0.7, 5.0), (-1, 1, -1), 2.5)],
)
def test_a_bent_tube_s_length_thickness_and_volume(spacing, flip, blur_mm):
    geometry = grid(spacing, flip)
    tube = arch(geometry)
    found = measure_organ(tube, Volume(np.full(tube.shape, 50.0), geometry))
    assert found.values["volume_ml"] == pytest.approx(VOLUME_ML, rel=0.06)
    assert found.values["length_mm"] == pytest.approx(LENGTH_MM, rel=0.06)
    assert found.values["thickness_mm"] == pytest.approx(18, abs=blur_mm)
    middle = found.centreline.points_lps[len(found.centreline.points_lps) // 2]
    assert middle == pytest.approx([0, 0, 60], abs=3)
    assert found.centreline.points_lps[0, 0] < -40  # the head lies to the patient's right


def test_parts_share_the_tube_by_its_centreline():
    geometry = grid()
    tube = arch(geometry)
    found = measure_organ(tube, Volume(np.full(tube.shape, 50.0), geometry)).values
    assert found["head_ml"] + found["body_ml"] + found["tail_ml"] == pytest.approx(found["volume_ml"])
    assert found["head_ml"] / found["volume_ml"] == pytest.approx(0.4, abs=0.03)
    assert found["tail_ml"] / found["volume_ml"] == pytest.approx(0.3, abs=0.03)


def test_the_head_ends_at_the_aorta_s_right_border():
    geometry = grid()
    tube = arch(geometry)
    at = positions(geometry)
    aorta = Volume((at[..., 0] > -15) & (at[..., 0] < 5) & (at[..., 1] > 12), geometry)
    line = find_centreline(OrganShape.of_mask(tube, geometry))
    parts = divide_into_parts(tube, geometry, line, aorta)
    assert at[parts == 1][:, 0].max() == pytest.approx(-15, abs=6)
    assert at[parts == 2][:, 0].min() == pytest.approx(-15, abs=6)


def test_a_lobulated_organ_has_more_surface_and_is_less_convex_than_a_ball():
    geometry = Geometry((60, 60, 60), (1.0, 1.0, 1.0), (-30.0, -30.0, -30.0))
    at = positions(geometry)
    ct = Volume(np.full(geometry.shape_zyx, 50.0), geometry)
    ball = np.linalg.norm(at, axis=-1) < 18
    lobes = np.zeros_like(ball)
    for angle in np.linspace(0, 2 * np.pi, 6, endpoint=False):
        lobes |= np.linalg.norm(at - 14 * np.array([np.cos(angle), np.sin(angle), 0]), axis=-1) < 9
    smooth, lobulated = measure_organ(ball, ct).values, measure_organ(lobes, ct).values
    assert smooth["surface_cm2"] == pytest.approx(4 * np.pi * 18**2 / 100, rel=0.1)
    assert smooth["sphericity"] > 0.9 > lobulated["sphericity"]
    assert smooth["convexity"] > 0.9 > lobulated["convexity"]
    assert lobulated["surface_per_volume_mm"] > smooth["surface_per_volume_mm"]


def test_fat_is_counted_and_the_rim_of_mixed_voxels_left_out():
    hu = np.concatenate([np.full(70, 40.0), np.full(20, -100.0), np.full(10, -250.0)])
    assert density(hu)["fat_share"] == pytest.approx(0.2)
    geometry = grid()
    tube = arch(geometry)
    voxels = np.full(tube.shape, -100.0)
    voxels[erode_rim(tube, geometry, 1.5)] = 40.0
    found = measure_organ(tube, Volume(voxels, geometry)).values
    assert found["fat_share"] > 0.2
    assert found["core_fat_share"] == 0
    assert found["core_mean_hu"] == 40


def test_thick_slices_lose_no_slice_to_the_rim():
    geometry = Geometry((20, 20, 3), (1.0, 1.0, 5.0))
    mask = np.zeros(geometry.shape_zyx, bool)
    mask[:, 5:15, 5:15] = True
    assert erode_rim(mask, geometry).any(axis=(1, 2)).all()


def test_ratios_and_phase_come_from_the_other_organs():
    geometry = grid()
    tube = arch(geometry)
    at = positions(geometry)
    ct = np.full(tube.shape, 0.0)
    ct[tube] = 30.0
    organs = {
        "spleen": (at[..., 0] > 72) & (at[..., 2] > 70),
        "liver": (at[..., 0] < -72) & (at[..., 2] > 70),
        "aorta": (np.abs(at[..., 0]) < 8) & (at[..., 2] < 20),
    }
    for name, hu in (("spleen", 50.0), ("liver", 60.0), ("aorta", 45.0)):
        ct[organs[name]] = hu
    organs = {name: Volume(mask, geometry) for name, mask in organs.items()}
    found = measure_organ(tube, Volume(ct, geometry), organs).values
    assert found["pancreas_minus_spleen_hu"] == -20
    assert found["pancreas_to_spleen"] == pytest.approx(0.6)
    assert found["liver_to_spleen"] == pytest.approx(1.2)
    assert found["phase"] == "unenhanced"
    alone = measure_organ(tube, Volume(ct, geometry)).values
    assert "phase" not in alone
    assert "pancreas_to_spleen" not in alone


def test_organs_on_a_coarse_grid_are_measured_without_their_mixed_rim():
    geometry, coarse = grid(), Geometry((60, 40, 30), (3.0, 3.0, 5.0), (-90.0, -60.0, -60.0))
    tube, at = arch(geometry), positions(geometry)
    spleen = np.linalg.norm(at - [60, 0, 0], axis=-1) < 20
    ct = np.where(spleen, 100.0, -80.0)
    seen = Volume(np.linalg.norm(positions(coarse) - [60, 0, 0], axis=-1) < 23, coarse)
    assert measure_organ(tube, Volume(ct, geometry), {"spleen": seen}).values["spleen_hu"] == 100


def test_every_measure_is_defined():
    geometry = grid()
    tube = arch(geometry)
    organs = dict.fromkeys(("spleen", "liver", "aorta"), Volume(tube, geometry))
    found = measure_organ(tube, Volume(np.full(tube.shape, 50.0), geometry), organs).values
    assert set(found) - set(MEASURES) == {"spleen_hu", "liver_hu", "aorta_hu"}
    assert set(MEASURES) <= set(found)


def test_an_empty_mask_and_another_grid_are_refused():
    geometry = grid()
    ct = Volume(np.zeros(geometry.shape_zyx), geometry)
    with pytest.raises(MaskError, match="empty"):
        measure_organ(np.zeros(geometry.shape_zyx, bool), ct)
    with pytest.raises(MaskError, match="another grid"):
        measure_organ(np.ones((3, 3, 3), bool), ct)


def test_the_command_measures_files_and_writes_the_parts(tmp_path, capsys):
    from PancreasSegLib.cli.app import run
    from PancreasSegLib.io import read_labels

    geometry = grid((1.0, 1.0, 2.0))
    tube = arch(geometry)
    at = positions(geometry)
    hu = np.where(at[..., 1] ** 2 < 380, 20.0, -1000.0).astype(np.int16)
    write_volume(tmp_path / "ct.nii.gz", Volume(hu, geometry))
    write_mask(tmp_path / "mask.nii.gz", tube.astype(np.uint8), geometry, labels={"pancreas": 1})
    arguments = [str(tmp_path / "mask.nii.gz"), str(tmp_path / "ct.nii.gz"), "-o", str(tmp_path / "parts.nii.gz")]
    assert run(["measure", *arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["values"]["volume_ml"] == pytest.approx(VOLUME_ML, rel=0.05)
    assert set(answer["definitions"]) == set(answer["values"])
    parts = read_labels(tmp_path / "parts.nii.gz")
    assert set(np.unique(parts.voxels)) == {0, 1, 2, 3}
    assert np.array_equal(parts.voxels > 0, tube)
