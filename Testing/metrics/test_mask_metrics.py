"""Metrics of masks: known shapes, an independent implementation by brute force, and the empty cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.metrics import (
    assd,
    compare,
    dice,
    hausdorff95,
    iou,
    nsd,
    precision,
    recall,
    surface_distance,
    surface_distances,
    volume_error_ml,
    volume_ml,
)
from PancreasSegLib.metrics.surface_area import CORNERS, surface_areas

masks = arrays(bool, (4, 5, 6), elements=st.booleans())
spacings = st.tuples(*[st.sampled_from([0.5, 0.7, 1.0, 2.5, 5.0])] * 3)


def brute_elements(mask, spacing):
    """Positions and areas of surface elements, one neighbourhood at a time."""
    padded = np.pad(mask, 1)
    areas = surface_areas(tuple(float(v) for v in spacing))
    points, sizes = [], []
    for index in np.ndindex(*(n + 1 for n in mask.shape)):
        code = sum(1 << bit for bit, corner in enumerate(CORNERS) if padded[tuple(np.add(index, corner))])
        if code not in (0, 255):
            points.append(np.multiply(index, spacing[::-1]))
            sizes.append(areas[code])
    return np.array(points), np.array(sizes)


def brute(mask, reference, spacing, tolerance):
    """NSD, HD95 and ASSD by the written definition, all pairs of elements, areas laid end to end."""
    (p, a), (q, b) = brute_elements(mask, spacing), brute_elements(reference, spacing)
    pairs = np.linalg.norm(p[:, None] - q[None], axis=-1)
    to_reference, to_mask = pairs.min(1), pairs.min(0)

    def percentile(distances, sizes):
        for distance in np.unique(distances):
            if sizes[distances <= distance].sum() >= 0.95 * sizes.sum() - 1e-9:
                return distance
        raise AssertionError

    near = a[to_reference <= tolerance + 1e-9].sum() + b[to_mask <= tolerance + 1e-9].sum()
    total = a.sum() + b.sum()
    return (
        near / total,
        max(percentile(to_reference, a), percentile(to_mask, b)),
        (to_reference @ a + to_mask @ b) / total,
    )


@settings(max_examples=60, deadline=None)
@given(masks, masks, spacings, st.sampled_from([0.5, 1.0, 2.0, 3.0]))
def test_surface_metrics_are_those_of_brute_force(mask, reference, spacing, tolerance):
    if not mask.any() or not reference.any():
        return
    share, far, mean = brute(mask, reference, spacing, tolerance)
    assert nsd(mask, reference, spacing, tolerance) == pytest.approx(share)
    assert assd(mask, reference, spacing) == pytest.approx(mean)
    assert hausdorff95(mask, reference, spacing) == pytest.approx(far, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(masks, masks, spacings)
def test_overlap_metrics_are_those_of_sets(mask, reference, spacing):
    a, b = set(map(tuple, np.argwhere(mask))), set(map(tuple, np.argwhere(reference)))
    if a or b:
        assert dice(mask, reference) == pytest.approx(2 * len(a & b) / (len(a) + len(b)))
        assert iou(mask, reference) == pytest.approx(len(a & b) / len(a | b))
    if a:
        assert precision(mask, reference) == pytest.approx(len(a & b) / len(a))
    if b:
        assert recall(mask, reference) == pytest.approx(len(a & b) / len(b))
    assert volume_error_ml(mask, reference, spacing) == pytest.approx((len(a) - len(b)) * np.prod(spacing) / 1000)


@settings(max_examples=30, deadline=None)
@given(masks, masks, spacings)
def test_symmetry_identity_and_place(mask, reference, spacing):
    for metric in (dice, iou):
        assert metric(mask, reference) == metric(reference, mask)
        assert metric(mask, mask) == 1
    assert nsd(mask, reference, spacing, 1) == pytest.approx(nsd(reference, mask, spacing, 1))
    assert hausdorff95(mask, reference, spacing) == pytest.approx(hausdorff95(reference, mask, spacing))
    assert hausdorff95(mask, mask, spacing) == assd(mask, mask, spacing) == 0
    assert nsd(mask, mask, spacing, 0) == 1
    margins = ((3, 9), (1, 0), (2, 4))
    inside, outside = (
        compare(mask, reference, spacing),
        compare(np.pad(mask, margins), np.pad(reference, margins), spacing),
    )
    assert outside == pytest.approx(inside)


def test_a_ball_that_moves():
    z, y, x = np.indices((70, 90, 110))
    spacing, radius, move = (0.4, 0.5, 0.8), 12.0, 8.0  # x, y, z; mm
    ball = ((z - 30) * 0.8) ** 2 + ((y - 36) * 0.5) ** 2 + ((x - 45) * 0.4) ** 2 < radius**2
    assert volume_ml(ball, spacing) == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.02)
    cosine = np.linspace(-1, 1, 10001)  # of the angle to the movement; equal shares of a sphere's area
    off = np.abs(np.sqrt(radius**2 + move**2 + 2 * radius * move * cosine) - radius)
    for axis, voxels in ((0, 10), (1, 16), (2, 20)):
        found = surface_distances(np.roll(ball, voxels, axis), ball, spacing)
        assert found.hausdorff(100) == pytest.approx(move, rel=0.02)
        assert found.hausdorff(95) == pytest.approx(np.quantile(off, 0.95), rel=0.1)
        # elements are a voxel thick, so distances come out a little short
        assert off.mean() - 0.4 < found.assd() < off.mean()
        for tolerance in (2.0, 4.0, 6.0):
            assert found.nsd(tolerance) == pytest.approx((off <= tolerance).mean(), abs=0.08)
        assert found.nsd(move) == 1


def test_distances_are_in_mm_along_the_right_axes():
    mask, reference = np.zeros((2, 12, 12, 12), bool)
    mask[2, 5, 5] = reference[8, 5, 5] = True  # 6 voxels apart in z
    assert hausdorff95(mask, reference, (1, 2, 3)) == pytest.approx(18)
    assert hausdorff95(mask.transpose(2, 1, 0), reference.transpose(2, 1, 0), (1, 2, 3)) == pytest.approx(6)


def test_a_distance_of_exactly_the_tolerance_counts():
    mask = np.zeros((40, 40, 40), bool)
    mask[10:20, 10:20, 10:20] = True
    for spacing, steps in (((0.8, 0.9, 2.5), 3), ((0.1, 0.1, 0.1), 10), ((0.7, 0.7, 0.7), 10)):
        moved = np.roll(mask, steps, axis=2)
        assert nsd(moved, mask, spacing, steps * spacing[0]) == 1


def test_the_95th_percentile_ignores_a_far_speck():
    mask = np.zeros((60, 60, 60), bool)
    mask[10:40, 10:40, 10:40] = True
    speck = mask.copy()
    speck[55, 55, 55] = True
    found = surface_distances(speck, mask, (1, 1, 1))
    assert found.hausdorff(95) == 0
    assert found.hausdorff(100) > 25


@pytest.mark.parametrize("metric", [dice, iou, precision, recall])
def test_overlap_of_empty_masks(metric):
    empty, full = np.zeros((2, 3, 3, 3), bool)
    full[1, 1, 1] = True
    assert metric(empty, empty) == 1
    assert metric(empty, full) == metric(full, empty) == 0


def test_surfaces_of_empty_masks():
    empty, full = np.zeros((2, 3, 3, 3), bool)
    full[1, 1, 1] = True
    assert nsd(empty, empty, (1, 1, 1), 1) == 1
    assert hausdorff95(empty, empty, (1, 1, 1)) == assd(empty, empty, (1, 1, 1)) == 0
    for pair in ((empty, full), (full, empty)):
        assert nsd(*pair, (1, 1, 1), 100) == 0
        assert hausdorff95(*pair, (1, 1, 1)) == assd(*pair, (1, 1, 1)) == np.inf
    assert compare(empty, empty, (1, 1, 1))["dice"] == 1
    row = compare(empty, full, (1, 1, 1))
    assert row["dice"] == row["nsd_3mm"] == row["recall"] == 0
    assert row["hd95_mm"] == np.inf
    assert row["volume_error_ml"] == -0.001


def test_numbers_are_masks():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1:3, 1:3, 1:3] = 7
    assert dice(labels, labels > 0) == 1
    assert compare(labels.astype(float), labels, (1, 1, 1)) == compare(labels > 0, labels > 0, (1, 1, 1))


def test_what_cannot_be_compared():
    with pytest.raises(GeometryError, match=r"\(2, 2, 2\) and \(2, 2, 3\)"):
        dice(np.ones((2, 2, 2)), np.ones((2, 2, 3)))
    with pytest.raises(GeometryError, match="3D"):
        nsd(np.ones((2, 2)), np.ones((2, 2)), (1, 1, 1), 1)
    for spacing in ((1, 1), (1, 1, 0), (1, 1, float("nan"))):
        with pytest.raises(GeometryError, match="spacing"):
            hausdorff95(np.ones((2, 2, 2)), np.ones((2, 2, 2)), spacing)


def two_organs(shape):
    """A bent tube of about 100 mL and a disturbed copy, in the middle of a large scan."""
    mask = np.zeros(shape, bool)
    z, y, x = (np.arange(n) for n in shape)
    for i in range(40):
        dz, dy, dx = (z - 40 - 0.4 * i) * 2.5, (y - 200 - 40 * np.sin(i / 8)) * 0.8, (x - 180 - 4 * i) * 0.8
        rows, columns, slices = np.abs(dy) < 15, np.abs(dx) < 15, np.abs(dz) < 15
        box = np.ix_(slices, rows, columns)
        mask[box] |= dz[slices, None, None] ** 2 + dy[rows, None] ** 2 + dx[columns] ** 2 < 14**2
    return mask, np.roll(mask, (1, 3, -2), (0, 1, 2))


def test_a_pancreas_in_a_large_scan_is_compared_in_its_own_box(monkeypatch):
    mask, reference = two_organs((100, 512, 512))
    elements, shapes = surface_distance.surface_elements, []

    def noted(part, spacing):
        shapes.append(part.shape)
        return elements(part, spacing)

    monkeypatch.setattr(surface_distance, "surface_elements", noted)
    row = compare(mask, reference, (0.8, 0.8, 2.5))
    assert len(shapes) == 2 and max(np.prod(shapes, axis=1)) < 0.1 * mask.size
    assert 80 < row["volume_ml"] < 130
    assert 0.6 < row["dice"] < 0.9
    assert row["nsd_1mm"] < row["nsd_3mm"] < row["nsd_5mm"] == 1
