"""Colours of labels: told apart by readers of common, protan and deutan sight."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from PancreasSegLib.pictures.style import OTHERS, OUTLINE, REFERENCE, label_colours

# Machado, Oliveira, Fernandes 2009, full severity, on linear RGB
SIGHT = {
    "common": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


def oklab(colours, sight):
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    lms = np.cbrt(
        linear
        @ np.array(
            [
                [0.4122214708, 0.2119034982, 0.0883024619],
                [0.5363325363, 0.6806995451, 0.2817188376],
                [0.0514459929, 0.1073969566, 0.6299787005],
            ]
        )
    )
    return lms @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize(("colours", "apart"), [((OUTLINE, *OTHERS), 0.09), ((OUTLINE, REFERENCE), 0.2)])
def test_colours_are_told_apart(colours, apart, sight):
    lab = oklab(colours, sight)
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 9 * np.eye(len(lab))
    assert distance.min() > apart


def test_the_organ_has_the_colour_of_predictions_and_neighbours_differ():
    names = [f"organ {n}" for n in range(13)]
    colours = label_colours(names, "organ 4")
    assert colours["organ 4"] == OUTLINE
    assert len(set(colours.values())) == 9
    assert label_colours(["liver"]) == {"liver": OUTLINE}
    assert label_colours([]) == {}
