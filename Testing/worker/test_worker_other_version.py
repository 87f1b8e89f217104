"""A worker of another version, as after an update under a running application: refused, never waited for."""

from __future__ import annotations

import pytest
from worker_processes import scan_of

from PancreasSegLib.errors import WorkerError


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("PancreasSegLib.worker.session.PROTOCOL_VERSION = 0", "speaks version 1"),
        ("PancreasSegLib.worker.session.PROTOCOL_VERSION = 2", "another version"),
    ],
)
def test_a_worker_of_another_version(workers, launcher, abdomen, fault, sentence):
    client = workers(launcher(f"import PancreasSegLib.worker.session\n{fault}\n"))
    for _ in range(2):  # the second request starts another worker, and is refused as well
        with pytest.raises(WorkerError, match=sentence):
            client.wait(client.propose_roi(scan_of(abdomen)))
        assert client.state == "stopped"
