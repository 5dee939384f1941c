"""`ShortRun`: what a short run says of the coordinates of the long one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class ShortRun(NamedTuple):
    """Draws of a short run, in the plain coordinates' own terms, and where scores are linearised.

    Attributes
    ----------
    expected_share : ndarray (model, benchmark)
        Expected scores, as shares of the way from floor to ceiling. The score itself is a rough place to linearise
        where a model guesses: the likelihood is flat there, and the score alone suggests a curve.
    loading : ndarray (S, benchmark, factor)
    floor, curve_shape : ndarray (S, benchmark)
    unknown : ndarray (S, value), or None without unknown covariates
        Standardised values: what is sampled of them in coordinates that are not whitened.
    """

    expected_share: np.ndarray
    loading: np.ndarray
    floor: np.ndarray
    curve_shape: np.ndarray
    unknown: np.ndarray | None = None

    @property
    def strongest_directions(self) -> np.ndarray:
        """Principal axes of the loadings (benchmark, axis), by falling length; no rotation of factors moves them."""
        square = np.einsum("sbk,sck->bc", self.loading, self.loading) / len(self.loading)
        lengths, axes = np.linalg.eigh(square)
        found: np.ndarray = (axes * np.sqrt(lengths.clip(0)))[:, ::-1]
        return found

    @property
    def loading_error(self) -> float:
        """Posterior sd of the length of a benchmark's loadings beyond the average one's: the least over benchmarks.

        With too large an error, sampled loadings follow `own_loading_sd` where scores determine them; with too small a
        one, the neck of its funnel is only narrower.
        """
        length = np.linalg.norm(self.loading, axis=-1)
        return float((length - length.mean(axis=1, keepdims=True)).std(axis=0).min())
