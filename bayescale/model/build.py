"""The generative story, top to bottom: from training compute to scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayescale.evals import load_evals
from bayescale.model.compute import expected_compute
from bayescale.model.coordinates.measured import MeasurementEffects, pick
from bayescale.model.coordinates.parameterization import PlainCoordinates
from bayescale.model.curve import Curve, logit_score
from bayescale.model.data import ModelData, covariate_prior, design, unknown_cells
from bayescale.model.priors import Priors
from bayescale.model.spec import Spec, load_spec

if TYPE_CHECKING:
    from bayescale.evals import Evals


def build_model(spec: Spec | str = "default", evals: Evals | str = "base-llms") -> pm.Model:
    """Build the PyMC model of `spec` for the scores in `evals`.

    With m a model of family f, b a benchmark in testlet g, k a factor and x the centred covariates::

        loading      W_bk     = c_k + w_bk     c_k ~ Normal(0, common sd), w_bk ~ Normal(0, own sd), both sds learned
        capability   theta_mk ~ Normal(x_m' beta_k + alpha_fk, 1)                     alpha_fk ~ Normal(0, tau)
                     with a drift over dates beside them (`bayescale.model.drift`), if the spec has one
        logit        eta_mb   = sum_k W_bk theta_mk - difficulty_b + d_b' x_m + u_mg + v_fb
        ceiling      ceiling_b = floor_b + (stated_b - floor_b) exp(-gap_b)         gap_b ~ prior
        mean score   mu_mb    = floor_b + (ceiling_b - floor_b) curve(eta_mb; shape_b)
        observed     n_b y_mb ~ BetaBinomial(n_b, mu_mb phi_mb, (1 - mu_mb) phi_mb)
        setting      eta_mb + h_bj      in a setting j other than the headline one       h_bj ~ Normal(0, setting sd)
        precision    phi_mb   = phi_b / (1 + (phi_b + 1) psi_b^2 mu'_mb^2 / (mu_mb (1 - mu_mb)))

    The curve (`bayescale.model.curve.expected_score`) is Richards' with a shape for each benchmark, or a sigmoid. mu'
    is its slope, and psi_b the sd of the benchmark's own noise on the logit (`bayescale.model.curve.score_precision`);
    `bayescale.model.noise` has the priors of phi_b and psi_b.
    Slopes beta are such that the average benchmark rises with compute (`bayescale.model.rising`). Without
    `Spec.common_loading` the W_bk are independent under the prior `loading`. d, u and v are zero-mean normal with
    learned sds. How the sampler sees these variables is in `bayescale.model.coordinates.parameterization`; it changes
    no distribution. All that depends on the observed scores is in data containers: other scores of the same models and
    benchmarks need no new compilation. With `Spec.repeated_measurements` all measurements of a model on a benchmark are
    observed; those of one cell share the noise psi_b as a variable (`bayescale.model.measurements`).

    Parameters
    ----------
    spec, evals : optional
        As in `bayescale.fit`, by name too.

    Returns
    -------
    pymc.Model
        Variables with their dims: ``slope`` (covariate, factor), ``family_offset`` (family, factor), ``loading``
        (benchmark, factor), ``difficulty``, ``floor``, ``ceiling``, ``ceiling_gap``, ``curve_shape``,
        ``log_precision``, ``specific_sd``, ``noise_sd``, ``item_share`` (benchmark), ``benchmark_slope`` (benchmark,
        covariate), ``family_benchmark`` (family, benchmark), ``testlet_effect`` (model, testlet), ``setting_effect``
        (setting), ``specific_effect`` (repeated_cell), ``capability`` (model, factor), ``covariate_value`` (model,
        covariate), ``drift`` (drift_step, factor), ``compute_slope`` (compute_predictor), ``maker_compute``
        (organization); and the sds
        ``own_loading_sd``, ``common_loading_sd``, ``family_sd``, ``benchmark_slope_sd``, ``family_benchmark_sd``,
        ``testlet_sd``, ``setting_sd``, ``drift_sd``, ``compute_sd``, ``vague_compute_sd``, ``maker_compute_sd``. What
        the spec switches off is missing, but for ``floor``. Variables
        ``*_z`` are coordinates of the sampler, which a posterior does not keep.

    Raises
    ------
    EvalsError
        When there is nothing to fit, or no model has a value for a covariate.

    Examples
    --------
    >>> import bayescale as bs
    >>> model = bs.build_model("one_factor")
    >>> model.named_vars_to_dims["loading"]
    ('benchmark', 'factor')
    """
    return generative_model(PlainCoordinates.of(load_spec(spec), load_evals(evals)))


def generative_model(at: PlainCoordinates) -> pm.Model:
    """State the model in the order of the equations of `build_model`, each variable in the coordinates `at`."""
    spec, data, priors = at.spec, at.data, at.spec.priors
    family, testlet, factors = data.family_index, data.testlet_index, len(data.coords["factor"])
    with pm.Model(coords=data.coords, check_bounds=False) as model:
        cells = _containers(at.arrays)

        # x_m: known, or latent with the error of its measurement
        x, steps = _covariates(spec, data, at)

        # floor_b, ceiling_b and shape_b
        floor, shape = at.floor_and_shape()
        curve = Curve(floor, _ceiling(spec, data, floor), shape)

        # W_bk = c_k + w_bk
        family_sd = priors.family_sd.variable("family_sd") if spec.family_offsets else 0.0
        if spec.common_loading:
            own_sd = spec.prior("own_loading_sd", factors).variable("own_loading_sd")
            common_sd = spec.prior("common_loading_sd", factors).variable("common_loading_sd")
            loading = at.common_loadings("loading", own_sd, common_sd, family_sd)
        else:
            loading = at.loadings("loading", spec.prior("loading", factors), family_sd)

        # d_b' x_m + u_mg + v_fb
        effects: list[Any] = []
        if spec.benchmark_slopes:
            sd = priors.benchmark_slope_sd.variable("benchmark_slope_sd")
            effects.append(x @ at.zero_mean("benchmark_slope", sd, ("benchmark", "covariate")).T)
        if data.coords["testlet"]:
            sd = priors.testlet_sd.variable("testlet_sd")
            effects.append(_spread(at.zero_mean("testlet_effect", sd, ("model", "testlet")), testlet))
        if spec.family_benchmark:
            sd = priors.family_benchmark_sd.variable("family_benchmark_sd")
            effects.append(at.zero_mean("family_benchmark", sd, ("family", "benchmark"))[family])

        # phi_b and psi_b
        noise = at.noise()

        # h_bj + e_mb
        measured = _measured(data, priors, noise.specific_sd, at)

        # theta_mk ~ Normal(x_m' beta_k + alpha_fk + drift, 1)
        drift = None
        if spec.drift:
            drift = steps @ at.zero_mean("drift", priors.drift_sd.variable("drift_sd"), ("drift_step", "factor"))
        offset_sd = family_sd if spec.family_offsets else None
        level = at.levels(x, loading, effects, offset_sd, drift, curve, noise, measured)

        # eta_mb = sum_k W_bk theta_mk - difficulty_b + d_b' x_m + u_mg + v_fb
        eta = logit_score(level.capability @ loading.T, level.difficulty, *effects)

        # mu_mb = floor_b + (ceiling_b - floor_b) curve(eta_mb; shape_b)
        # n_b y_mb ~ BetaBinomial(n_b, mu_mb phi_b, (1 - mu_mb) phi_b)
        if measured is not None:
            measured.observe_repeated(at, eta, curve, noise)
            eta = eta + measured.single
            cells |= {name: cells[name] * measured.data.single for name in ("observed", "log_choose")}
        at.scores("score", eta, curve, noise, cells)
    return model


def _containers(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Make data containers of fixed shapes: without checks of shapes there is less to compile and to run."""
    return {name: pm.Data(name, values, shape=values.shape) for name, values in arrays.items()}


def _spread(effect: Any, testlet: np.ndarray) -> Any:
    """Spread testlet effects (model, testlet) over benchmarks; zero for a benchmark that is alone (-1)."""
    alone = pt.zeros((effect.shape[0], 1))
    return pt.concatenate([effect, alone], axis=1)[:, testlet]


def _covariates(spec: Spec, data: ModelData, at: PlainCoordinates) -> tuple[Any, Any]:
    """Make covariates (model, covariate), centred and scaled, and the steps of a drift (model, step).

    Unknown and uncertain covariates are latent.
    """
    prior_mean, prior_sd = covariate_prior(spec, data)
    x = pt.as_tensor(np.where(prior_sd > 0, 0.0, prior_mean))
    rows, columns = unknown_cells(data)
    mean, sd = prior_mean[rows, columns], prior_sd[rows, columns]
    if data.predictors is not None:
        mean, sd = _predicted_compute(data, *expected_compute(spec, data.predictors, at), mean, sd)
    if len(rows):
        names = [f"{data.coords['model'][m]} {spec.base_covariates[c]}" for m, c in zip(rows, columns, strict=True)]
        pm.modelcontext(None).add_coord("latent_cell", names)
        values = at.unknown_covariates("latent_covariate", mean, sd, "latent_cell")
        x = x[rows, columns].set(values)
    terms, count = design(x, data.terms), len(spec.covariates)
    covariates = pm.Deterministic("covariate_value", pt.stack(terms[:count], axis=1), dims=("model", "covariate"))
    return covariates, pt.stack(terms[count:], axis=1) if spec.drift else None


def _predicted_compute(data: ModelData, mean: Any, sd: Any, others_mean: Any, others_sd: Any) -> tuple[Any, Any]:
    """Observe disclosed compute; return means and sds of the latent cells, those of compute as it is predicted.

    Of compute that is stated with an error, what is latent is drawn given both; the statement is observed.
    """
    place = data.column("log10_flops")
    stated, error = data.covariates[:, place], data.covariate_sd[:, place]
    known = np.flatnonzero(np.isfinite(stated))
    spread = pt.sqrt(sd[known] ** 2 + error[known] ** 2)
    pm.Normal("disclosed_compute", mean[known], spread, observed=stated[known])
    weight = np.where(np.isfinite(error) & (error > 0), 1 / np.where(error > 0, error, 1.0) ** 2, 0.0)
    precision = 1 / sd**2 + weight
    mean, sd = (mean / sd**2 + weight * np.nan_to_num(stated)) / precision, 1 / pt.sqrt(precision)
    rows, columns = unknown_cells(data)
    here = columns == place
    return pt.switch(here, mean[rows], others_mean), pt.switch(here, sd[rows], others_sd)


def _ceiling(spec: Spec, data: ModelData, floor: Any) -> Any:
    """Make the ceiling (benchmark,): the stated one, or a learned gap below it."""
    if not spec.learned_ceilings:
        return data.ceiling
    gap = spec.priors.ceiling_gap.variable("ceiling_gap", dims="benchmark")
    return pm.Deterministic("ceiling", floor + (data.ceiling - floor) * pt.exp(-gap), dims="benchmark")


def _measured(data: ModelData, priors: Priors, specific_sd: Any, at: PlainCoordinates) -> MeasurementEffects | None:
    """Make effects of settings, and the noise of a benchmark's own of each cell with several measurements."""
    how = data.measurements
    if how is None:
        return None
    setting = pt.zeros(1)
    if how.setting:
        effect = at.zero_mean("setting_effect", priors.setting_sd.variable("setting_sd"), ("setting",))
        setting = pt.concatenate([effect, pt.zeros(1)])  # -1 finds no effect

    repeated: Any = None
    if (rows := how.repeated) is not None:
        repeated = pick(setting, rows.setting)
        if at.spec.uniqueness:
            sd = specific_sd[rows.cell[:, 1].copy()]
            repeated = repeated + pick(at.zero_mean("specific_effect", sd, ("repeated_cell",)), rows.of)
    return MeasurementEffects(how, pick(setting, how.of_cell), repeated)
