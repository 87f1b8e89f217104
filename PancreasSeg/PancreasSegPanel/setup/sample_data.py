"""A public abdominal CT in the Sample Data module, to try the panel with."""

from __future__ import annotations

import logging

from PancreasSegPanel.resources import resource

log = logging.getLogger(__name__)

CATEGORY = "PancreasSeg"
NAME = "PancreasSegCTLiver"
SHA256 = "e16eae0ae6fefa858c5c11e58f0f1bb81834d81b7102e021571056324ef6f37e"
URL = f"https://github.com/Slicer/SlicerTestingData/releases/download/SHA256/{SHA256}"


def register_sample_data() -> None:
    """Add the data set; without the Sample Data module nothing happens."""
    try:
        import SampleData
    except ImportError:
        log.info("No Sample Data module: the sample CT of PancreasSeg is not registered.")
        return
    try:
        thumbnail = str(resource("Icons/PancreasSeg.png"))
    except FileNotFoundError:
        thumbnail = None
    # Medical Segmentation Decathlon, Task03_Liver, liver_100, CC BY-SA 4.0, as Slicer offers it.
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        thumbnailFileName=thumbnail,
        uris=URL,
        fileNames="CTLiver.nrrd",
        checksums=f"SHA256:{SHA256}",
        nodeNames="CTLiver",
        loadFileType="VolumeFile",
    )
