"""The child process that keeps a model warm, and its client.

The whole use; in an application a timer calls ``poll`` every 50 ms, a script calls ``wait``::

    from PancreasSegLib.refine import Mark
    from PancreasSegLib.worker import CorrectionState, Scan, WorkerClient

    client = WorkerClient()                                  # nothing starts yet
    scan = Scan(voxels, geometry, key="node 7, modified 3")  # (z, y, x) HU; the same key is not sent twice
    request = client.segment(scan, on_progress=lambda event: print(event.stage, event.fraction),
                             on_done=lambda request: print(request.error or request.result.statistics))
    reply = client.wait(request)                             # or a timer that calls client.poll()
    cut_out = reply.mask, reply.box_ijk                      # labels, and where they lie in the scan
    client.cancel(client.segment(scan))                      # returns at once; so does close
    stroke = Mark.stroke([[10, -20, 130], [25, -22, 130]], geometry, include=True, radius_mm=3)
    change = client.wait(client.refine(scan, "my correction", CorrectionState(box, mask, marks), [stroke]))
    client.release(scan.key)                                 # the scan is gone: its file is deleted
    client.close()                                           # the process and its folder are gone

The process speaks JSON-RPC 2.0, one object a line, on its stdin and stdout
(`protocol`); arrays travel as ``.npy`` files in a private folder. It is started by the
first request and again after a crash, and ends with its owner. Importing this package imports no torch.
"""

from PancreasSegLib.worker.client import WorkerClient
from PancreasSegLib.worker.correction_state import CorrectionChange, CorrectionState
from PancreasSegLib.worker.protocol import PROTOCOL_VERSION
from PancreasSegLib.worker.request import Request, Scan, SegmentReply

__all__ = [
    "PROTOCOL_VERSION",
    "CorrectionChange",
    "CorrectionState",
    "Request",
    "Scan",
    "SegmentReply",
    "WorkerClient",
]
