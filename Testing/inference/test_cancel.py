"""Cancelling in every stage, inside a pass through a network too."""

from __future__ import annotations

import time

import pytest
import torch
from fake_model import make_abdomen, make_segmenter, make_stage

from PancreasSegLib.errors import CancelledError
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.volume import Geometry


@pytest.mark.parametrize("stage", ["propose", "localise", "segment", "restore", "measure"])
def test_cancelled_in_each_stage(stage):
    ct, _ = make_abdomen()
    token = CancelToken()
    stages: list[str] = []

    def progress(event):
        stages.append(event.stage)
        if event.stage == stage:
            token.cancel()

    segmenter = make_segmenter()
    with pytest.raises(CancelledError):
        segmenter.segment(ct, progress=progress, cancel=token)
    assert stages[-1] == stage
    assert segmenter.segment(ct).mask.any()  # and the segmenter can be used again


def test_cancelled_before_the_start():
    token = CancelToken()
    token.cancel()
    with pytest.raises(CancelledError):
        make_segmenter().segment(make_abdomen()[0], cancel=token)


def test_a_pass_is_interrupted_between_its_layers():
    """One window of eight layers, cancelled in the first: the others are not waited for."""
    token = CancelToken()
    layers = []
    segmenter = make_segmenter(stages=(make_stage("segmenter", patch_ijk=(160, 160, 160)),))

    def cancel(module, inputs, output):
        layers.append(module)
        time.sleep(0.1)  # a moment in which the run hears of it
        token.cancel()

    network = segmenter.networks["segmenter"]
    assert network.cost.shares  # counted before the layers cancel
    for layer in network.members[0].network.layers:
        layer.register_forward_hook(cancel)
    with pytest.raises(CancelledError):
        segmenter.segment(make_abdomen(Geometry((60, 50, 40), (5.0, 5.0, 5.0)))[0], roi="none", cancel=token)
    assert len(layers) < 8


def test_hooks_are_gone_after_a_run():
    segmenter = make_segmenter()
    segmenter.segment(make_abdomen()[0])
    for network in segmenter.networks.values():
        for module in network.members[0].network.modules():
            assert not module._forward_pre_hooks and not module._forward_hooks
    assert torch.is_grad_enabled()
