"""The generative story, top to bottom: from training compute to scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayescale.model.coordinates.pilot import coordinates
from bayescale.model.coordinates.rotation import loadings
from bayescale.model.coordinates.whitening import capabilities
from bayescale.model.curve import Curve, logit_score
from bayescale.model.data import ModelData, covariate_prior, design, model_data
from bayescale.model.kernels.working_response import observed_response
from bayescale.model.likelihood import scores
from bayescale.model.spec import Spec

if TYPE_CHECKING:
    from bayescale.evals import Evals


def build_model(spec: Spec, evals: Evals) -> pm.Model:
    """Build the PyMC model of `spec` for the scores in `evals`.

    With m a model of family f, b a benchmark in testlet g, k a factor and x the centred covariates::

        loading      W_bk     = c_k + w_bk     c_k ~ Normal(0, common sd), w_bk ~ Normal(0, own sd), both sds learned
        capability   theta_mk ~ Normal(x_m' beta_k + alpha_fk, 1)                     alpha_fk ~ Normal(0, tau)
        logit        eta_mb   = sum_k W_bk theta_mk - difficulty_b + d_b' x_m + u_mg + v_fb
        mean score   mu_mb    = floor_b + (ceiling_b - floor_b) curve(eta_mb; shape_b)
        observed     n_b y_mb ~ BetaBinomial(n_b, mu_mb phi_b, (1 - mu_mb) phi_b)

    The curve (`bayescale.model.curve.expected_score`) is Richards' with a shape for each benchmark, or a sigmoid;
    without `Spec.common_loading` the W_bk are independent under the prior `loading`. c is integrated out, and loadings
    and slopes are sampled in units of sqrt(1 + tau^2), one representative per rotation
    (`bayescale.model.coordinates.rotation`);
    alpha, u and v are non-centred; theta is whitened by `ConditionalWhitening`. None of this changes a distribution.
    Whatever depends on the observed cells is a data container (see `containers`): other cells over the same coordinates
    need no new compilation.

    Parameters
    ----------
    spec : Spec
    evals : Evals

    Returns
    -------
    pymc.Model
        Variables with their dims: ``slope`` (covariate, factor), ``family_offset`` (family, factor), ``loading``
        (benchmark, factor), ``difficulty``, ``floor``, ``curve_shape``, ``log_precision`` (benchmark),
        ``benchmark_slope`` (benchmark, covariate), ``family_benchmark`` (family, benchmark), ``testlet_effect`` (model,
        testlet), ``capability`` (model, factor), ``covariate_value`` (model, covariate); and the
        sds ``own_loading_sd``, ``common_loading_sd``, ``family_sd``, ``benchmark_slope_sd``,
        ``family_benchmark_sd``, ``testlet_sd``. What the spec switches off is missing, but for ``floor``. Others are
        coordinates of the sampler (``loading_scaled``, ``slope_scaled``, ``relative_difficulty``, ``*_z``, ...).

    Raises
    ------
    EvalsError
        When there is nothing to fit, or no model has a value for a covariate.

    Examples
    --------
    >>> import bayescale as bs
    >>> model = bs.build_model(bs.load_spec("one_factor"), bs.load_evals("base-llms"))
    >>> model.named_vars_to_dims["loading"]
    ('benchmark', 'factor')
    """
    data = model_data(spec, evals)
    priors, family, items = spec.priors, data.family_index, data.items
    with pm.Model(coords=data.coords, check_bounds=False) as model:
        # Of fixed shapes, which spare a hundred checks at run time and as many functions to compile.
        cells = {name: pm.Data(name, values, shape=values.shape) for name, values in containers(spec, data).items()}
        x = _covariates(spec, data)

        # Benchmarks: loadings, guessing floor, shape of the curve, precision of the scores around their mean.
        family_sd = priors.family_sd.variable("family_sd") if spec.family_offsets else 0.0
        unit = (1 + family_sd**2) ** 0.5
        loading = _loading(spec, data, cells, unit)
        floor = _floor(spec, data)
        precision = pt.exp(priors.log_precision.variable("log_precision", dims="benchmark"))
        shape = (
            priors.curve_shape.variable("curve_shape", dims="benchmark")
            if spec.curve == "richards"
            else np.ones(len(items))
        )

        # Capability: shared slopes, a compute-efficiency offset per family, residual sd 1 (which sets the scale).
        slope = _slope(spec, data, unit)
        location = x @ slope
        if spec.family_offsets:
            location = location + _pooled("family_offset", family_sd, ("family", "factor"))[family]

        # What moves a score beside capability: a benchmark's own response to the covariates, what variants of one
        # benchmark share, a family's bent.
        effects: list[Any] = []
        informative = cells["informative_models"]
        about = (loading * (informative @ location)).sum(axis=1)
        if spec.benchmark_slopes:
            # Centred on what capabilities explain: the data tell of a benchmark's whole slope, and non-centred effects
            # trade places with the shared slopes (effective draws of their sd: 14 instead of 260 in 1,600).
            names, explained = ("benchmark", "covariate"), loading @ slope.T
            sd = priors.benchmark_slope_sd.variable("benchmark_slope_sd")
            whole = pm.Normal("whole_slope", explained, sd, dims=names)
            benchmark_slope = pm.Deterministic("benchmark_slope", whole - explained, dims=names)
            effects.append(x @ benchmark_slope.T)
            about = about + (benchmark_slope * (informative @ x)).sum(axis=1)
        if data.coords["testlet"]:
            effect = _pooled("testlet_effect", priors.testlet_sd.variable("testlet_sd"), ("model", "testlet"))
            alone = pt.zeros((effect.shape[0], 1))
            effects.append(pt.concatenate([effect, alone], axis=1)[:, data.testlet_index])
        if spec.family_benchmark:
            sd = priors.family_benchmark_sd.variable("family_benchmark_sd")
            effect = _pooled("family_benchmark", sd, ("family", "benchmark"))
            effects.append(effect[family])

        curve = Curve(floor, data.ceiling, shape)
        weight, response = observed_response(cells["observed_score"], cells["observed"], curve, precision, items)

        # Sampled is how far the difficulty lies from where, along this curve, the scores of the models that a benchmark
        # tells apart put it: known well, where that of an average model, perhaps far down on the guessing floor, rests
        # on loading, slope, floor and shape. The prior is unmoved.
        about = about - (informative * response.T).sum(axis=1)
        relative = priors.difficulty.variable("relative_difficulty", shift=-about, dims="benchmark")
        difficulty = pm.Deterministic("difficulty", relative + about, dims="benchmark")

        theta = capabilities(
            "capability",
            location,
            loading=loading,
            weight=weight,
            response=response - logit_score(0.0, difficulty, *effects),
            dims=("model", "factor"),
        )

        eta = logit_score(theta @ loading.T, difficulty, *effects)
        scores(
            "score", logit=eta, curve=curve, precision=precision, items=items, cells=cells, dims=("model", "benchmark")
        )
    return model


def containers(spec: Spec, data: ModelData) -> dict[str, np.ndarray]:
    """All that depends on which scores are observed, by the names of the model's data containers."""
    return data.cells | coordinates(data, gauged(spec, data))


def gauged(spec: Spec, data: ModelData) -> bool:
    """Whether loadings are sampled one per rotation: where the priors allow rotations and the data have the rank."""
    return spec.rotation_invariant and len(data.coords["factor"]) <= len(data.coords["benchmark"])


# Loadings and slopes are sampled in units of the scatter of capabilities at one compute, between families and within.
# In the units of the spec, those of the residual sd, all of them move together with `family_sd`: the data tell of their
# products, logits between models. In units of the sd between families alone, slopes run away where that is small: 20 of
# 1,200 transitions diverged in a simulated world of 8 families with sd 0.7.


def _slope(spec: Spec, data: ModelData, unit: Any) -> Any:
    dims, prior = ("covariate", "factor"), spec.priors.slope
    if not gauged(spec, data):
        return prior.variable("slope", dims=dims)
    scaled = pm.Normal("slope_scaled", 0, prior.parameters["sigma"] / unit, dims=dims)
    return pm.Deterministic("slope", unit * scaled, dims=dims)


def _loading(spec: Spec, data: ModelData, cells: dict[str, Any], unit: Any) -> Any:
    """Loadings around what benchmarks have in common, or independent; one representative per rotation where allowed."""
    dims, priors, gauge = ("benchmark", "factor"), spec.priors, gauged(spec, data)
    if spec.common_loading:
        own = priors.own_loading_sd.variable("own_loading_sd")
        common = priors.common_loading_sd.variable("common_loading_sd")
    elif gauge:
        own, common = priors.loading.parameters["sigma"], 0.0
    else:
        return priors.loading.variable("loading", dims=dims)
    size = (len(data.coords["benchmark"]), len(data.coords["factor"]))
    frame = (cells["gauge_basis"], cells["gauge_complement"]) if gauge else None
    scaled = loadings("loading_scaled", unit * own, unit * common, size=size, frame=frame, dims=dims)
    return pm.Deterministic("loading", scaled / unit, dims=dims)


def _pooled(name: str, sd: Any, dims: tuple[str, ...]) -> Any:
    """Zero-mean normal effects with one pooled sd, non-centred: many of them are told little by their own data."""
    return pm.Deterministic(name, sd * pm.Normal(f"{name}_z", 0, 1, dims=dims), dims=dims)


def _covariates(spec: Spec, data: ModelData) -> Any:
    """Covariates (model, covariate) in centred log10 units; unknown and uncertain ones are latent."""
    mean, sd = covariate_prior(spec, data)
    x = pt.as_tensor(np.where(sd > 0, 0.0, mean))
    if (sd > 0).any():
        rows, columns = np.nonzero(sd > 0)
        names = [f"{data.coords['model'][m]} {spec.base_covariates[c]}" for m, c in zip(rows, columns, strict=True)]
        pm.modelcontext(None).add_coord("latent_cell", names)
        values = pm.Normal("latent_covariate", mean[rows, columns], sd[rows, columns], dims="latent_cell")
        x = x[rows, columns].set(values)
    values = pt.stack(design(x, spec.covariates), axis=1)
    return pm.Deterministic("covariate_value", values, dims=("model", "covariate"))


def _floor(spec: Spec, data: ModelData) -> Any:
    if not spec.floor.learned:
        return pm.Deterministic("floor", pt.as_tensor(data.floor), dims="benchmark")
    alpha, beta = spec.floor.shapes(data.floor)
    return pm.Beta("floor", alpha=alpha, beta=beta, dims="benchmark")
