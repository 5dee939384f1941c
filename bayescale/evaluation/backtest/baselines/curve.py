"""A sigmoid curve through scores, with a floor, fitted by least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit


@dataclass(frozen=True, eq=False)
class Curve:
    """``floor + (1 - floor) sigmoid(weights . (1, x))``, with weights (1 + covariate,)."""

    weights: np.ndarray
    floor: float

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Scores (model,) at covariates x (model, covariate)."""
        return self.floor + (1 - self.floor) * expit(_with_constant(x) @ self.weights)


def first_guess(covariates: int) -> Curve:
    """Where the published code starts (ryoungj/ObsScaling, utils/data.py): rising slowly, without a floor.

    The loss has more than one minimum, so the start is part of the method.
    """
    return Curve(np.array([0.0] + [0.03] * covariates), 0.0)


def fit_curve(
    x: np.ndarray,
    score: np.ndarray,
    floor: tuple[float, float],
    start: Curve | None = None,
    tolerance: float = 1e-15,
) -> Curve:
    """Fit the curve.

    The published code minimises a Huber loss with delta = 1, which for scores in [0, 1] is least squares, by the same
    bounded quasi-Newton method, but stops at a loss that changes by less than 2e-9. Where all scores lie near the floor
    that is before the minimum; here the fit runs on until it is there.

    Parameters
    ----------
    x : ndarray (model, covariate)
    score : ndarray (model,)
    floor : (float, float)
        Between what the floor is sought; twice the same for a floor that is known.
    start : Curve, optional
    tolerance : float
        Change of the loss, relative to a loss of 1, at which the fit counts as done.
    """
    constant = _with_constant(x)
    start = start or first_guess(x.shape[1])

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, low = parameters[:-1], parameters[-1]
        rise = expit(constant @ weights)
        error = low + (1 - low) * rise - score
        slope = (error * (1 - low) * rise * (1 - rise)) @ constant
        return 0.5 * float(error @ error), np.append(slope, error @ (1 - rise))

    guess = np.append(start.weights, np.clip(start.floor, *floor))
    bounds = [(None, None)] * constant.shape[1] + [floor]
    options = {"ftol": tolerance, "gtol": 1e-10, "maxiter": 5000, "maxfun": 20000}
    found = minimize(loss, guess, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return Curve(found[:-1], float(found[-1]))


def _with_constant(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x])
