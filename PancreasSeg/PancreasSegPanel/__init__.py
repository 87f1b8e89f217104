"""The panel of the PancreasSeg module, one concept a file; ``PancreasSeg.py`` is only its shell.

``logic`` is what the form and scripts call, without any Qt. The rooms, each importing only those before it:
``scene`` (nodes: CT, segments and how they are written, marks), ``work`` (worker, other thread, runs),
``correction`` (a segment under correction), then ``logic``, ``batch``, ``drawing`` (brush and points in the slice
views), ``setup`` (installation, sample CT, self-test), ``form`` (``panel`` and its sections).

The way of a stroke:

1. ``drawing.slice_brush`` follows the mouse and hands a ``Stroke`` (RAS) to ``form.correct_section``,
2. which lets the library's ``Mark.stroke`` make voxels of it, for ``correction.session.CorrectionSession.add``.
3. The session queues it as a ``correction.item.Marking`` and shows it in ``scene.marks_node``.
4. In its turn the item sends itself through ``correction.channel`` and ``work.worker_jobs``, from what the one
   owner of mask, marks and steps, ``correction.state.SegmentCorrection``, has by then.
5. The worker's client sends what the worker lacks of that state, and the mark; the box that changed comes back.
6. ``form.poller`` polls, the queue takes the answer, and the owner merges it with what was edited meanwhile,
7. writes the box by ``scene.corrected_segment`` but for what is protected, and keeps the step for undo.
8. Undo writes the last step's box as it was, be it a stroke, learning or an edit in the Segment Editor.
"""
