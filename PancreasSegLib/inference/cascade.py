"""The cascade: propose, localise at low resolution, crop, segment, and back to the grid of the CT."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import NoPancreasError, RegionError
from PancreasSegLib.inference.ensemble import share_out_scales
from PancreasSegLib.inference.forecast import expected_seconds
from PancreasSegLib.inference.loading import uses_default_localiser
from PancreasSegLib.inference.localisation import Localisation, localise, localise_any, touched_sides, widened
from PancreasSegLib.inference.original_grid import whole_windows
from PancreasSegLib.inference.original_run import OriginalRun, network_turn
from PancreasSegLib.inference.original_scores import OriginalScores
from PancreasSegLib.inference.plausibility import cut_by_region, judge_organs, observations, refusal
from PancreasSegLib.inference.prediction import Pass, Predictor, plan_stage, window_budget
from PancreasSegLib.inference.preparation import BodyOutline, network_input
from PancreasSegLib.inference.restoration import restore_mask
from PancreasSegLib.inference.result import SeenOrgans, SegmentationWarning
from PancreasSegLib.inference.settings import CascadeSettings
from PancreasSegLib.inference.stage_grid import stage_grid
from PancreasSegLib.inference.tracker import Tracker
from PancreasSegLib.models import ModelPackage
from PancreasSegLib.models.axes import NetworkAxes
from PancreasSegLib.postprocess import expected_dice, filled_holes, label_statistics, plausible_pieces
from PancreasSegLib.roi import RoiProposal
from PancreasSegLib.volume import Box, Geometry, Volume, resample

if TYPE_CHECKING:
    from PancreasSegLib.inference.stage_network import StageNetwork

_log = logging.getLogger(__name__)

Roi = Box | Literal["auto", "none"]

_SPARE_MM = 10.0  # of the margin around a localised organ, where a window less is worth more
_LIKELIER = 0.5  # a label that has more than this is ahead of all others


@dataclass(eq=False)
class Outcome:
    """What a run of the cascade found.

    Attributes
    ----------
    mask : ndarray of uint8, shape (z, y, x)
        On the CT's own grid and axes.
    probability : dict of str to Volume
        Float16 crop a label, canonical axes.
    statistics : dict of str to dict
        A label.
    proposal : RoiProposal or None
        If one was made.
    reason : str
        Why there is no pancreas, empty if there is one.
    warnings : list of SegmentationWarning
        In the order in which they came up.
    windows : dict of str to dict
        Windows by role, for the provenance.
    organs : SeenOrgans or None
        What the localiser saw.
    """

    mask: NDArray[np.uint8]
    probability: dict[str, Volume] = field(default_factory=dict)
    statistics: dict[str, dict[str, Any]] = field(default_factory=dict)
    proposal: RoiProposal | None = None
    reason: str = ""
    warnings: list[SegmentationWarning] = field(default_factory=list)
    windows: dict[str, dict[str, Any]] = field(default_factory=dict)
    organs: SeenOrgans | None = None


class Cascade:
    """One run over one CT.

    Parameters
    ----------
    package : ModelPackage
        Stages and labels.
    networks : mapping of str to StageNetwork
        Its stages by role: a segmenter, and a localiser before it or none.
    volume : Volume
        CT in HU on any grid.
    settings : CascadeSettings
        Margins, thresholds.
    tracker : Tracker
        Progress and cancellation.
    threads : int
        CPU threads.
    pace : float
        Measured over nominal seconds of earlier runs.

    Attributes
    ----------
    nominal_s, measured_s : float
        Seconds that the networks should have taken on such a device, and took.
    """

    def __init__(
        self,
        package: ModelPackage,
        networks: Mapping[str, StageNetwork],
        volume: Volume,
        settings: CascadeSettings,
        tracker: Tracker,
        threads: int,
        pace: float = 1.0,
    ) -> None:
        self.package, self.networks, self.volume = package, networks, volume
        self.settings, self.tracker, self.threads, self.pace = settings, tracker, threads, pace
        self.ct, self.axes = volume.canonical()
        self.predictor = Predictor(settings, threads)
        self.organ = package.organ
        self.sought = f"the {self.organ}" if package.seeks_pancreas or len(package.labels) == 1 else "the organs"
        self.nominal_s = self.measured_s = 0.0
        self._body: BodyOutline | None = None
        self._scores: OriginalScores | None = None
        self._organs: SeenOrgans | None = None

    def run(self, roi: Roi, proposal: RoiProposal | None = None) -> Outcome:
        """Run all stages.

        Parameters
        ----------
        roi : Box or {"auto", "none"}
            Where to look: the HU-threshold proposal, everywhere, or a box on the CT's own grid, outside of which
            nothing is written.
        proposal : RoiProposal, optional
            The proposal, where it is known already.

        Raises
        ------
        CancelledError, OutOfMemoryError, RegionError
        """
        outcome = Outcome(np.zeros(self.volume.geometry.shape_zyx, dtype=np.uint8))
        allowed = self._allowed(roi)
        with self.tracker.stage("propose", f"finding the region of {self.sought}"):
            region = self._region(roi, proposal, outcome)
        crop: Box | None = None
        if region is not None:
            if self._sees_all(roi):
                crop = region
            elif is_single_pass(self.package, self.settings, roi):
                crop = region.grown(self.settings.proposal_margin_mm, self.ct.geometry)
            else:
                localiser = self.networks.get("localiser", self.networks["segmenter"])
                place = self._localised(localiser, region, roi, outcome)
                outcome.reason, crop = place.reason, self._crop(place)
        if crop is not None:
            found, grid = self._segmented(crop, roi)
            with self.tracker.stage("restore", "back to the grid of the CT"):
                self._restored(found, grid, allowed, outcome)
            with self.tracker.stage("measure", "measuring"):
                self._measured(grid, allowed, outcome, sought=isinstance(roi, Box))
        if outcome.reason:
            outcome.reason = " ".join([outcome.reason, *_no_abdomen(outcome.proposal)])
            self._emptied(outcome)
        outcome.organs = self._organs
        outcome.warnings.extend(self.predictor.warnings)
        outcome.windows = {
            role: {"count": t.count, "size_ijk": list(t.window_zyx[::-1])}
            for role, t in self.predictor.tilings.items()
        }
        return outcome

    def probability_in(self, crop: Box) -> dict[str, Volume]:
        """Run the segmenter alone on a crop, and return the foreground probability a label, not cleaned.

        Parameters
        ----------
        crop : Box
            In voxels of the CT on canonical axes.
        """
        self._body = BodyOutline.of(self.ct)
        found, grid = self._segmented(crop, crop)
        return {
            name: Volume(p.astype(np.float16), grid) for name, p in zip(self.package.labels, found, strict=True)
        }

    def _sees_all(self, roi: Roi) -> bool:
        """Whether an imported network sees the whole scan, as where it comes from."""
        return (
            self.networks["segmenter"].stage.original is not None
            and not isinstance(roi, Box)
            and is_single_pass(self.package, self.settings, roi)
            and (roi == "none" or self.settings.localiser == "none" or not self.package.seeks_pancreas)
        )

    def _allowed(self, roi: Roi) -> Box:
        """Return the canonical box that may be written."""
        if not isinstance(roi, Box):
            return Box.whole(self.ct.geometry)
        inside = roi.clipped(self.volume.geometry)
        if inside.is_empty:
            size = self.volume.geometry.size_ijk
            raise RegionError(
                f"The region {roi.to_json()} lies outside the scan of {size[0]} x {size[1]} x {size[2]} voxels.",
                "Give half-open voxel ranges i0:i1,j0:j1,k0:k1 inside the scan.",
            )
        return self.axes.apply_box(inside)

    def _region(self, roi: Roi, proposal: RoiProposal | None, outcome: Outcome) -> Box | None:
        """Return the canonical box to look in, None if there is no body."""
        self._body = BodyOutline.of(self.ct)
        self.tracker.done(0.4)
        if isinstance(roi, Box):
            return self._allowed(roi)
        if self._sees_all(roi):
            return Box.whole(self.ct.geometry)
        if roi == "none" or not self.package.seeks_pancreas:
            if self._body is None and roi == "auto":
                outcome.reason = "There is no body in the scan."
                return None
            return self._body_box()
        if proposal is None:
            from PancreasSegLib.roi import propose_roi

            try:
                proposal = propose_roi(self.volume)
            except NoPancreasError as error:
                outcome.reason = error.message
                return None
        outcome.proposal = proposal
        if proposal.landmarks.get("liver_side") == "left":
            sentence = "The liver seems to lie on the left: left and right of the scan may be exchanged. Check it."
            outcome.warnings.append(SegmentationWarning("mirrored", sentence))
        return self.axes.apply_box(proposal.box)

    def _body_box(self) -> Box:
        if self._body is None:
            return Box.whole(self.ct.geometry)
        box = Box.of_mask(self._body.mask)
        assert box is not None
        return box.on_grid(self._body.geometry, self.ct.geometry)

    def _localised(self, network: StageNetwork, region: Box, roi: Roi, outcome: Outcome) -> Localisation:
        """Find the organ on the coarse grid; look further once where the proposal may have been the reason."""
        ct, settings = self.ct.geometry, self.settings
        region = region.grown(settings.proposal_margin_mm, ct)
        found = self._coarse(network, region, neighbours=not isinstance(roi, Box))
        if roi != "auto" or not self.package.seeks_pancreas:
            return found
        again: Box | None = None
        if found.box is None:
            body = self._body_box()
            if _beyond(body, region, ct, settings.proposal_margin_mm):
                again = body
        else:
            lower, upper = touched_sides(found.box, found.grid, ct)
            if any(lower + upper):
                again = widened(region, ct, lower, upper, settings.widen_mm)
        if again is None:
            return found
        _log.info("localiser: looking again in %s", again.to_json())
        second = self._coarse(network, again)
        if second.box is None:
            return found
        if found.box is None:
            outcome.warnings.append(
                SegmentationWarning(
                    "outside-proposal",
                    f"The {self.organ} was found only when the whole body was searched: check its place.",
                )
            )
        return second

    def _coarse(self, network: StageNetwork, region: Box, neighbours: bool = True) -> Localisation:
        labels = network.stage.labels
        classes = range(1 + max(labels.values()))
        message = f"looking for {self.sought}"
        with ExitStack() as under_way:
            view = self._view(under_way, network, region, 1.0, classes, "localise", message)
            probabilities, grid = self._seen(view), view.grid
        self._organs = SeenOrgans.of(probabilities, grid, labels)
        if not self.package.seeks_pancreas:
            return localise_any(probabilities, grid, labels, tuple(self.package.labels), self.settings)
        return localise(probabilities, grid, labels, self.organ, self.settings, neighbours=neighbours)

    def _crop(self, found: Localisation) -> Box | None:
        """Return the canonical box for the segmenter."""
        if found.box is None:
            return None
        settings = self.settings
        margin = settings.doubtful_margin_mm if found.doubtful(settings) else settings.crop_margin_mm
        return found.box.on_grid(found.grid, self.ct.geometry).grown(margin, self.ct.geometry)

    def _segmented(self, crop: Box, roi: Roi) -> tuple[NDArray[np.float32], Geometry]:
        """Segment the crop; look once more in a wider one where the organ reaches its border.

        Returns
        -------
        probabilities : ndarray of float32, shape (labels, z, y, x)
            Of the package's labels, averaged over the scales.
        grid : Geometry
            Their grid.
        """
        network, ct = self.networks["segmenter"], self.ct.geometry
        if network.stage.original is not None:
            return self._segmented_as_original(network, crop, roi)
        channels = [network.stage.labels[name] for name in self.package.labels]
        scales, message = (1.0, *self.settings.extra_scales), f"segmenting {self.sought}"
        whole = is_single_pass(self.package, self.settings, roi) and not self.package.seeks_pancreas
        if whole:
            scales = (1.0,)  # the gain is on a small organ; a whole body would take three times as long
        passes = share_out_scales(len(network.members), scales)
        for last in (False, True):
            with ExitStack() as under_way:
                views = [
                    self._view(under_way, network, crop, scale, channels, "segment", message, members)
                    for scale, members in passes
                ]
                found = self._seen(views[0], later=views[1:])
                grid = views[0].grid
                box = Box.of_mask(found.max(axis=0) >= self.settings.threshold)
                lower, upper = touched_sides(box, grid, ct) if box is not None else ([], [])
                if last or isinstance(roi, Box) or whole or not any(lower + upper):
                    return self._averaged(found, views), grid
            crop = widened(crop, ct, lower, upper, self.settings.widen_mm)
        raise AssertionError("the second crop is the last")

    def _segmented_as_original(
        self, network: StageNetwork, crop: Box, roi: Roi
    ) -> tuple[NDArray[np.float32], Geometry]:
        """Segment the crop as an imported network's own program would a file of it; see `_segmented`."""
        ct, original = self.ct.geometry, network.stage.original
        assert original is not None
        if "localiser" in self.networks:  # a window of a large network takes all the memory that there is to spare
            self.networks["localiser"].release()
        turn = network_turn(network.stage, original, self.axes)
        localised = not isinstance(roi, Box) and not is_single_pass(self.package, self.settings, roi)
        spare = _SPARE_MM if localised else 0.0
        for last in (False, True):
            seen = whole_windows(crop, ct, network.stage, NetworkAxes(network.stage.axes), turn, spare)
            run = OriginalRun(self.ct, seen, network, turn, self.settings)
            self.predictor.tilings["segmenter"] = run.tiling
            nominal = run.runs * expected_seconds(network, run.tiling, self.threads)
            started = time.perf_counter()
            with self.tracker.stage("segment", f"segmenting {self.sought}", self.pace * nominal):
                self._scores = run.scores(self.predictor.streams(network.device), self.tracker.done)
            self.nominal_s += nominal
            self.measured_s += time.perf_counter() - started
            found, grid = self._scores.probability, self._scores.geometry(ct)
            box = Box.of_mask(found.max(axis=0) >= _LIKELIER)
            lower, upper = touched_sides(box, grid, ct) if box is not None else ([], [])
            if last or isinstance(roi, Box) or self._sees_all(roi) or not any(lower + upper):
                break
            crop = widened(seen, ct, lower, upper, self.settings.widen_mm)
        return found, grid

    def _averaged(self, found: NDArray[np.floating], views: Sequence[_View]) -> NDArray[np.float32]:
        """Return the mean of all passes: the first view, which is known, and the others on its grid."""
        total = found.astype(np.float32, copy=False)
        total *= len(views[0].started.members)
        for number, view in enumerate(views[1:], 1):
            weight = len(view.started.members)
            for target, channel in zip(total, self._seen(view, later=views[number + 1 :]), strict=True):
                target += weight * resample(channel, view.grid, views[0].grid)
        total /= sum(len(view.started.members) for view in views)
        return total

    def _restored(self, found: NDArray[np.float32], grid: Geometry, allowed: Box, outcome: Outcome) -> None:
        """Clean the probabilities, in place, and write the mask."""
        if self._scores is not None:
            self._restored_as_original(self._scores, found, grid, allowed, outcome)
            return
        for number, (name, probability) in enumerate(zip(self.package.labels, found, strict=True)):
            raw = probability >= self.settings.threshold
            kept = plausible_pieces(raw, grid, probability)
            filled = filled_holes(kept, grid)
            outcome.probability[name] = Volume(probability.astype(np.float16), grid)
            found[number] = np.where(raw & ~kept, 0.0, np.where(filled & ~kept, 1.0, probability))
        restore_mask(
            found,
            grid,
            self.axes.apply(outcome.mask),
            self.ct.geometry,
            values=tuple(self.package.labels.values()),
            threshold=self.settings.threshold,
            allowed=allowed,
            on_work=self.tracker.done,
        )
        for number, name in enumerate(self.package.labels):
            mask = found[number] >= self.settings.threshold
            outcome.statistics[name] = {"confidence": expected_dice(mask, found[number])}

    def _restored_as_original(
        self,
        scores: OriginalScores,
        found: NDArray[np.float32],
        grid: Geometry,
        allowed: Box,
        outcome: Outcome,
    ) -> None:
        """Write the mask as an imported network's own program does; cleaned up only where that is wanted."""
        if self.settings.cleaned:
            scores = scores.cleaned(self.ct.geometry)
        values = tuple(self.package.labels.values())
        scores.write(self.axes.apply(outcome.mask), values, allowed, self.tracker.done)
        for name, likely in zip(self.package.labels, found, strict=True):
            outcome.probability[name] = Volume(likely.astype(np.float16), grid)
            outcome.statistics[name] = {"confidence": expected_dice(likely >= _LIKELIER, likely)}

    def _measured(self, grid: Geometry, allowed: Box, outcome: Outcome, sought: bool) -> None:
        """Add statistics and judge them; a refused result leaves the mask empty."""
        written = Box.whole(grid).on_grid(grid, self.ct.geometry)
        window = self.axes.invert_box(written)
        part, ct = outcome.mask[window.slices_zyx], self.volume.cropped(window)
        for name, value in self.package.labels.items():
            mask = part == value
            measured = label_statistics(mask, ct)
            outcome.statistics[name] = measured | outcome.statistics[name]
            if name != self.organ or not self.package.seeks_pancreas:
                continue
            box = Box.of_mask(self.axes.apply(outcome.mask)[written.slices_zyx] == value)
            if box is None:
                outcome.reason = f"No {self.organ} was found in the region that was searched."
            else:
                offset = np.asarray(written.lower_ijk)
                box = Box(tuple(offset + box.lower_ijk), tuple(offset + box.upper_ijk))
                outcome.reason = refusal(
                    name, outcome.statistics[name], box, self.ct.geometry, self.settings, sought=sought
                )
                outcome.warnings.extend(
                    observations(name, outcome.statistics[name], box, self.ct.geometry, self.settings)
                )
                outcome.warnings.extend(cut_by_region(name, box, allowed, self.ct.geometry))

        if not self.package.seeks_pancreas:
            outcome.reason, warnings = judge_organs(outcome.statistics, self.settings)
            outcome.warnings.extend(warnings)

    def _emptied(self, outcome: Outcome) -> None:
        """Leave nothing of a refused result but its probability."""
        outcome.mask[...] = 0
        empty = np.zeros((1, 1, 1), dtype=bool)
        nothing = label_statistics(empty, Volume(empty, Geometry((1, 1, 1), (1.0, 1.0, 1.0))))
        outcome.statistics = {name: nothing | {"confidence": 0.0} for name in self.package.labels}

    def _view(
        self,
        under_way: ExitStack,
        network: StageNetwork,
        crop: Box,
        scale: float,
        keep: Sequence[int],
        stage: str,
        message: str,
        members: Sequence[int] | None = None,
    ) -> _View:
        """Begin to run a network on a crop at its spacing times a scale; `under_way` ends it."""
        x, y, z = (mm * scale for mm in network.stage.spacing_mm)
        if network.stage.spatial_dims == 2:
            z = network.stage.spacing_mm[2]  # it sees no other slice
        grid = stage_grid(crop, self.ct.geometry, replace(network.stage, spacing_mm=(x, y, z)))
        tiling = plan_stage(network, grid.shape_zyx, self.settings, window_budget(network, self.threads))
        nominal = expected_seconds(network, tiling, self.threads, len(members or network.members))
        self.tracker.check()
        body = self._body.on(grid) if self._body is not None else None
        image = network_input(self.ct, grid, network.stage, body)
        started = self.predictor.start(network, image, keep, wanted=body, members=members)
        under_way.callback(started.stop)
        return _View(grid, started, nominal, stage, message)

    def _seen(self, view: _View, later: Sequence[_View] = ()) -> NDArray[np.floating]:
        """Wait for a view, under the name that progress and timings give it; others follow."""
        started = time.perf_counter()
        rest = self.pace * sum(other.nominal_s for other in later)
        with self.tracker.stage(view.stage, view.message, self.pace * view.nominal_s, rest):
            result = view.started.result(self.tracker.done)
        self.nominal_s += view.nominal_s
        self.measured_s += time.perf_counter() - started
        return result


@dataclass(frozen=True, eq=False)
class _View:
    """A stage under way on one grid, and the seconds that it should take."""

    grid: Geometry
    started: Pass
    nominal_s: float
    stage: str
    message: str


def is_single_pass(package: ModelPackage, settings: CascadeSettings, roi: Roi = "auto") -> bool:
    """Whether the segmenter sees the whole region at once instead of a crop around what was found coarsely."""
    if package.stage("localiser") is not None or (roi == "auto" and uses_default_localiser(package, settings)):
        return False
    return settings.single_pass or not package.seeks_pancreas


def _no_abdomen(proposal: RoiProposal | None) -> list[str]:
    """Return what the HU thresholds alone said against an abdomen, as at most one sentence."""
    if proposal is None or proposal.landmarks.get("abdomen_in_view", True) or not proposal.reasons:
        return []
    return [proposal.reasons[0].split(". ")[0].rstrip(".") + "."]


def _beyond(body: Box, region: Box, ct: Geometry, mm: float) -> bool:
    """Whether the body reaches further than the region by more than a margin."""
    grown = region.grown(mm, ct)
    return any(b < g for b, g in zip(body.lower_ijk, grown.lower_ijk, strict=True)) or any(
        b > g for b, g in zip(body.upper_ijk, grown.upper_ijk, strict=True)
    )
