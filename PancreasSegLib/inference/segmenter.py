"""The library's front door: load a model once, segment many scans."""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from PancreasSegLib.errors import ModelPackageError, NoPancreasError, NotACTError, RegionError
from PancreasSegLib.inference.engine import engine_of
from PancreasSegLib.inference.result import Segmentation, SegmentationWarning
from PancreasSegLib.inference.settings import CascadeSettings
from PancreasSegLib.inference.tracker import Tracker
from PancreasSegLib.models import ModelPackage
from PancreasSegLib.progress import CancelToken, ProgressCallback
from PancreasSegLib.roi import RoiProposal
from PancreasSegLib.volume import AxisMap, Box, Volume

if TYPE_CHECKING:
    from PancreasSegLib.inference.cascade import Cascade, Outcome, Roi
    from PancreasSegLib.inference.forecast import Forecast
    from PancreasSegLib.inference.stage_network import StageNetwork

_log = logging.getLogger(__name__)

_LEAST_SLICES = 8
_PACE_MEMORY = 0.5  # weight of the last run in the pace


class Segmenter:
    """A model, loaded on a device and ready for many scans, one after the other.

    Use `load`; the constructor takes networks that are built already.

    Parameters
    ----------
    package : ModelPackage
        The model.
    networks : mapping of str to StageNetwork
        Its stages by role.
    threads : int
        CPU threads.
    settings : CascadeSettings, optional
        How the cascade behaves; by default as the package wants it.
    checksums : dict of str to str
        SHA-256 of the weights, for the provenance.

    Examples
    --------
    >>> from PancreasSegLib import Segmenter, read_volume                     # doctest: +SKIP
    >>> segmenter = Segmenter.load("default", device="auto")                  # doctest: +SKIP
    >>> ct = read_volume("ct.nii.gz")                                         # doctest: +SKIP
    >>> print(segmenter.forecast(ct).sentence)                                # doctest: +SKIP
    >>> result = segmenter.segment(ct, progress=lambda event: print(event))   # doctest: +SKIP
    >>> result.statistics["pancreas"]["volume_ml"]                            # doctest: +SKIP
    """

    def __init__(
        self,
        package: ModelPackage,
        networks: Mapping[str, StageNetwork],
        *,
        threads: int,
        settings: CascadeSettings | None = None,
        checksums: Mapping[str, str] | None = None,
    ) -> None:
        _check_package(package)
        self.package = package
        self.networks = dict(networks)
        self.threads = threads
        self.settings = settings or CascadeSettings(**package.settings)
        self._checksums = dict(checksums or {})
        self._proposals: WeakKeyDictionary[Volume, RoiProposal] = WeakKeyDictionary()
        self._warnings: list[SegmentationWarning] = []
        self._trainable: StageNetwork | None = None
        self._pace = 1.0
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        model: str | Path | ModelPackage = "default",
        device: str = "auto",
        *,
        threads: int | None = None,
        precision: str = "auto",
        settings: CascadeSettings | None = None,
    ) -> Segmenter:
        """Load a model package onto a device.

        Parameters
        ----------
        model : str, Path or ModelPackage
            Name of an installed model, or the folder of one.
        device : str
            ``auto`` (a GPU by PyTorch, else the CPU), ``cpu`` (by OpenVINO), ``torch:cpu``, ``cuda``,
            ``cuda:<n>``, ``mps``, ``intel`` or ``intel:<n>``.
        threads : int, optional
            CPU threads: windows that run at once. The physical cores by default.
        precision : str
            ``auto`` (the fastest that is exact enough), ``fp32``, ``bf16`` or ``fp16``.
        settings : CascadeSettings, optional
            How the cascade behaves.

        Raises
        ------
        ModelPackageError
            If the package is missing, damaged, or its stages make no cascade.
        DeviceError
            If the device is not there.
        """
        from PancreasSegLib.inference.loading import (
            load_default_localiser,
            load_networks,
            uses_default_localiser,
        )
        from PancreasSegLib.inference.threads import default_threads
        from PancreasSegLib.models import find_package, read_checksums

        package = model if isinstance(model, ModelPackage) else find_package(model)
        _check_package(package)
        threads, settings = threads or default_threads(), settings or CascadeSettings(**package.settings)
        networks, warnings = load_networks(package, device, precision, threads, settings)
        if uses_default_localiser(package, settings):
            networks = {"localiser": load_default_localiser(device, precision, threads), **networks}
        weights = {name for stage in package.stages for name in stage.weights}
        sums = {name: digest for name, digest in read_checksums(package.path).items() if name in weights}
        loaded = cls(package, networks, threads=threads, settings=settings, checksums=sums)
        loaded._warnings = warnings
        return loaded

    @property
    def device(self) -> str:
        """The device of the next run."""
        return str(self._first.device)

    @property
    def _first(self) -> StageNetwork:
        return next(iter(self.networks.values()))

    def forecast(self, volume: Volume, *, roi: Roi = "auto") -> Forecast:
        """Say what `segment` will take; the region is proposed for it, which takes under a second.

        Parameters
        ----------
        volume : Volume
            CT in HU.
        roi : Box or {"auto", "none"}
            As for `segment`.
        """
        return self._forecast(volume, roi)[0]

    def segment(
        self,
        volume: Volume,
        *,
        roi: Roi = "auto",
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
        allow_empty: bool = False,
    ) -> Segmentation:
        """Segment one CT.

        Parameters
        ----------
        volume : Volume
            CT in HU, on any grid: axes in any order and direction, oblique, of any spacing.
        roi : Box or {"auto", "none"}
            Where to look: in the region that HU thresholds propose, everywhere, or in a box on the CT's own grid,
            outside of which nothing is marked.
        progress : callable, optional
            Receives a `ProgressEvent` several times a second; stages are ``propose``, ``localise``,
            ``segment``, ``restore`` and ``measure``.
        cancel : CancelToken, optional
            Obeyed within a second.
        allow_empty : bool
            Whether an empty mask, with a warning that says why, is given instead of an error.

        Returns
        -------
        Segmentation
            The mask lies on the grid of `volume`. The same scan, model, device and number of threads give the same
            mask.

        Raises
        ------
        NoPancreasError
            If no pancreas is in view or none was found; the sentence says why.
        NotACTError
            If the scan is too thin to hold a pancreas.
        RegionError
            If the box lies outside the scan.
        CancelledError
            If `cancel` was set.
        OutOfMemoryError
            If the scan does not fit even with the smallest windows on the CPU.
        """
        _check_volume(volume, self.package, self.settings)
        _check_roi(roi)
        from PancreasSegLib.inference.cascade import Cascade

        with self.in_use():
            home = {role: network.device for role, network in self.networks.items()}
            _, expected = self._forecast(volume, roi, propose=False)
            tracker = Tracker(expected, progress, cancel)
            cascade = Cascade(
                self.package, self.networks, volume, self.settings, tracker, self.threads, self._pace
            )
            outcome = cascade.run(roi, self._proposals.get(volume))
            if all(network.device == home[role] for role, network in self.networks.items()):
                self._learn_pace(cascade)
            tracker.finish()
            if outcome.reason and not allow_empty:
                raise NoPancreasError(outcome.reason, _what_to_do(roi, self.package))
            return self._result(volume, roi, outcome, tracker)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Hold the networks for one run, on the device they were loaded for."""
        device = self._first.device
        with self._lock, engine_of(device.engine).in_use(device.place):
            for network in self.networks.values():
                network.go_home()
            yield

    def trainable(self) -> StageNetwork:
        """Return the segmenter under PyTorch, which alone can learn; loaded on first use.

        Raises
        ------
        ModelPackageError
            If its files are damaged.
        """
        network = self.networks["segmenter"]
        if network.device.engine == "torch":
            return network
        if self._trainable is None:
            from PancreasSegLib.inference.device import Device, choose_precision
            from PancreasSegLib.inference.loading import load_stage

            place, passes = Device("torch", "cpu"), 1 + len(self.settings.extra_scales)
            self._trainable = load_stage(
                self.package, network.stage, place, choose_precision(place), self.threads, passes
            )
        return self._trainable

    @property
    def pace(self) -> float:
        """Measured over nominal seconds of the runs so far."""
        return self._pace

    def _forecast(self, volume: Volume, roi: Roi, propose: bool = True) -> tuple[Forecast, dict[str, float]]:
        from PancreasSegLib.inference.cascade import is_single_pass
        from PancreasSegLib.inference.forecast import make_forecast
        from PancreasSegLib.roi import propose_roi

        axes = AxisMap.to_canonical(volume.geometry)
        region = Box.whole(axes.target)
        if isinstance(roi, Box):
            region = axes.apply_box(roi.clipped(volume.geometry))
        elif self.package.seeks_pancreas:
            try:
                if propose and volume not in self._proposals:
                    self._proposals[volume] = propose_roi(volume)
            except NoPancreasError:
                _log.debug("no body in the scan: segment() will say so")
            proposal = self._proposals.get(volume)
            if proposal is not None:
                box = proposal.box if roi == "auto" else proposal.body_box
                region = axes.apply_box(box or Box.whole(volume.geometry))
            elif roi == "auto" and not propose:
                region = _usual_region(axes)
        single = is_single_pass(self.package, self.settings, roi)
        return make_forecast(
            self.networks, axes.target, region, self.settings, self.threads, self._pace, single_pass=single
        )

    def _learn_pace(self, cascade: Cascade) -> None:
        if cascade.nominal_s > 0:
            pace = cascade.measured_s / cascade.nominal_s
            self._pace += _PACE_MEMORY * (pace - self._pace)

    def _result(self, volume: Volume, roi: Roi, outcome: Outcome, tracker: Tracker) -> Segmentation:
        warnings = [*self._warnings, *outcome.warnings]
        if outcome.reason:
            warnings.insert(0, SegmentationWarning("no-pancreas", outcome.reason))
        return Segmentation(
            mask=outcome.mask,
            geometry=volume.geometry,
            labels=dict(self.package.labels),
            probability=outcome.probability,
            roi=outcome.proposal,
            statistics=outcome.statistics,
            warnings=warnings,
            timings=tracker.timings,
            provenance=self._provenance(volume, roi, outcome),
            organs=outcome.organs,
        )

    def _provenance(self, volume: Volume, roi: Roi, outcome: Outcome) -> dict[str, Any]:
        from PancreasSegLib._version import __version__
        from PancreasSegLib.inference.device import device_name, engine_name

        network = self.networks["segmenter"]
        return {
            "library": {"name": "PancreasSegLib", "version": __version__},
            "model": {"name": self.package.name, "version": self.package.version, "sha256": self._checksums},
            "device": device_name(network.device),
            "engine": engine_name(network.device),
            "precision": network.precision.name,
            "threads": self.threads,
            "settings": asdict(self.settings),
            "roi": roi.to_json() if isinstance(roi, Box) else roi,
            "windows": outcome.windows,
            "input": volume.source,
            "python": platform.python_version(),
        }


def _usual_region(axes: AxisMap) -> Box:
    """Return a box of half the scan along each axis, as long as nothing better is known."""
    half = [n / 4 for n in axes.target.size_ijk]
    middle = [n / 2 for n in axes.target.size_ijk]
    lower = [int(m - h) for m, h in zip(middle, half, strict=True)]
    upper = [int(m + h) + 1 for m, h in zip(middle, half, strict=True)]
    return Box((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2])).clipped(axes.target)


def _check_package(package: ModelPackage) -> None:
    """Refuse stages that make no cascade.

    Raises
    ------
    ModelPackageError
        The sentence names what is missing.
    """
    if not package.labels:
        raise ModelPackageError(f"The model {package.name} writes no labels.", "Correct its metadata.json.")
    roles = [stage.role for stage in package.stages]
    if roles not in (["segmenter"], ["localiser", "segmenter"]):
        raise ModelPackageError(
            f"The model {package.name} has the stages {roles}; a segmenter, or a localiser and then a segmenter, "
            "can be run.",
            "Correct its metadata.json.",
        )
    for stage in package.stages:
        wanted = package.labels if stage.role == "segmenter" else {package.organ: 1}
        missing = [name for name in wanted if name not in stage.labels]
        if missing:
            raise ModelPackageError(
                f"The {stage.role} of the model {package.name} does not know the label {', '.join(missing)}.",
                "Correct its metadata.json.",
            )


def _check_volume(volume: Volume, package: ModelPackage, settings: CascadeSettings) -> None:
    geometry = AxisMap.to_canonical(volume.geometry).target
    height = geometry.extent_mm[2]
    if geometry.size_ijk[2] < _LEAST_SLICES or height < settings.least_extent_mm:
        raise NotACTError(
            f"The scan covers only {height:.0f} mm from top to bottom in {geometry.size_ijk[2]} slices, "
            f"too little to hold a {package.organ}.",
            "Use a scan of the whole upper abdomen."
            if package.seeks_pancreas
            else "Use a scan of the whole organ.",
        )


def _check_roi(roi: Roi) -> None:
    if not isinstance(roi, Box) and roi not in ("auto", "none"):
        raise RegionError(f"The region {roi!r} is unknown.", "Use 'auto', 'none' or a Box of the scan's voxels.")


def _what_to_do(roi: Roi, package: ModelPackage) -> str:
    if isinstance(roi, Box):
        return "Widen the region, or let it be found with the region 'auto'."
    if not package.seeks_pancreas:
        return f"Check that the scan shows the {package.organ}, and that the model is for such scans."
    return "Check that the scan shows the upper abdomen; a region around the pancreas can be given by hand."
