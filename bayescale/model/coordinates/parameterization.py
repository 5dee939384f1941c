"""How the sampler sees each variable of the model: as the equations state it, or in better coordinates.

`PlainCoordinates` is the reference implementation. `Coordinates`, which `bayescale.fit` uses, changes variables and no
distribution: `tests/model/test_model.py` compares the two densities.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pymc as pm

from bayescale.model.coordinates.pilot import SPREAD, Pilot, fit_pilot, informative_models, pilot_slopes
from bayescale.model.coordinates.rotation import loadings, representative, split_space
from bayescale.model.coordinates.whitening import capabilities
from bayescale.model.curve import Curve
from bayescale.model.data import ModelData, model_data
from bayescale.model.kernels.working_response import observed_response
from bayescale.model.prior import Prior
from bayescale.model.spec import Spec

if TYPE_CHECKING:
    from bayescale.evals import Evals

_SUFFIX = "_z"


def coordinate(name: str) -> str:
    """Name the variable by which the sampler moves the public variable `name`.

    Examples
    --------
    >>> coordinate("loading")
    'loading_z'
    """
    return f"{name}{_SUFFIX}"


def is_coordinate(name: str) -> bool:
    """Return whether a variable is the sampler's alone: one of `coordinate`, or PyMC's transformed value of another.

    Examples
    --------
    >>> is_coordinate("loading_z"), is_coordinate("family_sd_log__"), is_coordinate("loading")
    (True, True, False)
    """
    return name.endswith((_SUFFIX, "__"))


class PlainCoordinates:
    """State every variable as the equations do: the reference implementation of the model's distributions.

    Each method makes the PyMC variable of one term, inside the model context, with the arguments that any
    parameterization of it needs.

    Parameters
    ----------
    spec : Spec
    data : ModelData
    """

    def __init__(self, spec: Spec, data: ModelData) -> None:
        self.spec, self.data = spec, data

    @classmethod
    def of(cls, spec: Spec, evals: Evals) -> Self:
        """Make the coordinates of the model of `spec` for the scores in `evals`."""
        return cls(spec, model_data(spec, evals))

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All that depends on which scores are observed, by the names of the model's data containers."""
        return self.data.cells

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of benchmarks and factors."""
        return len(self.data.coords["benchmark"]), len(self.data.coords["factor"])

    def common_loadings(self, name: str, own_sd: Any, common_sd: Any, family_sd: Any) -> Any:
        """Make ``W_bk = c_k + w_bk``, ``c ~ Normal(0, common_sd)`` integrated out, ``w ~ Normal(0, own_sd)``."""
        benchmarks, factors = self.size
        covariance = own_sd**2 * np.eye(benchmarks) + common_sd**2 * np.ones((benchmarks, benchmarks))
        dims = ("benchmark", "factor")
        return pm.MatrixNormal(name, np.zeros(self.size), rowcov=covariance, colcov=np.eye(factors), dims=dims)

    def loadings(self, name: str, prior: Prior, family_sd: Any) -> Any:
        """Make independent loadings ``W_bk ~ prior``."""
        return prior.variable(name, dims=("benchmark", "factor"))

    def slopes(self, name: str, prior: Prior, family_sd: Any) -> Any:
        """Make ``beta_ck ~ prior``."""
        return prior.variable(name, dims=("covariate", "factor"))

    def zero_mean(self, name: str, sd: Any, dims: tuple[str, ...]) -> Any:
        """Make effects ``Normal(0, sd)`` with one pooled sd."""
        return pm.Normal(name, 0, sd, dims=dims)

    def benchmark_slopes(self, name: str, sd: Any, shared: Any) -> Any:
        """Make ``d_bc ~ Normal(0, sd)``.

        `shared` (benchmark, covariate) is the response of a benchmark to the covariates by way of the capabilities.
        """
        return pm.Normal(name, 0, sd, dims=("benchmark", "covariate"))

    def difficulty(
        self, name: str, prior: Prior, explained: list[tuple[Any, Any]], curve: Curve, precision: Any
    ) -> Any:
        """Make ``difficulty_b ~ prior``.

        `explained` are pairs of regressors (model, p) and coefficients (benchmark, p): their products add up to the
        logits, less difficulty, that compute and family lead one to expect.
        """
        return prior.variable(name, dims="benchmark")

    def capabilities(self, name: str, mean: Any, loading: Any, rest: Any, curve: Curve, precision: Any) -> Any:
        """Make ``theta_mk ~ Normal(mean_mk, 1)``; `rest` (model, benchmark) are the logits less ``W theta``."""
        return pm.Normal(name, mean, 1, dims=("model", "factor"))


class Coordinates(PlainCoordinates):
    """State the same distributions in coordinates that are nearly uncorrelated and of one scale.

    Made once for a fit. Whatever depends on the observed scores, pilot estimates included, is in `arrays`: folds of a
    backtest share a compiled model, and each has coordinates of its own data.

    Parameters
    ----------
    spec : Spec
    data : ModelData
    """

    def __init__(self, spec: Spec, data: ModelData) -> None:
        super().__init__(spec, data)
        self._response: tuple[Any, Any, tuple[Any, Any]] | None = None

    @property
    def rotation_fixed(self) -> bool:
        """Whether one representative per rotation is sampled, as the priors and the number of benchmarks allow."""
        benchmarks, factors = self.size
        return self.spec.rotation_invariant and factors <= benchmarks

    @cached_property
    def pilot(self) -> Pilot:
        """Pilot estimates of loadings and capabilities."""
        return fit_pilot(self.data, self.size[1])

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The observed cells, and what the coordinates take from them, by the names of the model's data containers."""
        arrays = self.data.cells | {"informative_models": informative_models(self.data)}
        if self.rotation_fixed:
            arrays["rotation_basis"], arrays["rotation_complement"] = split_space(self.pilot.loading / SPREAD)
        return arrays

    @cached_property
    def starting_point(self) -> dict[str, np.ndarray]:
        """Rough values of the benchmarks' coordinates and slopes, for the sampler to start at."""
        start = {coordinate("difficulty"): np.zeros(self.size[0])}
        if self.rotation_fixed:
            rotation = representative(self.pilot.loading)  # slopes turn with the loadings
            start[coordinate("loading")] = self.pilot.loading @ rotation / SPREAD
            start[coordinate("slope")] = pilot_slopes(self.data, self.pilot.score) @ rotation * SPREAD
        return start

    # Loadings and slopes are sampled in units of sqrt(1 + family_sd^2), the sd of capabilities at one compute. In units
    # of the residual sd all of them move together with `family_sd`, because the data identify their products, logits
    # between models. In units of the sd between families alone slopes diverge where it is small (docs/model-notes.md).

    def common_loadings(self, name: str, own_sd: Any, common_sd: Any, family_sd: Any) -> Any:
        """Sample loadings scaled, one representative per rotation where the priors allow rotations."""
        unit, dims = _scatter(family_sd), ("benchmark", "factor")
        frame = (_container("rotation_basis"), _container("rotation_complement")) if self.rotation_fixed else None
        scaled = loadings(coordinate(name), unit * own_sd, unit * common_sd, size=self.size, frame=frame, dims=dims)
        return pm.Deterministic(name, scaled / unit, dims=dims)

    def loadings(self, name: str, prior: Prior, family_sd: Any) -> Any:
        """Sample independent loadings alike: zero-mean normals are common loadings of sd zero and their own."""
        if not self.rotation_fixed:
            return super().loadings(name, prior, family_sd)
        return self.common_loadings(name, prior.parameters["sigma"], 0.0, family_sd)

    def slopes(self, name: str, prior: Prior, family_sd: Any) -> Any:
        """Sample slopes scaled, where the prior is a zero-mean normal."""
        if not self.rotation_fixed:
            return super().slopes(name, prior, family_sd)
        unit, dims = _scatter(family_sd), ("covariate", "factor")
        scaled = pm.Normal(coordinate(name), 0, prior.parameters["sigma"] / unit, dims=dims)
        return pm.Deterministic(name, unit * scaled, dims=dims)

    def zero_mean(self, name: str, sd: Any, dims: tuple[str, ...]) -> Any:
        """Sample effects non-centred: the data say little about most of them."""
        return pm.Deterministic(name, sd * pm.Normal(coordinate(name), 0, 1, dims=dims), dims=dims)

    def benchmark_slopes(self, name: str, sd: Any, shared: Any) -> Any:
        """Sample a benchmark's whole response to the covariates, which the data identify.

        Non-centred effects are nearly collinear with the shared slopes (effective draws of their sd: 14 instead of 260
        in 1,600).
        """
        dims = ("benchmark", "covariate")
        whole = pm.Normal(coordinate(name), shared, sd, dims=dims)
        return pm.Deterministic(name, whole - shared, dims=dims)

    def difficulty(
        self, name: str, prior: Prior, explained: list[tuple[Any, Any]], curve: Curve, precision: Any
    ) -> Any:
        """Sample the difficulty relative to a data-based estimate.

        The offset between the two is well identified, the difficulty itself is not (it depends on loading, slope,
        floor and shape). The prior is unchanged.
        """
        informative, response = _container("informative_models"), self._working_response(curve, precision)[1]
        parts = [(coefficients * (informative @ regressors)).sum(axis=1) for regressors, coefficients in explained]
        estimate = sum(parts) - (informative * response.T).sum(axis=1)
        relative = prior.variable(coordinate(name), shift=-estimate, dims="benchmark")
        return pm.Deterministic(name, relative + estimate, dims="benchmark")

    def capabilities(self, name: str, mean: Any, loading: Any, rest: Any, curve: Curve, precision: Any) -> Any:
        """Sample capabilities whitened by what a model's scores tell of them."""
        weight, response = self._working_response(curve, precision)
        dims = ("model", "factor")
        return capabilities(name, mean, loading=loading, weight=weight, response=response - rest, dims=dims)

    def _working_response(self, curve: Curve, precision: Any) -> tuple[Any, Any]:
        # One node for both of its users, so that the gradient is taken through it once.
        if self._response is None or self._response[0] is not curve or self._response[1] is not precision:
            score, observed = _container("observed_score"), _container("observed")
            response = observed_response(score, observed, curve, precision, self.data.items)
            self._response = (curve, precision, response)
        return self._response[2]


def _scatter(family_sd: Any) -> Any:
    """Return the sd of capabilities at one compute, between families and within."""
    return (1 + family_sd**2) ** 0.5


def _container(name: str) -> Any:
    """Return a data container of the model on top of the stack."""
    return pm.modelcontext(None)[name]
