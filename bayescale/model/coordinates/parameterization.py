"""How the sampler sees each variable of the model: as the equations state it, or in better coordinates.

`PlainCoordinates` is the reference implementation. `Coordinates`, which `bayescale.fit` uses, changes variables and no
distribution: `tests/model/test_model.py` compares the two densities.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.special import logit

from bayescale.model.coordinates.curves import CurveWhitening, around, whitened_curves
from bayescale.model.coordinates.measured import MeasurementEffects
from bayescale.model.coordinates.partial_centering import narrowed, widened
from bayescale.model.coordinates.pilot import (
    SPREAD,
    Pilot,
    fit_pilot,
    observed_share,
)
from bayescale.model.coordinates.rotation import loadings, representative, split_space
from bayescale.model.coordinates.share import beta_density, log_shares
from bayescale.model.coordinates.short_run import ShortRun
from bayescale.model.coordinates.unknown import Whitening, ridge, unwhitened, whitening
from bayescale.model.covariates import SIZES
from bayescale.model.curve import Curve, Noise, logit_score
from bayescale.model.data import ModelData, model_data, unknown_cells
from bayescale.model.kernels.levels import levels
from bayescale.model.kernels.working_response import observed_response
from bayescale.model.likelihood import log_density, scores
from bayescale.model.noise import noise
from bayescale.model.prior import Prior
from bayescale.model.rising import log_rising, rising_slopes
from bayescale.model.spec import Spec

if TYPE_CHECKING:
    from bayescale.evals import Evals

_SUFFIX = "_z"
# Below all that a floor or a shape may be, but for rounding to zero.
_LEAST = 1e-300
# Error of loadings before a short run has told it: about that of the best-determined ones on shipped tables.
_ROUGH_ERROR = 0.02
_LEVELS = ("top", "offset", "residual")


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


class Levels(NamedTuple):
    """Slopes (covariate, factor), difficulties (benchmark,) and capabilities (model, factor)."""

    slope: Any
    difficulty: Any
    capability: Any


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

    @property
    def rises(self) -> np.ndarray:
        """Whether capability grows with each covariate by the prior (covariate,)."""
        priors = zip(self.spec.covariates, self.spec.slope_priors, strict=True)
        grows = {*SIZES, *self.spec.rising_with} if self.spec.rising else set(self.spec.rising_with)
        return np.array([name in grows and prior.symmetric for name, prior in priors])

    def unknown_covariates(self, name: str, mean: Any, sd: Any, dims: str) -> Any:
        """Make the values of covariates that are unknown or uncertain: ``Normal(mean, sd)`` each."""
        return pm.Normal(name, mean, sd, dims=dims)

    def coefficients(self, name: str, mean: np.ndarray, sd: np.ndarray, regressors: np.ndarray, dims: str) -> Any:
        """Make coefficients ``Normal(mean, sd)`` of `regressors` (model, coefficient), which predict compute."""
        return pm.Normal(name, mean, sd, dims=dims)

    def floor_and_shape(self) -> tuple[Any, Any]:
        """Make guessing floors and shapes of curves (benchmark,): learned, or the stated chance level and a sigmoid."""
        spec, data, dims = self.spec, self.data, "benchmark"
        if spec.floor.learned:
            alpha, beta = spec.floor.shapes(data.floor)
            floor = pm.Beta("floor", alpha=alpha, beta=beta, dims=dims)
        else:
            floor = pm.Deterministic("floor", pt.as_tensor(data.floor), dims=dims)
        if spec.curve == "richards":
            return floor, spec.priors.curve_shape.variable("curve_shape", dims=dims)
        return floor, np.ones(len(data.floor))

    def noise(self) -> Noise:
        """Make precisions of scores and sds of the benchmarks' own noise (benchmark,)."""
        return noise(self.spec, self.item_share, len(self.data.items))

    def item_share(self, name: str) -> tuple[Any, Any]:
        """Make the items' shares of the variance of the noise (benchmark,); return them and what is left."""
        share = self.spec.priors.item_share.variable(name, dims="benchmark")
        return share, 1 - share

    def common_loadings(self, name: str, own_sd: Any, common_sd: Any, family_sd: Any) -> Any:
        """Make ``W_bk = c_k + w_bk``, ``c ~ Normal(0, common_sd)`` integrated out, ``w ~ Normal(0, own_sd)``."""
        benchmarks, factors = self.size
        covariance = own_sd**2 * np.eye(benchmarks) + common_sd**2 * np.ones((benchmarks, benchmarks))
        dims = ("benchmark", "factor")
        return pm.MatrixNormal(name, np.zeros(self.size), rowcov=covariance, colcov=np.eye(factors), dims=dims)

    def loadings(self, name: str, prior: Prior, family_sd: Any) -> Any:
        """Make independent loadings ``W_bk ~ prior``."""
        return prior.variable(name, dims=("benchmark", "factor"))

    def zero_mean(self, name: str, sd: Any, dims: tuple[str, ...]) -> Any:
        """Make effects ``Normal(0, sd)`` with one pooled sd."""
        return pm.Normal(name, 0, sd, dims=dims)

    def levels(
        self, x: Any, loading: Any, effects: list[Any], family_sd: Any, drift: Any, curve: Curve, noise: Noise,
        measured: MeasurementEffects | None = None,
    ) -> Levels:  # fmt: skip
        """Make slopes, difficulties, family offsets and capabilities.

        ``beta_ck ~ prior_c``, ``difficulty_b ~ prior``, ``alpha_fk ~ Normal(0, family_sd)``, and
        ``theta_mk ~ Normal(x_m' beta_k + alpha_fk + drift_mk, 1)``.

        Parameters
        ----------
        x : tensor (model, covariate)
        loading : tensor (benchmark, factor)
        effects : list of tensor (model, benchmark)
            What else adds up to the logits.
        family_sd : scalar tensor, or None without offsets
        drift : tensor (model, factor), or None without
        curve, noise
        measured : MeasurementEffects, optional
        """
        slopes, dims = self.spec.slope_priors, ("covariate", "factor")
        if self.rises.any() or len(set(slopes)) > 1:
            slope = rising_slopes("slope", slopes, loading, self.rises, factors=self.size[1], dims=dims)
        else:
            slope = slopes[0].variable("slope", dims=dims)
        difficulty = self.spec.priors.difficulty.variable("difficulty", dims="benchmark")
        mean = x @ slope if drift is None else x @ slope + drift
        if family_sd is not None:
            mean = mean + self.zero_mean("family_offset", family_sd, ("family", "factor"))[self.data.family_index]
        return Levels(slope, difficulty, pm.Normal("capability", mean, 1, dims=("model", "factor")))

    def scores(
        self, name: str, logit: Any, curve: Curve, noise: Noise, cells: Mapping[str, Any],
        dims: tuple[str, ...] | None = ("model", "benchmark"),
    ) -> None:  # fmt: skip
        """Make the observed scores, with the mean of their curve at the logit (`bayescale.model.likelihood`)."""
        scores(name, logit=logit, curve=curve, noise=noise, items=self.data.items, cells=cells, dims=dims)


class Coordinates(PlainCoordinates):
    """State the same distributions in coordinates that are nearly uncorrelated and of one scale.

    Made once for a fit. Whatever depends on the observed scores, pilot estimates included, is in `arrays`: folds of a
    backtest share a compiled model, and each has coordinates of its own data.

    Parameters
    ----------
    spec : Spec
    data : ModelData
    short : ShortRun, optional
        What a short run says of them. Default: rough estimates, scores linearised at themselves.
    """

    def __init__(self, spec: Spec, data: ModelData, short: ShortRun | None = None) -> None:
        super().__init__(spec, data)
        self.short = short

    @property
    def rotation_fixed(self) -> bool:
        """Whether one representative per rotation is sampled, as the priors and the number of benchmarks allow."""
        benchmarks, factors = self.size
        return self.spec.rotation_invariant and factors <= benchmarks

    @cached_property
    def pilot(self) -> Pilot:
        """Pilot estimates of loadings and general capabilities, of as many factors as benchmarks at most."""
        return fit_pilot(self.data, min(self.size))

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The observed cells, and what the coordinates take from them, by the names of the model's data containers."""
        arrays = dict(self.data.cells)
        arrays["expected_share"] = self.short.expected_share if self.short else observed_share(self.data)
        if len(self.whitening.centre):
            arrays |= {f"unknown_{name}": values for name, values in self.whitening._asdict().items()}
        if self.curve_parts:
            arrays |= {f"curve_{name}": values for name, values in self.curve_whitening._asdict().items()}
            if not self.loadings_follow_curves:
                del arrays["curve_steepness"]
        if self.spec.common_loading:
            error = self.short.loading_error if self.short else _ROUGH_ERROR
            arrays["loading_error"] = np.asarray(error)
        if self.rotation_fixed:
            found = self.short.strongest_directions[:, : self.size[1]] if self.short else self.pilot.loading
            arrays["rotation_basis"], arrays["rotation_complement"] = split_space(found)
        return arrays

    @property
    def curve_parts(self) -> tuple[str, ...]:
        """What is learned of the curves."""
        learned = {"floor": self.spec.floor.learned, "curve_shape": self.spec.curve == "richards"}
        return tuple(name for name, is_learned in learned.items() if is_learned)

    @property
    def loadings_follow_curves(self) -> bool:
        """Whether loadings are sampled in units that floors and shapes determine."""
        return bool(self.curve_parts) and (self.spec.common_loading or self.rotation_fixed)

    @cached_property
    def curve_whitening(self) -> CurveWhitening:
        """The coordinates of floors and shapes; without a short run they are those around the prior."""
        if self.short is not None:
            floor, shape = self.short.floor.clip(_LEAST, 1 - 1e-16), self.short.curve_shape.clip(_LEAST)
            parts = {"floor": logit(floor), "curve_shape": np.log(shape)}
            return whitened_curves(np.stack([parts[name] for name in self.curve_parts], axis=-1), self.short.loading)
        alpha, beta = self.spec.floor.shapes(self.data.floor)
        shape = np.median(self.spec.priors.curve_shape.draw(1000, random_seed=0))
        centre = {"floor": np.log(alpha / beta), "curve_shape": np.full(len(alpha), np.log(shape))}
        return around(np.stack([centre[name] for name in self.curve_parts], axis=-1))

    @cached_property
    def whitening(self) -> Whitening:
        """The coordinates of unknown covariates."""
        family = self.data.family_index[unknown_cells(self.data)[0]]
        unknown = self.short.unknown if self.short else None
        return unwhitened(family) if unknown is None else whitening(unknown, family)

    def starting_point(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw where a chain starts, by the names of coordinates; all else starts where these and the scores put it.

        Loadings start at rough estimates, floors and shapes at those of the prior, or a standard normal step from those
        of a short run. The unknown values of a covariate all move a standard normal step along the general capability:
        upwards able models have more of it than is expected, downwards less. The posterior may have a mode on either
        side.
        """
        start: dict[str, np.ndarray] = {}
        if self.rotation_fixed:
            loading = self.pilot.loading
            start[coordinate("loading")] = loading @ representative(loading) / SPREAD
        if self.curve_parts:
            step = 1.0 if self.short else 0.0
            start[coordinate("curve")] = rng.normal(scale=step, size=self.curve_whitening.centre.shape)
        rows, columns = unknown_cells(self.data)
        if len(rows):
            step = rng.normal(size=columns.max() + 1)[columns] * self.pilot.general[rows]
            z = self.whitening.displacement(step)
            start[coordinate("latent_covariate")] = z + rng.uniform(-1, 1, size=z.shape)
        return start

    def unknown_covariates(self, name: str, mean: Any, sd: Any, dims: str) -> Any:
        """Sample the unknown values of a family's models together (`coordinates.unknown`)."""
        centre, scale, neighbour, log_volume = (_container(f"unknown_{part}") for part in Whitening._fields)
        z = pm.Flat(coordinate(name), shape=self.arrays["unknown_centre"].shape)
        standardised = centre + (scale * z[neighbour]).sum(axis=1)
        pm.Potential(f"{name}_density", pm.logp(pm.Normal.dist(0, 1), standardised).sum() + log_volume)
        return pm.Deterministic(name, mean + sd * standardised, dims=dims)

    def coefficients(self, name: str, mean: np.ndarray, sd: np.ndarray, regressors: np.ndarray, dims: str) -> Any:
        """Sample the coefficients whitened by what disclosed compute says of them, in a ridge regression."""
        compute = self.data.covariates[:, self.data.column("log10_flops")]
        centre, scale = ridge(regressors[np.isfinite(compute)], compute[np.isfinite(compute)], mean, sd)
        z = pm.Flat(coordinate(name), shape=len(mean))
        value = centre + pt.as_tensor(scale) @ z
        log_volume = np.log(np.diag(scale)).sum()
        pm.Potential(f"{name}_density", pm.logp(pm.Normal.dist(mean, sd), value).sum() + log_volume)
        return pm.Deterministic(name, value, dims=dims)

    def floor_and_shape(self) -> tuple[Any, Any]:
        """Sample logit floor and log shape of each benchmark together (`coordinates.curves`)."""
        parts = self.curve_parts
        if not parts:
            return super().floor_and_shape()
        centre, scale, log_volume = (_container(f"curve_{name}") for name in ("centre", "scale", "log_volume"))
        z = pm.Flat(coordinate("curve"), shape=self.curve_whitening.centre.shape)
        values = centre + (scale * z[:, None, :]).sum(axis=-1)
        density = log_volume
        floor, shape = pt.as_tensor(self.data.floor), np.ones(len(self.data.floor))
        if "floor" in parts:
            alpha, beta = self.spec.floor.shapes(self.data.floor)
            density = density + beta_density(values[:, 0], alpha, beta).sum()
            floor = pt.exp(log_shares(values[:, 0])[0])
        floor = pm.Deterministic("floor", floor, dims="benchmark")
        if "curve_shape" in parts:
            shape = pm.Deterministic("curve_shape", pt.exp(values[:, -1]), dims="benchmark")
            density = density + (self.spec.priors.curve_shape.log_density(shape) + values[:, -1]).sum()
        pm.Potential("curve_density", density)
        return floor, shape

    def item_share(self, name: str) -> tuple[Any, Any]:
        """Sample the items' shares of the variance of the noise by their logits (`coordinates.share`)."""
        z = pm.Flat(coordinate(name), shape=len(self.data.items))
        pm.Potential(f"{name}_density", beta_density(z, **self.spec.priors.item_share.parameters).sum())
        share, rest = (pt.exp(log) for log in log_shares(z))
        return pm.Deterministic(name, share, dims="benchmark"), rest

    def common_loadings(self, name: str, own_sd: Any, common_sd: Any, family_sd: Any) -> Any:
        """Sample loadings partly centred (`coordinates.partial_centering`)."""
        wider_sd = widened(own_sd, _container("loading_error"))
        wider = self._scaled_loadings(name, wider_sd, common_sd, family_sd)
        return pm.Deterministic(name, narrowed(wider, own_sd, wider_sd, common_sd), dims=("benchmark", "factor"))

    def loadings(self, name: str, prior: Prior, family_sd: Any) -> Any:
        """Sample independent loadings alike: zero-mean normals are common loadings of sd zero and their own."""
        if not self.rotation_fixed:
            return super().loadings(name, prior, family_sd)
        value = self._scaled_loadings(name, prior.parameters["sigma"], 0.0, family_sd)
        return pm.Deterministic(name, value, dims=("benchmark", "factor"))

    # The data identify products: logits between models of one family, of two families. In units of the residual sd
    # loadings move against `family_sd`, in units of sqrt(1 + family_sd^2), the sd of capabilities at one compute, with
    # it; so they are sampled in the unit half-way. In units of the sd between families alone slopes diverge where it is
    # small (docs/model-notes.md).

    def _scaled_loadings(self, name: str, own_sd: Any, common_sd: Any, family_sd: Any) -> Any:
        """Sample loadings in better units, one representative per rotation where the priors allow rotations."""
        dims = ("benchmark", "factor")
        unit = pt.ones(self.size[0]) / pt.sqrt(_scatter(family_sd))
        if self.loadings_follow_curves:
            z = pm.modelcontext(None)[coordinate("curve")]
            unit = unit * pt.exp((_container("curve_steepness") * z).sum(axis=1))
        frame = (_container("rotation_basis"), _container("rotation_complement")) if self.rotation_fixed else None
        scaled = loadings(coordinate(name), own_sd, common_sd, size=self.size, frame=frame, unit=unit, dims=dims)
        return unit[:, None] * scaled

    def zero_mean(self, name: str, sd: Any, dims: tuple[str, ...]) -> Any:
        """Sample effects non-centred: the data say little about most of them."""
        return pm.Deterministic(name, sd * pm.Normal(coordinate(name), 0, 1, dims=dims), dims=dims)

    def levels(
        self, x: Any, loading: Any, effects: list[Any], family_sd: Any, drift: Any, curve: Curve, noise: Noise,
        measured: MeasurementEffects | None = None,
    ) -> Levels:  # fmt: skip
        """Sample the levels whitened, from the top down, by what the scores tell of them (`hierarchy.levels`)."""
        dims = {name: len(labels) for name, labels in self.data.coords.items()}
        difficulties, slope_priors = self.spec.priors.difficulty, self.spec.slope_priors
        if any(prior.positive for prior in slope_priors):
            return super().levels(x, loading, effects, family_sd, drift, curve, noise, measured)
        if drift is not None:
            effects = [*effects, drift @ loading.T]
        score, share, observed = (_container(name) for name in ("observed_score", "expected_share", "observed"))
        weight, response = observed_response(score, share, observed, curve, noise.precision, self.data.items)
        weight = weight / (1 + weight * noise.specific_sd**2)
        if measured is not None:
            weight, response = measured.response(weight, response, self.data, curve, noise)
        benchmarks, slopes = dims["benchmark"], dims["covariate"] * dims["factor"]
        shapes = (benchmarks + slopes,), (dims["family"], dims["factor"]), (dims["model"], dims["factor"])
        z = [
            pt.zeros(shape) if name == "offset" and family_sd is None else pm.Flat(coordinate(name), shape=shape)
            for name, shape in zip(_LEVELS, shapes, strict=True)
        ]
        sized = [(difficulties, benchmarks), *((prior, dims["factor"]) for prior in slope_priors)]
        normals = [np.repeat([prior.location_and_scale], size, axis=0) for prior, size in sized]
        # Rows that lie together: Numba keeps no program on disk with an array that does not.
        mean, scale = np.ascontiguousarray(np.concatenate(normals).T)
        sd = pt.as_tensor(0.0 if family_sd is None else family_sd, dtype="float64")
        top, scaled, theta, density = levels(
            *z, weight, response - logit_score(0.0, 0.0, *effects), loading, pt.as_tensor(x), sd,
            self.data.family_index, mean, scale**-2,
        )  # fmt: skip
        unknowns = sum(np.prod(shape) for shape in shapes) - (0 if family_sd is not None else np.prod(shapes[1]))
        density = density - 0.5 * np.log(2 * np.pi) * unknowns
        slope = top[benchmarks:].reshape((dims["covariate"], dims["factor"]))
        parts = [(top[:benchmarks], difficulties), *((slope[c], prior) for c, prior in enumerate(slope_priors))]
        for part, prior in parts:
            if prior.distribution != "Normal":  # `levels` has counted the normal of its location and scale
                normal = pm.Normal.dist(*prior.location_and_scale)
                density = density + (prior.log_density(part) - pm.logp(normal, part)).sum()
        if self.rises.any():
            density = density + log_rising(loading, slope, self.rises)
        pm.Potential("levels", density)
        slope = pm.Deterministic("slope", slope, dims=("covariate", "factor"))
        difficulty = pm.Deterministic("difficulty", top[:benchmarks], dims="benchmark")
        if family_sd is not None:
            pm.Deterministic("family_offset", sd * scaled, dims=("family", "factor"))
        theta = theta if drift is None else theta + drift
        return Levels(slope, difficulty, pm.Deterministic("capability", theta, dims=("model", "factor")))

    def scores(
        self, name: str, logit: Any, curve: Curve, noise: Noise, cells: Mapping[str, Any],
        dims: tuple[str, ...] | None = None,
    ) -> None:  # fmt: skip
        """State the density of the scores as a potential, which shares its graph with that of the levels.

        PyMC clones the graph behind every observed variable, and the gradient would be taken through it twice.
        """
        density = log_density(logit, curve, noise, self.data.items, cells)
        pm.Potential(name, density.sum())


def _scatter(family_sd: Any) -> Any:
    """Return the sd of capabilities at one compute, between families and within."""
    return pt.sqrt(1 + family_sd**2)


def _container(name: str) -> Any:
    """Return a data container of the model on top of the stack."""
    return pm.modelcontext(None)[name]
