"""Runs: every scan is accounted for, once, whatever ends when."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dicom_writer import write_series

from PancreasSegLib.cohort import run as run_module
from PancreasSegLib.cohort.cluster import ClusterSettings, open_client, slurm_cluster
from PancreasSegLib.cohort.plan import make_plan
from PancreasSegLib.cohort.run import count_outcomes, memory_for, run_cohort
from PancreasSegLib.cohort.table import Parts, read_table
from PancreasSegLib.cohort.task import scan_folder
from PancreasSegLib.errors import CohortError
from PancreasSegLib.io import read_labels
from PancreasSegLib.measure import MEASURES
from PancreasSegLib.volume import Geometry


def table(settings) -> list[dict]:
    return read_table(Path(settings.results) / "table.parquet")


def test_every_scan_is_accounted_for_once(finished, client, monkeypatch):
    cohort, settings = finished
    found = {row["outcome"]: row for row in table(settings)}
    assert count_outcomes(table(settings)) == {"done": 2, "no pancreas": 1, "failed": 1}
    assert found["done"]["volume_ml"] == pytest.approx(94, rel=0.05)
    assert found["done"]["head_ml"] > 0 and 0.5 < found["done"]["confidence"] <= 1
    assert found["failed"]["code"] == "unreadable-file" and "cut.nii" not in found["failed"]["reason"]
    folder = scan_folder(Path(settings.results), found["done"]["scan"])
    assert {"mask.nii.gz", "parts.nii.gz", "picture.jpg", "probability.nii.gz", "row.json"} == {
        path.name for path in folder.iterdir()
    }
    assert read_labels(folder / "mask.nii.gz").voxels.any()
    monkeypatch.setattr(run_module, "run_task", lambda *_: pytest.fail("a scan was done twice"))
    assert len(run_cohort(cohort, client, settings)) == 4


def test_a_run_that_was_cut_off_gives_the_same_table(finished, cohort_of, client):
    cohort, settings = cohort_of()

    def die(progress):
        assert (progress.done, progress.total, progress.workers) == (1, 4, 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cohort(cohort, client, settings, progress=die)
    for part in Path(settings.results, "parts").iterdir():
        part.unlink()  # as if the machine had gone down before they were written
    done = [json.loads(path.read_text()) for path in Path(settings.results).glob("scans/*/*/row.json")]
    assert done
    run_cohort(cohort, client, settings)
    assert table(settings) == table(finished[1])
    seconds = {row["scan"]: row["seconds"] for row in Parts(Path(settings.results) / "parts", 1).rows()}
    assert all(seconds[row["scan"]] == row["seconds"] for row in done)


def test_a_scan_that_ends_its_worker_is_set_aside(cohort_of, client):
    cohort, settings = cohort_of(limit_s=0.001)
    with open_client(ClusterSettings(workers=1, memory_mb=4000)) as own:
        scans = [row["scan"] for row in run_module.read_index(cohort) if row["chosen"]][:1]
        rows = run_cohort(cohort, own, settings, scans=scans)
    assert [row["outcome"] for row in rows] == ["set aside"]
    assert rows[0]["reason"] == "Its worker ended at it 2 times: it took longer than 0.001 s."
    rows = run_cohort(cohort, client, cohort_of()[1], retry=True, scans=scans)
    assert rows[0]["outcome"] != "set aside"


def test_two_runs_at_once_are_refused(cohort_of, client):
    from PancreasSegLib.data.folder_lock import folder_lock

    cohort, settings = cohort_of()
    Path(settings.results).mkdir(parents=True)
    with folder_lock(Path(settings.results)), pytest.raises(CohortError, match="Somebody else"):
        run_cohort(cohort, client, settings)


def test_a_scan_that_is_too_large_for_its_worker_is_told(cohort_of, client):
    cohort, settings = cohort_of(memory_mb=10.0)
    rows = run_cohort(cohort, client, settings)
    assert {row["code"] for row in rows} == {"out-of-memory", "unreadable-file"}


def test_a_plan_from_a_sample(finished, client):
    plan = make_plan(finished[0], client, finished[1])
    assert (plan.scans, plan.sampled) == (4, 4)
    assert plan.core_hours == pytest.approx(4 * plan.seconds / 3600)
    assert plan.hours(2) == pytest.approx(plan.core_hours / 2)
    assert plan.disk_mb > 0


def test_the_memory_of_a_worker_grows_with_the_largest_scan():
    row = {"slices": 100, "rows": 512, "columns": 512}
    assert memory_for([row | {"slices": 600}, row]) - memory_for([row]) == pytest.approx(500 * 512**2 * 4 / 2**20)


def test_dicom_comes_back_as_segmentation_and_report(cohort_of, client, tmp_path):
    import highdicom
    from bright_model import make_abdomen

    ct = make_abdomen(geometry=Geometry((60, 46, 30), (6.0, 6.0, 6.5)))[0]
    write_series(tmp_path / "dicom" / "1", ct.voxels, spacing=(6.0, 6.0, 6.5), description="Abd portal")
    cohort, settings = cohort_of(tmp_path / "dicom", dicom=True)
    (row,) = run_cohort(cohort, client, settings)
    assert row["outcome"] == "done" and "no-dicom" not in row["warnings"]
    folder = scan_folder(Path(settings.results), row["scan"])
    report = highdicom.sr.srread(folder / "measurements.dcm")
    (group,) = report.content.get_volumetric_roi_measurement_groups()
    volume = group.get_measurements(highdicom.sr.CodedConcept("118565006", "SCT", "Volume"))[0]
    assert volume.value == pytest.approx(row["volume_ml"]) and volume.unit.value == "mL"
    numbers = [name for name in MEASURES if isinstance(row.get(name), float)]
    assert len(group.get_measurements()) == len(numbers) > 20
    region = highdicom.seg.segread(folder / "mask.dcm")
    assert group.referenced_segment[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == region.SOPInstanceUID
    assert report.CurrentRequestedProcedureEvidenceSequence[0].StudyInstanceUID == region.StudyInstanceUID


def test_a_worker_keeps_no_profile_of_itself(client):
    (callbacks,) = client.run(lambda dask_worker: sorted(dask_worker.periodic_callbacks)).values()
    assert "heartbeat" in callbacks and "profile" not in callbacks


def test_the_script_of_a_slurm_job():
    script = slurm_cluster(ClusterSettings(memory_mb=3000, slurm={"queue": "normal", "threads": "2"})).job_script()
    assert "#SBATCH -p normal" in script
    assert "#SBATCH --cpus-per-task=2" in script
    assert "--nthreads 1" in script
    assert "--memory-limit" in script
    assert "#SBATCH --mem=3G" in script


def test_a_scheduler_that_is_not_there():
    with (
        pytest.raises(CohortError, match="no Dask scheduler"),
        open_client(ClusterSettings(scheduler="tcp://127.0.0.1:1")),
    ):
        pass
