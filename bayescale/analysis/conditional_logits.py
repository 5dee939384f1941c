"""Closed-form conditional distribution of a new benchmark's logits given some observed scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import xlog1py, xlogy
from scipy.stats import norm

from bayescale._intervals import tails
from bayescale.analysis.predictive_moments import PredictiveMoments
from bayescale.model.curve import expected_score, logit_information, score_slope

if TYPE_CHECKING:
    from bayescale.inference.posterior import PosteriorData

_STEPS = 100
_CLOSE = 1e-9
_LEAST = 1e-9
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(21)


@dataclass(frozen=True)
class ConditionalLogits:
    """Normal distribution of the logits of M models on one benchmark, with known floor, shape and precision.

    Attributes
    ----------
    mean : ndarray (M,)
    covariance : ndarray (M, M)
    curve : tuple of float
        Floor, ceiling and shape, see `bayescale.model.curve.expected_score`.
    precision : float
        Effective number of items behind a score.
    """

    mean: np.ndarray
    covariance: np.ndarray
    curve: tuple[float, float, float]
    precision: float

    @classmethod
    def prior(
        cls, moments: PredictiveMoments, posterior: PosteriorData, benchmark: int | None, chance_level: float
    ) -> ConditionalLogits:
        """Return the distribution before any score, on the curve of a benchmark of the data or of an average new one.

        Parameters
        ----------
        moments : PredictiveMoments
        posterior : PosteriorData
        benchmark : int, optional
            Number of a benchmark of the data; default a new one.
        chance_level : float
            Expected score of guessing on a new benchmark.
        """
        draws, spec = posterior.draws, posterior.spec
        if benchmark is not None:
            floor, shape = draws.floor[:, benchmark].mean(), draws.curve_shape[:, benchmark].mean()
            precision = np.exp(np.log(draws.precision[:, benchmark]).mean())
            curve = float(floor), float(draws.data.ceiling[benchmark]), float(shape)
            return cls(moments.mean, moments.covariance, curve, float(precision))
        alpha, beta = spec.floor.shapes(np.array(chance_level))
        floor = alpha / (alpha + beta) if spec.floor.learned else chance_level
        shape = spec.priors.curve_shape.draw(20_000, random_seed=0).mean() if spec.curve == "richards" else 1.0
        precision = np.exp(spec.priors.log_precision.draw(20_000, random_seed=0).mean())
        return cls(moments.mean, moments.covariance, (float(floor), 1.0, float(shape)), float(precision))

    def given(self, rows: np.ndarray, scores: np.ndarray) -> ConditionalLogits:
        """Condition on scores of some of the models.

        Fisher scoring finds the mode; the curvature there is the Fisher information of the scores (Laplace's
        approximation: Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, section 3.4).

        Parameters
        ----------
        rows : ndarray of int
            Numbers of the models with a score.
        scores : ndarray
            In [0, 1].
        """
        before, prior = self.mean[rows], self.covariance[np.ix_(rows, rows)]
        inverse = np.linalg.inv(prior)

        def log_posterior(logit: np.ndarray) -> float:
            expected, away = expected_score(logit, *self.curve), logit - before
            likelihood = xlogy(scores, expected) + xlog1py(1 - scores, -expected)
            return float(self.precision * likelihood.sum() - 0.5 * away @ inverse @ away)

        logit = before.copy()
        for _ in range(_STEPS):
            information, pull = self._score(logit, scores)
            step = np.linalg.solve(np.diag(information) + inverse, pull - inverse @ (logit - before))
            # Near the floor the curve is flat and a full step overshoots.
            here = log_posterior(logit)
            while log_posterior(logit + step) < here and np.abs(step).max() > _CLOSE:
                step = step / 2
            logit = logit + step
            if np.abs(step).max() < _CLOSE:
                break
        information, _ = self._score(logit, scores)
        across = self.covariance[:, rows]
        reduction = across @ np.linalg.solve(prior + np.diag(1 / information), across.T)
        mean = self.mean + across @ inverse @ (logit - before)
        return ConditionalLogits(mean, self.covariance - reduction, self.curve, self.precision)

    def _score(self, logit: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the Fisher information about the logits, and the derivative of the log-likelihood."""
        expected = expected_score(logit, *self.curve)
        slope = np.maximum(score_slope(expected, *self.curve), _LEAST)
        information = np.maximum(logit_information(expected, slope, self.precision), _LEAST)
        return information, information * (scores - expected) / slope

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations (M,) of the logits."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def expected_scores(self) -> np.ndarray:
        """Return expected scores (M,), averaged over the uncertainty of the logits."""
        spread = self.mean[:, None] + self.sd[:, None] * _NODES
        return expected_score(spread, *self.curve) @ _WEIGHTS / _WEIGHTS.sum()

    def interval(self, prob: float) -> np.ndarray:
        """Return lower end, median and upper end (3, M) of the expected scores; equal-tailed."""
        low, high = tails(prob)
        return expected_score(self.mean + norm.ppf([[low], [0.5], [high]]) * self.sd, *self.curve)
