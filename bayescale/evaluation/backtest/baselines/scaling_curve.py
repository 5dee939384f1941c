"""Least-squares fit of a sigmoid scaling curve with a floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit


@dataclass(frozen=True, eq=False)
class ScalingCurve:
    """Sigmoid of a linear predictor above a floor.

    ``floor + (1 - floor) sigmoid(weights . (1, x))``, with weights (1 + covariate,).
    """

    weights: np.ndarray
    floor: float

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the scores (model,) at covariates x (model, covariate)."""
        return self.floor + (1 - self.floor) * expit(_with_constant(x) @ self.weights)


def initial_curve(covariates: int) -> ScalingCurve:
    """Return the initial values of the published code (ryoungj/ObsScaling, utils/data.py).

    The loss has several minima, so the initial values are part of the method.
    """
    return ScalingCurve(np.array([0.0] + [0.03] * covariates), 0.0)


def fit_curve(
    x: np.ndarray,
    score: np.ndarray,
    floor: tuple[float, float],
    start: ScalingCurve | None = None,
    tolerance: float = 1e-15,
) -> ScalingCurve:
    """Fit a scaling curve by least squares.

    The published code minimises a Huber loss with delta = 1, which for scores in [0, 1] is least squares, by the same
    bounded quasi-Newton method, but stops when the loss changes by less than 2e-9. If all scores are near the floor,
    this is before the minimum; the tolerance here is small enough to reach it.

    Parameters
    ----------
    x : ndarray (model, covariate)
    score : ndarray (model,)
    floor : (float, float)
        Bounds of the floor; equal bounds fix it.
    start : ScalingCurve, optional
    tolerance : float
        Change of the loss, relative to a loss of 1, at which the optimiser stops.
    """
    constant = _with_constant(x)
    start = start or initial_curve(x.shape[1])

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, low = parameters[:-1], parameters[-1]
        rise = expit(constant @ weights)
        error = low + (1 - low) * rise - score
        slope = (error * (1 - low) * rise * (1 - rise)) @ constant
        return 0.5 * float(error @ error), np.append(slope, error @ (1 - rise))

    initial = np.append(start.weights, np.clip(start.floor, *floor))
    bounds = [(None, None)] * constant.shape[1] + [floor]
    options = {"ftol": tolerance, "gtol": 1e-10, "maxiter": 5000, "maxfun": 20000}
    optimum = minimize(loss, initial, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return ScalingCurve(optimum[:-1], float(optimum[-1]))


def _with_constant(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x])
