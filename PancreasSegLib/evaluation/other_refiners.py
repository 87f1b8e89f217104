"""Well-known ways to correct a mask, to compare ours with; not used otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.refine.evidence import Window
from PancreasSegLib.refine.mark import INCLUDED, UNMARKED
from PancreasSegLib.refine.propagation import WindowPropagation, walked
from PancreasSegLib.refine.random_walk import random_walk


class RandomWalker(WindowPropagation):
    """Random walks from all marks, with network and mask as priors (Grady, CVPR 2005).

    Parameters
    ----------
    weight : float
        Of the priors against the neighbours.
    """

    def __init__(self, weight: float = 0.1) -> None:
        self.weight = weight

    def corrected(self, window: Window) -> NDArray[np.float32]:
        """Return the probability of the organ inside a window."""
        return walked(window, self.weight)


class OnlineHead(WindowPropagation):
    """A logistic regression on voxel features, fitted to the marks and, with little weight, to the mask.

    After ECONet (Asad et al., MIDL 2022, arXiv:2201.04584) and BIFSeg (Wang et al., TMI 2018): what was marked
    teaches what the organ looks like in this patient, here by HU at three scales, their gradient and the network.

    Parameters
    ----------
    held : float
        Weight of all voxels of the mask together, where the marks weigh 1.
    """

    def __init__(self, held: float = 3.0) -> None:
        self.held = held

    def corrected(self, window: Window) -> NDArray[np.float32]:
        """Return the probability of the organ inside a window."""
        images = _features(window)
        features = images.reshape(len(images), -1).T
        marked = (window.marks != UNMARKED).ravel()
        target = np.where(marked, window.marks.ravel() == INCLUDED, window.mask.ravel() > 0.5).astype(np.float64)
        weight = np.where(marked, 1.0 / marked.sum(), self.held / marked.size)
        head = _logistic_regression(features, target, weight)
        found = 1 / (1 + np.exp(-(features @ head))).reshape(window.hu.shape)
        found[window.marks != UNMARKED] = window.marks[window.marks != UNMARKED] == INCLUDED
        fixed = window.marks != UNMARKED
        return random_walk(found.astype(np.float32), fixed, window.smooth_hu, window.spacing_zyx)


def _features(window: Window) -> NDArray[np.float64]:
    """Return features of shape (n, z, y, x), standardised, the last one constant."""
    from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

    p = np.clip(window.probability, 1e-3, 1 - 1e-3)
    sigmas = [np.divide(mm, window.spacing_zyx) for mm in (1.0, 2.5, 5.0)]
    images = [gaussian_filter(window.hu, sigma) for sigma in sigmas]
    images += [image**2 for image in images]
    images += [gaussian_gradient_magnitude(window.hu, sigmas[0]), np.log(p / (1 - p)), 2 * window.mask - 1]
    stacked = np.stack(images).astype(np.float64)
    centre, spread = stacked.mean((1, 2, 3), keepdims=True), stacked.std((1, 2, 3), keepdims=True)
    return np.concatenate([(stacked - centre) / (spread + 1e-6), np.ones((1, *window.hu.shape))])


def _logistic_regression(
    features: NDArray[np.float64], target: NDArray[np.float64], weight: NDArray[np.float64], penalty: float = 1e-3
) -> NDArray[np.float64]:
    """Return the coefficients of a ridge-penalised logistic regression, by Newton's method."""
    coefficients = np.zeros(features.shape[1])
    for _ in range(12):
        guess = 1 / (1 + np.exp(-np.clip(features @ coefficients, -30, 30)))
        slope = features.T @ (weight * (guess - target)) + penalty * coefficients
        curvature = (features * (weight * guess * (1 - guess))[:, None]).T @ features
        curvature += penalty * np.eye(len(coefficients))
        coefficients -= np.linalg.solve(curvature, slope)
    return coefficients
