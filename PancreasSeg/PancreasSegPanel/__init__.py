"""The panel of the PancreasSeg module, one concept a file; ``PancreasSeg.py`` is only its shell.

``logic`` is what the form and scripts call, without any Qt. The rooms: ``scene`` (nodes: the CT as the library
takes it, segments and how they are written, marks), ``work`` (worker, threads, runs, batches), ``correction`` (a
segment under correction: ``session`` first), ``drawing`` (what is drawn in the slice views), ``form`` (``panel``
and its sections), ``setup`` (installation, sample CT, self-test).
"""
