"""The same masks measured by DeepMind's surface-distance, and by MONAI, whose definitions differ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from PancreasSegLib.metrics import compare

SPACING = (0.8, 0.8, 2.5)


def blobs(seed: int, shape=(18, 30, 34), share: float = 0.8, alike: float = 0.7):
    """Two smooth random masks that have much in common."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(size=shape), rng.normal(size=shape)
    sigma = rng.uniform(0.6, 2.5)
    mask, reference = (ndimage.gaussian_filter(common + (1 - alike) * extra, sigma) for extra in (own, 0 * own))
    return mask > np.quantile(mask, share), reference > np.quantile(reference, share)


def example():
    """The example of the manual page: a slender egg and a thicker one beside it, in slices of 2.5 mm."""
    z, y, x = np.indices((24, 60, 90))

    def egg(centre, radii_mm):
        parts = (
            ((a - c) * mm / r) ** 2 for a, c, mm, r in zip((z, y, x), centre, SPACING[::-1], radii_mm, strict=True)
        )
        return sum(parts) < 1

    return egg((12, 30, 50), (6, 8, 26)), egg((12, 31, 38), (10, 11, 18))


@pytest.mark.parametrize("seed", range(12))
def test_figures_are_those_of_deepmind(seed):
    theirs = pytest.importorskip("surface_distance", reason="the test extra's surface-distance is not installed")
    rng = np.random.default_rng(100 + seed)
    spacing = tuple(rng.choice([0.5, 0.75, 1.0, 2.5, 5.0], 3))
    mask, reference = blobs(seed, alike=rng.uniform(0, 0.9))
    ours = compare(mask, reference, spacing)
    surfaces = theirs.compute_surface_distances(reference, mask, spacing[::-1])
    assert ours["dice"] == pytest.approx(theirs.compute_dice_coefficient(reference, mask), abs=1e-3)
    for tolerance in (1, 2, 3, 5):
        nsd = theirs.compute_surface_dice_at_tolerance(surfaces, tolerance)
        assert ours[f"nsd_{tolerance}mm"] == pytest.approx(nsd, abs=1e-3)
    assert ours["hd95_mm"] == pytest.approx(theirs.compute_robust_hausdorff(surfaces, 95), abs=1e-3)
    # theirs is a pair, one average a direction; ours is one average over the area of both
    there, back = theirs.compute_average_surface_distance(surfaces)
    areas = surfaces["surfel_areas_gt"].sum(), surfaces["surfel_areas_pred"].sum()
    assert ours["assd_mm"] == pytest.approx((there * areas[0] + back * areas[1]) / sum(areas), abs=1e-3)


def test_monai_measures_the_example_of_the_manual_otherwise(project):
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

    mask, reference = example()
    ours = compare(mask, reference, SPACING)
    a, b = (torch.from_numpy(np.stack([~m, m])[None].astype(np.float32)) for m in (mask, reference))
    spacing = {"spacing": SPACING[::-1]}
    theirs = {
        "nsd_1mm": float(compute_surface_dice(a, b, class_thresholds=[1.0], **spacing)),
        "nsd_2mm": float(compute_surface_dice(a, b, class_thresholds=[2.0], **spacing)),
        "hd95_mm": float(compute_hausdorff_distance(a, b, percentile=95, **spacing)),
        "assd_mm": float(compute_average_surface_distance(a, b, symmetric=True, **spacing)),
    }
    page = (project / "Resources/Docs/evaluation.md").read_text("utf-8")
    for measure, value in theirs.items():
        assert abs(value - ours[measure]) > 0.005, measure
        digits = 3 if measure.startswith("nsd") else 2
        assert f"| `{measure}` | {ours[measure]:.{digits}f} | {value:.{digits}f} |" in page
    # with areas by marching cubes, MONAI's surface Dice is DeepMind's too
    by_area = float(compute_surface_dice(a, b, class_thresholds=[1.0], use_subvoxels=True, **spacing))
    assert by_area == pytest.approx(ours["nsd_1mm"], abs=1e-3)
