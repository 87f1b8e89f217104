"""What comes out of a worker is what the library gives, whatever the grid; scans are sent once."""

from __future__ import annotations

import os

import numpy as np
import pytest
from worker_processes import oblique, private_folders, scan_of, wait_until

from PancreasSegLib import Segmenter
from PancreasSegLib.errors import (
    CancelledError,
    DeviceError,
    GeometryError,
    InvalidVoxelsError,
    ModelPackageError,
    NoPancreasError,
    NotACTError,
    RegionError,
)
from PancreasSegLib.roi import propose_roi
from PancreasSegLib.volume import Box, Volume
from PancreasSegLib.worker import Scan


@pytest.fixture(scope="module")
def segmenter(bright):
    return Segmenter.load(bright, "cpu")


def make_abdomen(*args, **options):
    from bright_model import make_abdomen

    return make_abdomen(*args, **options)[0]


GRIDS = {
    "plain": None,
    "oblique left-handed": oblique(left_handed=True),
}


@pytest.mark.parametrize("grid", ["plain", "oblique left-handed"])
def test_the_mask_is_that_of_the_library(client, bright, segmenter, grid):
    ct = make_abdomen(geometry=GRIDS[grid])
    expected = segmenter.segment(ct)
    reply = client.wait(client.segment(scan_of(ct, grid), bright, "cpu"))
    assert expected.mask.any()
    np.testing.assert_array_equal(reply.whole_mask(), expected.mask)
    assert reply.box_ijk == Box.of_mask(expected.mask)
    assert reply.mask.shape == expected.mask[reply.box_ijk.slices_zyx].shape
    assert reply.geometry.matches(ct.geometry, 1e-9)
    assert reply.labels == expected.labels and reply.warnings == expected.warnings
    assert reply.statistics == expected.statistics
    assert reply.roi == expected.roi.to_json()
    assert reply.provenance["model"] == expected.provenance["model"]
    assert set(reply.timings) == set(expected.timings)
    crop, other = reply.probability["pancreas"], expected.probability["pancreas"]
    assert crop.voxels.dtype == np.float16 and crop.geometry.matches(other.geometry, 1e-9)
    np.testing.assert_array_equal(crop.voxels, other.voxels)


@pytest.mark.parametrize("form", ["float32", "float64", ">i2", "fortran", "every other"])
def test_any_number_type_and_layout(client, bright, abdomen, segmenter, form):
    expected = segmenter.segment(abdomen).mask
    voxels = abdomen.voxels
    if form == "fortran":
        voxels = np.asfortranarray(voxels)
    elif form == "every other":
        voxels = np.repeat(voxels, 2, axis=2)[:, :, ::2]
    else:
        voxels = voxels.astype(form)
    before = voxels.copy()
    reply = client.wait(client.segment(Scan(voxels, abdomen.geometry), bright, "cpu"))
    np.testing.assert_array_equal(reply.whole_mask(), expected)
    np.testing.assert_array_equal(voxels, before)


def test_the_reply_needs_no_file(client, bright, abdomen):
    scan = scan_of(abdomen, "files")
    reply = client.wait(client.segment(scan, bright, "cpu"))
    assert not list(client.log_path.parent.glob("reply-*"))
    assert reply.mask.flags.owndata or reply.mask.base.flags.owndata
    assert not isinstance(reply.mask, np.memmap)


def test_without_the_probability(client, bright, abdomen):
    assert client.wait(client.segment(scan_of(abdomen, "p"), bright, "cpu", probability=False)).probability == {}


def test_regions(client, bright, abdomen, segmenter):
    box = Box((30, 20, 10), (60, 50, 30))
    for roi in ("none", box):
        reply = client.wait(client.segment(scan_of(abdomen, "r"), bright, "cpu", roi))
        np.testing.assert_array_equal(reply.whole_mask(), segmenter.segment(abdomen, roi=roi).mask)
        assert reply.roi is None
    with pytest.raises(RegionError, match="outside"):
        client.wait(client.segment(scan_of(abdomen, "r"), bright, "cpu", Box((500, 0, 0), (600, 9, 9))))
    with pytest.raises(RegionError, match="unknown"):
        client.wait(client.segment(scan_of(abdomen, "r"), bright, "cpu", "everywhere"))


def test_nothing_found(client, bright, nothing, segmenter):
    with pytest.raises(NoPancreasError) as here:
        segmenter.segment(nothing)
    request = client.segment(scan_of(nothing, "n"), bright, "cpu")
    with pytest.raises(NoPancreasError) as there:
        client.wait(request)
    assert (there.value.message, there.value.hint) == (here.value.message, here.value.hint)
    assert request.done and not request.cancelled and request.result is None
    reply = client.wait(client.segment(scan_of(nothing, "n"), bright, "cpu", allow_empty=True))
    assert reply.box_ijk is None and reply.mask.size == 0 and not reply.whole_mask().any()
    assert reply.warnings[0].code == "no-pancreas"


def test_errors_arrive_as_what_they_are(client, bright, abdomen):
    thin = abdomen.cropped(Box((0, 0, 0), (90, 70, 4)))
    for error, request in [
        (NotACTError, client.segment(scan_of(thin), bright, "cpu")),
        (ModelPackageError, client.segment(scan_of(abdomen), "no-such-model", "cpu")),
        (DeviceError, client.load_model(bright, "tpu")),
        (GeometryError, client.segment(Scan(abdomen.voxels[:-1], abdomen.geometry), bright)),
        (NotACTError, client.propose_roi(Scan(abdomen.voxels.astype(complex), abdomen.geometry))),
    ]:
        with pytest.raises(error) as raised:
            client.wait(request)
        assert type(raised.value) is error and raised.value.message.endswith(".")
    assert client.wait(client.segment(scan_of(abdomen), bright, "cpu")).mask.any()  # and it goes on


def test_invalid_voxels(client, bright, abdomen, segmenter):
    voxels = abdomen.voxels.astype(np.float32)
    voxels[:, 0, 0] = np.nan
    reply = client.wait(client.segment(Scan(voxels, abdomen.geometry), bright, "cpu"))
    assert [w.code for w in reply.warnings] == ["invalid-voxels"]
    np.testing.assert_array_equal(reply.whole_mask(), segmenter.segment(abdomen).mask)
    voxels[15:25, 20:50, 20:60] = np.inf
    with pytest.raises(InvalidVoxelsError):
        client.wait(client.segment(Scan(voxels, abdomen.geometry), bright, "cpu"))


def test_other_requests(client, bright, abdomen, segmenter):
    scan = scan_of(abdomen, "others")
    assert client.wait(client.propose_roi(scan)) == propose_roi(abdomen).to_json()
    forecast = client.wait(client.forecast(scan, bright, "cpu"))
    assert forecast["sentence"].startswith("Forecast: ") and forecast["seconds"] > 0
    assert set(forecast) > {"peak_memory_mb", "device", "precision", "tiles", "notes", "device_memory_mb"}
    loaded = client.wait(client.load_model(bright, "cpu"))
    assert loaded["model"] == "bright" and loaded["device"] == "cpu" and loaded["labels"] == {"pancreas": 1}
    devices = client.wait(client.devices())
    assert devices[0]["name"] == "auto" and "cpu" in [d["name"] for d in devices]
    assert all(d["label"] for d in devices)


def files_of(client) -> dict[str, tuple[int, int]]:
    found = client.log_path.parent.glob("scan-*.npy")
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in found}


def test_a_second_click_sends_no_voxels(workers, bright, abdomen):
    client, scan = workers(), scan_of(abdomen, "node 1")
    stages: list[str] = []
    first = client.wait(client.segment(scan, bright, "cpu", on_progress=lambda e: stages.append(e.stage)))
    files, log = files_of(client), client.log_path
    assert stages[0] == "send" and "load" in stages and len(files) == 1
    stages.clear()
    again = Scan(np.zeros_like(abdomen.voxels), abdomen.geometry, "node 1")  # the key says it is known: never read
    second = client.wait(client.segment(again, bright, "cpu", on_progress=lambda e: stages.append(e.stage)))
    np.testing.assert_array_equal(first.mask, second.mask)
    assert files_of(client) == files and not {"send", "load"} & set(stages)
    twin = Scan(abdomen.voxels.copy(), abdomen.geometry, "node 2")  # the same content by another name
    client.wait(client.segment(twin, bright, "cpu"))
    assert files_of(client) == files
    assert log.read_text().count("set_volume") == 2  # asked and answered, once


def test_two_scans_in_turn_and_release(workers, bright, abdomen, nothing):
    client = workers()
    scans = scan_of(abdomen, "a"), scan_of(nothing, "b")
    requests = [client.segment(scans[n % 2], bright, "cpu", allow_empty=True) for n in range(4)]
    found = [client.wait(request).mask.any() for request in requests]
    assert found == [True, False, True, False] and len(files_of(client)) == 2
    client.release("a")
    client.release("never heard of")
    assert wait_until(lambda: len(files_of(client)) == 1)
    assert client.wait(client.segment(scans[0], bright, "cpu")).mask.any()  # it is sent again
    assert len(files_of(client)) == 2


def test_a_scan_with_two_names_stays_until_both_are_released(workers, abdomen):
    client = workers()
    for key in ("a", "b"):
        client.wait(client.propose_roi(scan_of(abdomen, key)))
    client.release("a")
    client.wait(client.propose_roi(scan_of(abdomen, "b")))
    assert len(files_of(client)) == 1
    client.release("b")
    assert wait_until(lambda: not files_of(client))


def test_many_scans_do_not_fill_the_disk(workers, abdomen):
    client = workers()
    for number in range(7):
        voxels = abdomen.voxels.copy()
        voxels[0, 0, 0] += number
        client.wait(client.propose_roi(Scan(voxels, abdomen.geometry, f"scan {number}")))
    assert wait_until(lambda: len(files_of(client)) == 4)


def test_a_file_that_a_cleaner_took_is_written_again(workers, abdomen):
    client, scan = workers(), scan_of(abdomen, "a")
    client.wait(client.propose_roi(scan))
    pid = workers.note(client)
    for path in client.log_path.parent.glob("scan-*.npy"):
        path.unlink()
    os.kill(pid, 9)
    assert wait_until(lambda: client.state == "stopped")
    assert client.wait(client.propose_roi(scan))


def test_the_folder_is_private_and_gone_after_close(workers, abdomen):
    client = workers()
    client.wait(client.propose_roi(scan_of(abdomen)))
    (folder,) = private_folders(workers.folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    pid = workers.note(client)
    request = client.propose_roi(scan_of(abdomen))
    client.close()
    with pytest.raises(CancelledError):
        client.wait(request)
    assert wait_until(lambda: not folder.exists() and client.state == "stopped", 20)
    assert pid and client.worker_pid is None and client.log_path is None
    late = client.propose_roi(scan_of(abdomen))
    with pytest.raises(Exception, match="closed"):
        client.wait(late)


@pytest.mark.slow
def test_the_default_model_on_a_phantom(client):
    from PancreasSegLib.phantom import make_phantom

    phantom = make_phantom(2, spacing_mm=(3, 3, 4), range_mm=(-100, 100))
    ct = Volume(phantom.ct.voxels, phantom.ct.geometry)
    expected = Segmenter.load("default", "cpu").segment(ct)
    reply = client.wait(client.segment(scan_of(ct), "default", "cpu"))
    np.testing.assert_array_equal(reply.whole_mask(), expected.mask)
    assert reply.statistics == expected.statistics
