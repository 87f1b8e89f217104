import numpy as np
from fake_model import ByIntensity, make_stage, torch_stage


def probabilities(temperature):
    stage = make_stage("segmenter", temperature=temperature)
    network = torch_stage(stage, [ByIntensity(stage)])
    image = np.random.default_rng(0).normal(0, 1, (1, 8, 16, 16)).astype(np.float32)
    return network.probabilities(image, [0, 1, 2, 3], lambda share: None)


def test_a_temperature_softens_the_probabilities_and_changes_no_winner():
    plain, soft = probabilities(1.0), probabilities(3.0)
    assert np.array_equal(plain.argmax(0), soft.argmax(0))
    assert soft.max(0).mean() < plain.max(0).mean()
    scores = np.log(np.clip(plain, 1e-30, None)) / 3.0
    expected = np.exp(scores) / np.exp(scores).sum(0)
    assert np.abs(expected - soft).max() < 1e-3
