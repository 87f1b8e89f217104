"""The montage: what it shows, and that it shows the same whatever the file's axes."""

import numpy as np
import pytest
from drawn import pixels_of, where_colour
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from PancreasSegLib.errors import GeometryError, OutputError
from PancreasSegLib.phantom import make_phantom
from PancreasSegLib.pictures import write_montage
from PancreasSegLib.pictures.style import OTHERS, OUTLINE
from PancreasSegLib.volume import Geometry, Volume

AXIAL = slice(60, 1030), slice(0, 1160)  # rows and columns of the nine axial panels
CORONAL = slice(60, 700), slice(1180, 1760)
SURFACE = slice(705, 1030), slice(1180, 1760)


def pancreas(phantom):
    return (phantom.labels.voxels == 8).astype(np.uint8)


@pytest.fixture(scope="module")
def picture(phantom, tmp_path_factory):
    path = tmp_path_factory.mktemp("montage") / "p.png"
    write_montage(path, phantom.ct, pancreas(phantom), labels={"pancreas": 1}, title="phantom")
    return pixels_of(path)


def test_outline_in_every_axial_panel_and_in_the_coronal_view(picture):
    drawn = where_colour(picture, OUTLINE)
    for rows in np.array_split(np.arange(AXIAL[0].start, AXIAL[0].stop), 3):
        for columns in np.array_split(np.arange(AXIAL[1].start, AXIAL[1].stop), 3):
            panel = drawn[rows[0] : rows[-1], columns[0] : columns[-1]]
            assert 20 < panel.sum() < 0.1 * panel.size
    assert 20 < drawn[CORONAL].sum() < 0.1 * drawn[CORONAL].size


def test_the_surface_is_shaded_and_of_some_size(picture):
    part = picture[SURFACE]
    orange = (part[..., 0] > 0.2) & (part[..., 0] > 1.3 * part[..., 2])
    assert orange.mean() > 0.05
    assert len(np.unique((part[orange] * 20).astype(int), axis=0)) > 15


def test_patient_right_is_on_the_left_and_anterior_is_up(phantom, tmp_path):
    ct = np.full_like(phantom.ct.voxels, -1000)
    body = (slice(None), slice(10, 90), slice(10, 90))
    ct[body] = 40
    mask = np.zeros(ct.shape, np.uint8)
    mask[15:25, 30:40, 40:60] = 1
    ct[:, 10:29, 10:90] = 200  # bright in front of the organ
    ct[:, 42:90, 62:90] = -1000  # and dark behind it on the patient's left
    write_montage(tmp_path / "p.png", Volume(ct, phantom.ct.geometry), mask)
    pixels = pixels_of(tmp_path / "p.png")
    drawn = where_colour(pixels, OUTLINE)[60:380, 390:770]  # the middle panel of the upper row
    rows, columns = np.nonzero(drawn)
    panel = pixels[60:380, 390:770].mean(axis=-1)
    top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
    assert (bottom - top) / (right - left) == pytest.approx(0.5, abs=0.06)  # 40 mm high, 80 mm wide
    assert panel[top - 30, (left + right) // 2] > 0.8
    assert panel[bottom + 30, right + 30] < 0.1
    assert 0.4 < panel[bottom + 30, left] < 0.6  # 40 HU is the middle of the window


CODES = ["RAI", "SPL", "ILP", "ASR", "LAS", "PIR", "RPS"]


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(code=st.sampled_from(CODES))
def test_any_axes_give_the_same_picture(code, phantom, picture, tmp_path):
    turned = make_phantom(2, spacing_mm=(4, 4, 5), range_mm=(-100, 100), orientation=code)
    path = tmp_path / f"{code}.png"
    write_montage(path, turned.ct, pancreas(turned), labels={"pancreas": 1}, title="phantom")
    assert np.abs(pixels_of(path) - picture).max() < 2 / 255


def test_the_figures_given_are_shown_and_change_the_caption_only(phantom, picture, tmp_path):
    statistics = {"pancreas": {"volume_ml": 12.3, "mean_hu": 45.0, "sd_hu": 6.0, "confidence": 0.87}}
    path = tmp_path / "p.png"
    write_montage(
        path, phantom.ct, pancreas(phantom), labels={"pancreas": 1}, title="phantom", statistics=statistics
    )
    changed = np.abs(pixels_of(path) - picture).max(axis=-1) > 0.02
    assert changed[1035:].any() and not changed[:1030].any()


def test_other_labels_and_the_probability_are_drawn(phantom, tmp_path):
    labels = {"liver": 5, "aorta": 7, "pancreas": 8}
    write_montage(tmp_path / "all.png", phantom.ct, phantom.labels.voxels, labels=labels)
    pixels = pixels_of(tmp_path / "all.png")
    assert where_colour(pixels, OTHERS[0])[AXIAL].sum() > 50
    assert where_colour(pixels, OTHERS[1])[AXIAL].sum() > 50

    from scipy import ndimage

    mask = pancreas(phantom)
    wide = ndimage.binary_dilation(mask, iterations=3)
    geometry = phantom.ct.geometry
    probability = Volume((0.3 * wide + 0.7 * mask).astype(np.float16), geometry)
    write_montage(tmp_path / "with.png", phantom.ct, mask, probability=probability)
    write_montage(tmp_path / "without.png", phantom.ct, mask)
    more, less = (
        where_colour(pixels_of(tmp_path / f"{n}.png"), OUTLINE)[AXIAL].sum() for n in ("with", "without")
    )
    assert more > 1.05 * less


def test_the_view_is_set_on_all_labels_or_on_one(phantom, tmp_path):
    labels = {"left kidney": 3, "pancreas": 8}
    for name, organ in (("all", None), ("one", "pancreas")):
        write_montage(tmp_path / f"{name}.png", phantom.ct, phantom.labels.voxels, labels=labels, organ=organ)
    every, one = (pixels_of(tmp_path / f"{name}.png") for name in ("all", "one"))
    assert where_colour(every, OUTLINE)[AXIAL].sum() < 0.7 * where_colour(one, OUTLINE)[AXIAL].sum()
    assert where_colour(every, OTHERS[0])[SURFACE].sum() > 200  # the surface of the kidney
    assert where_colour(one, OTHERS[0])[SURFACE].sum() == 0


def test_an_empty_mask_still_gives_a_picture(phantom, tmp_path):
    write_montage(tmp_path / "e.png", phantom.ct, np.zeros_like(phantom.labels.voxels), labels={"pancreas": 1})
    pixels = pixels_of(tmp_path / "e.png")
    assert pixels[AXIAL].std() > 0.1
    assert where_colour(pixels, OUTLINE)[SURFACE].sum() > 200  # the sentence


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 40, 40), (40, 3, 40)])
def test_tiny_and_thin_scans(shape, tmp_path):
    mask = np.ones(shape, np.uint8)
    ct = Volume(np.full(shape, 40, np.int16), Geometry(shape[::-1], (0.7, 0.7, 5)))
    write_montage(tmp_path / "t.png", ct, mask)
    assert pixels_of(tmp_path / "t.png").shape == (1080, 1760, 3)


def test_wrong_grid_and_wrong_place_get_a_sentence(phantom, tmp_path):
    with pytest.raises(GeometryError, match="grid"):
        write_montage(tmp_path / "p.png", phantom.ct, np.zeros((3, 3, 3), np.uint8))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_montage(tmp_path / "file" / "p.png", phantom.ct, pancreas(phantom))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_pyplot_is_left_alone():
    import subprocess
    import sys

    code = (
        "import sys, numpy as np\n"
        "from PancreasSegLib.pictures import write_montage\n"
        "assert 'matplotlib' not in sys.modules\n"
        "from PancreasSegLib.pictures.style import new_figure\n"
        "new_figure(100, 100)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
