"""Where the tasks of a run are done: processes of this machine, a scheduler that runs already, or SLURM's jobs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from PancreasSegLib.errors import CohortError

_PATIENCE_S = 60
_CONFIG = {
    # A scan that ends its worker is counted by its task in a file, which outlives the scheduler.
    "distributed.scheduler.allowed-failures": 1000,
    "distributed.scheduler.worker-saturation": 1.0,  # no scan waits on a worker that has one
    "distributed.scheduler.work-stealing": False,
    # Results are rows of a few hundred bytes: there is nothing to spill, and pausing would only stop the run.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    # A worker's profile of itself, kept for an hour, grows by a quarter of a megabyte a second.
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ.OMP_NUM_THREADS": 1,
}


@dataclass(frozen=True)
class ClusterSettings:
    """Which workers.

    Attributes
    ----------
    workers : int
        How many; each has one scan at a time.
    memory_mb : float
        What one may take; one that takes more is ended. 0 for no bound.
    scheduler : str
        Address of a running scheduler (``tcp://host:8786``); empty for none.
    slurm : dict of str to str
        Settings of dask_jobqueue's ``SLURMCluster``; empty for none.
    processes : bool
        Processes of their own; False only for tests.
    """

    workers: int = 1
    memory_mb: float = 0.0
    scheduler: str = ""
    slurm: Mapping[str, str] = field(default_factory=dict)
    processes: bool = True


@contextlib.contextmanager
def open_client(settings: ClusterSettings) -> Iterator[Any]:
    """Give a Dask client with at least one worker.

    Raises
    ------
    CohortError
        If there is no scheduler at the address, or it has no worker.
    """
    import dask
    from distributed import Client, LocalCluster

    with dask.config.set(_CONFIG), contextlib.ExitStack() as stack:
        if settings.scheduler:
            try:
                client = stack.enter_context(Client(settings.scheduler, timeout=5))
            except (OSError, ValueError) as error:
                raise CohortError(
                    f"There is no Dask scheduler at {settings.scheduler}.", "Start one: dask scheduler."
                ) from error
        elif settings.slurm:
            cluster = stack.enter_context(slurm_cluster(settings))
            cluster.scale(jobs=settings.workers)
            client = stack.enter_context(Client(cluster))
        else:
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=settings.workers,
                    threads_per_worker=1,
                    processes=settings.processes,
                    memory_limit=int(settings.memory_mb * 2**20),
                    dashboard_address=":0",
                    silence_logs=50,
                )
            )
            client = stack.enter_context(Client(cluster))
        _wait(client, settings)
        yield client


def slurm_cluster(settings: ClusterSettings) -> Any:
    """Return SLURM's workers, none of them asked for yet; ``job_script()`` of it is what ``sbatch`` gets."""
    from dask_jobqueue import SLURMCluster

    options: dict[str, Any] = {"walltime": "04:00:00", "memory": f"{settings.memory_mb or 4096:.0f}MiB"}
    options |= settings.slurm
    threads = int(options.pop("threads", 1))
    return SLURMCluster(**options, cores=1, processes=1, job_cpu=threads)


def _wait(client: Any, settings: ClusterSettings) -> None:
    """Wait for the first worker; in SLURM's queue for as long as it takes."""
    from distributed import TimeoutError as NoWorker

    try:
        client.wait_for_workers(1, timeout=None if settings.slurm else _PATIENCE_S)
    except NoWorker as error:
        raise CohortError(
            f"The scheduler has had no worker for {_PATIENCE_S} s.",
            f"Start some: dask worker {settings.scheduler or 'ADDRESS'} --nthreads 1.",
        ) from error
