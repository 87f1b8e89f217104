"""The panel of the PancreasSeg module, one concept a file; ``PancreasSeg.py`` is only its shell.

Reading order: ``parameters`` (what the user chose), ``ct_node`` and ``patient_axes`` (a CT of the scene as the
library takes it), ``logic`` and ``segmentation_run`` (runs, without any Qt), ``segment_writing`` and ``masking``
(the result in the scene), ``correction`` and from there ``segment_correction``, ``correction_queue`` and
``correction_marks`` (a segment under correction), ``panel`` and the ``*_section`` files (the form).
"""
