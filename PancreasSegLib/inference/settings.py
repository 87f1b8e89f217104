"""The numbers that decide how the cascade behaves; they go into a result's provenance."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CascadeSettings:
    """Settings of a run; the defaults are those that the model card's scores were measured with.

    Attributes
    ----------
    overlap : float
        Share of a window that neighbouring windows have in common, where windows are needed.
    whole_axis : float
        An axis up to this many patches long goes through the network in one piece.
    proposal_margin_mm : float
        Added around the HU-threshold proposal, as context for the localiser.
    crop_margin_mm, doubtful_margin_mm : float
        Added around the organ found by the localiser; the second where it is small or unsure.
    doubtful_ml, doubtful_probability : float
        A coarse organ is doubtful below this volume or mean probability.
    widen_mm : float
        How far a region is widened on the sides where the organ touches its border.
    extra_scales : tuple of float
        The segmenter sees the crop again at its spacing times each of these, and the probabilities are averaged:
        it gains most where the organ is far from the size of those it was trained on. The members of an
        ensemble share the scales out, see `share_out_scales`.
    threshold : float
        Probability from which a voxel belongs to the organ.
    smallest_ml : float
        Less than this is not reported as a pancreas.
    usual_ml : tuple of 2 float
        A volume outside this range is reported with a warning. The organ of adults measures 72 mL with an SD
        of 26 mL (Saisho et al., Clinical Anatomy 2007, doi:10.1002/ca.20543), less when it is shrunk or partly
        resected.
    low_confidence : float
        Expected Dice below which a warning is given.
    least_confidence : float
        Expected Dice below which a small find is refused: one below the usual volume, or one below `cut_ml` at the
        scan's first or last slice. What is drawn where no pancreas is in view reaches 0.51 at most
        (``Testing/benchmarks/other_phases.md``). A region given by the user is evidence enough against that.
    cut_ml : float
        An organ that the scan's end cuts off is small below this volume.
    single_pass : bool
        Whether a package without a localiser segments the whole region at once, as the programs that imported
        models come from do, instead of looking for the organ first.
    localiser : str
        Where an imported model of the pancreas looks: ``"default"`` lets the built-in model's localiser find the
        organ first, ``"own"`` what the package itself does, ``"none"`` is the whole region or scan.
    cleaned : bool
        Whether stray pieces and holes are cleaned up; not for imported models, whose programs do not.
    mirrored : bool
        Whether an imported model also sees the scan mirrored, along the axes that its program mirrors, and
        averages: eight times the work for three axes.
    least_organs : int
        Neighbouring organs that must be in view, where the network knows them.
    least_extent_mm : float
        A scan that covers less from its lowest to its highest slice is refused.
    """

    overlap: float = 0.4
    whole_axis: float = 1.5
    proposal_margin_mm: float = 10.0
    crop_margin_mm: float = 20.0
    doubtful_margin_mm: float = 32.0
    doubtful_ml: float = 25.0
    doubtful_probability: float = 0.7
    widen_mm: float = 60.0
    extra_scales: tuple[float, ...] = (0.9, 1.1)
    single_pass: bool = False
    localiser: str = "own"
    cleaned: bool = True
    mirrored: bool = False
    threshold: float = 0.5
    smallest_ml: float = 2.0
    usual_ml: tuple[float, float] = (15.0, 250.0)
    low_confidence: float = 0.6
    least_confidence: float = 0.53
    cut_ml: float = 40.0
    least_organs: int = 2
    least_extent_mm: float = 30.0
