"""The posterior is that of a plain model: PyMC's own distributions, no coordinates, no kernels, NUTS as it comes."""

from __future__ import annotations

import warnings
from typing import Any

import arviz as az
import numpy as np
import nutpie
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from pymc.model.transform.conditioning import remove_value_transforms
from scipy import stats
from simulate import rise, simulate

from bayescale.errors import ConvergenceWarning
from bayescale.evals import Evals
from bayescale.forecast import NEW_FAMILY
from bayescale.methods import fit
from bayescale.model import build_model
from bayescale.model.spec import load_spec

FACTORS = 2
SPEC = load_spec("default").replace(factors=FACTORS)
# Decades beyond the mean of known compute at which new models are forecast.
AHEAD = 2.5
PER_BENCHMARK = ("difficulty", "floor", "noise_sd", "item_share", "curve_shape")
SCALES = ("family_sd", "own_loading_sd", "common_loading_sd", "testlet_sd")


@pytest.fixture(scope="module")
def evals() -> Evals:
    """Every kind of covariate and benchmark: exact, uncertain and unknown compute, a testlet, scores without items."""
    return simulate(
        5,
        families=3,
        models=12,
        factors=FACTORS,
        items=(2000, 500, np.inf, 300, 300, 1000),
        floors=(0.25, 0.0, 0.0, 0.1, 0.1, 0.2),
        testlets=("", "", "", "pair", "pair", ""),
        unknown_compute=1,
        stated_error=1,
    )[0]


def plain_model(evals: Evals) -> pm.Model:
    """The equations and priors of `default`, from its pages; families and testlets are non-centred."""
    models, benchmarks = evals.models, evals.benchmarks.set_index("benchmark")
    family, x = models["family"].map(evals.families.index).to_numpy(), np.log10(models["flops"].to_numpy())
    x, error = x - np.nanmean(x), models["flops_log10_sd"].to_numpy()
    latent, stated = np.flatnonzero(np.isnan(x) | (error > 0)), np.flatnonzero(error > 0)
    level, items = benchmarks["floor"].to_numpy(), benchmarks["items"].fillna(10_000).to_numpy()
    weight, mean = np.where(level > 0, 100, 60), np.where(level > 0, level, 0.015)
    m = evals.scores["model"].map(evals.model_names.index).to_numpy()
    b = evals.scores["benchmark"].map(evals.benchmark_names.index).to_numpy()
    size, paired = len(benchmarks), (benchmarks["testlet"] == "pair").to_numpy(float)
    with pm.Model() as model:
        unknown = pm.Normal("latent_covariate", 0, 1.5, shape=len(latent))
        covariate = pt.set_subtensor(pt.as_tensor(np.nan_to_num(x))[latent], unknown)
        pm.Normal("stated", covariate[stated], error[stated], observed=x[stated])
        tau, pair_sd = pm.HalfNormal("family_sd", 3), pm.HalfNormal("testlet_sd", 0.5)
        own, common = (pm.HalfNormal(f"{name}_loading_sd", 0.5 / np.sqrt(FACTORS)) for name in ("own", "common"))
        covariance = own**2 * np.eye(size) + common**2 * np.ones((size, size))
        loading = pm.MvNormal("loading_by_factor", np.zeros(size), covariance, shape=(FACTORS, size)).T
        slope = pm.Normal("slope", 0, 2, shape=(1, FACTORS))
        pm.Potential("rising", pm.math.log(2 * pm.math.sigmoid(10 * (loading @ slope[0]).mean())))
        offset = tau * pm.Normal("family_z", shape=(len(evals.families), FACTORS))
        capability = pm.Normal("capability", covariate[:, None] * slope + offset[family], 1)
        testlet = pair_sd * pm.Normal("testlet_z", shape=(len(models), 1))
        difficulty = pm.Normal("difficulty", 0, 1.5, shape=size)
        floor = pm.Beta("floor", mean * weight, (1 - mean) * weight, shape=size)
        shape = pm.Exponential("curve_shape", 4, shape=size)
        noise, by_items = pm.LogNormal("noise_sd", -1.6, 0.7, shape=size), pm.Beta("item_share", 1, 1, shape=size)
        phi, psi = 4 / (by_items * noise**2), noise * pt.sqrt(1 - by_items)
        # Richards' curve, half-way up at a logit of zero with slope 1/4.
        half = -np.log(2) * shape
        steep = 0.5 * shape / -pt.expm1(half)
        z = half - pt.log(-pt.expm1(half)) + steep * (capability @ loading.T - difficulty + testlet * paired)
        share = pt.minimum(pt.exp(-pt.softplus(-z) / shape), 1 - 1e-12)
        mu = floor + (1 - floor) * share
        rises = (1 - floor) * share * pt.sigmoid(-z) * steep / shape
        phi = phi / (1 + (phi + 1) * psi**2 * rises**2 / (mu * (1 - mu)))
        hits = np.rint(evals.scores["score"] * items[b])
        pm.BetaBinomial("hits", (mu * phi)[m, b], ((1 - mu) * phi)[m, b], n=items[b].astype(int), observed=hits)
        pm.Deterministic("expected_score", mu)
        pm.Deterministic("loading", loading)
        pm.Deterministic("family_offset", offset)
        pm.Deterministic("covariate_value", covariate)
    return model


def density(model: pm.Model) -> Any:
    model = remove_value_transforms(model)
    mode = pytensor.compile.mode.Mode(linker="py", optimizer=None)
    at = pytensor.function(model.value_vars, model.logp(), mode=mode)
    return lambda values: float(at(*(values[v.name] for v in model.value_vars)))


@pytest.mark.heavy
def test_the_densities_differ_by_a_constant(evals: Evals) -> None:
    """The one: what is known before sampling, of the scores and of compute that is stated with an error."""
    plain, ours = density(plain_model(evals)), density(build_model(SPEC, evals))
    models, benchmarks, families = len(evals.model_names), len(evals.benchmark_names), len(evals.families)
    differences = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        values = {name: rng.gamma(4, 0.1) for name in SCALES}
        values |= {name: rng.normal(size=benchmarks) for name in PER_BENCHMARK}
        values |= {name: np.exp(0.3 * values[name] - 1) for name in ("floor", "curve_shape", "noise_sd")}
        values["item_share"] = rng.uniform(0.02, 0.98, benchmarks)
        values |= {"latent_covariate": rng.normal(size=2), "slope": rng.normal(size=(1, FACTORS))}
        values |= {"capability": rng.normal(size=(models, FACTORS)), "loading": rng.normal(size=(benchmarks, FACTORS))}
        z = {"family_z": rng.normal(size=(families, FACTORS)), "testlet_z": rng.normal(size=(models, 1))}
        scaled = {
            "family_offset": z["family_z"] * values["family_sd"],
            "testlet_effect": z["testlet_z"] * values["testlet_sd"],
        }
        volume = z["family_z"].size * np.log(values["family_sd"]) + models * np.log(values["testlet_sd"])
        there = plain(values | z | {"loading_by_factor": values["loading"].T})
        differences.append(there - volume - ours(values | scaled))
    np.testing.assert_allclose(differences, differences[0], atol=1e-9 * abs(there))


def new_models(draws: xr.Dataset, family: int | None) -> np.ndarray:
    """Draw expected scores (chain, draw, benchmark) of a model `AHEAD`, of a known family or a new one."""
    rng = np.random.default_rng(1)
    values = {str(name): v.to_numpy() for name, v in draws.items()}
    offset = values["family_sd"][..., None] * rng.normal(size=(*values["family_sd"].shape, FACTORS))
    if family is not None:
        offset = values["family_offset"][:, :, family]
    capability = AHEAD * values["slope"][:, :, 0] + offset + rng.normal(size=offset.shape)
    logit = np.einsum("cdbk,cdk->cdb", values["loading"], capability) - values["difficulty"]
    logit[..., 3:5] += (values["testlet_sd"] * rng.normal(size=values["testlet_sd"].shape))[..., None]
    share = rise(logit, values["curve_shape"])
    return values["floor"] + (1 - values["floor"]) * share


def identified(draws: xr.Dataset) -> dict[str, np.ndarray]:
    """All that no rotation of the factors changes and both models name alike, (chain, draw, ...)."""
    values = {name: draws[name].to_numpy() for name in (*PER_BENCHMARK, *SCALES)}
    loading, slope = draws["loading"].to_numpy(), draws["slope"].to_numpy()
    values["slopes in logits"] = np.einsum("cdbk,cdxk->cdb", loading, slope)
    values["offsets in logits"] = np.einsum("cdbk,cdfk->cdfb", loading, draws["family_offset"].to_numpy())
    return values


@pytest.mark.slow
def test_means_and_variances_are_those_of_the_plain_posterior(evals: Evals) -> None:
    """All identified quantities, within Monte Carlo error; those of one model or benchmark hang together."""
    settings: dict[str, Any] = {"draws": 1000, "chains": 4, "progress_bar": False, "seed": 1}
    program = nutpie.compile_pymc_model(plain_model(evals))
    plain = nutpie.sample(program, tune=1000, target_accept=0.95, **settings)["posterior"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        posterior = fit(SPEC, evals, draws=1000, target_accept=0.95, random_seed=2, progressbar=False)
        flops = 10 ** (np.log10(evals.models["flops"]).mean() + AHEAD)
        ahead = [posterior.forecast(family=f, flops=flops, random_seed=3) for f in ("Family-A", NEW_FAMILY)]
    here = posterior.idata["posterior"]
    models = evals.models
    latent = (models["flops"].isna() | (models["flops_log10_sd"] > 0)).to_numpy()
    theirs = identified(plain) | {
        "expected scores": plain["expected_score"].to_numpy(),
        "compute": plain["covariate_value"].to_numpy()[:, :, latent],
        "known family": new_models(plain, 0),
        "new family": new_models(plain, None),
    }
    ours = identified(here) | {
        "expected scores": posterior.expected_scores().transpose("chain", "draw", "model", "benchmark").to_numpy(),
        "compute": here["covariate_value"].to_numpy()[:, :, latent, 0],
        "known family": ahead[0].draws["expected_score"].to_numpy()[:, :, 0],
        "new family": ahead[1].draws["expected_score"].to_numpy()[:, :, 0],
    }
    off = {name: np.concatenate(distances(theirs[name], ours[name])) for name in ours}
    for name, z in off.items():
        print(f"{name:20s} {z.size:4d} largest {np.abs(z).max():.2f} beyond two {np.mean(np.abs(z) > 2):.3f}")
    every = np.concatenate(list(off.values()))
    assert np.abs(every).max() < 4.5
    # As many independent ones as models, benchmarks, families and scales.
    independent = 12 + 6 + 3 + 4
    assert np.mean(np.abs(every) > 2) <= stats.binom.ppf(0.999, independent, 2 * stats.norm.sf(2)) / independent


def distances(theirs: np.ndarray, ours: np.ndarray) -> list[np.ndarray]:
    """Differences of means and of variances, in units of their Monte Carlo standard errors together."""

    def mean(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        error = az.mcse(xr.Dataset({"v": (("chain", "draw", "quantity"), values)}), method="mean")["v"].to_numpy()
        return values.mean(axis=(0, 1)), error

    flat = [values.reshape((*values.shape[:2], -1)) for values in (theirs, ours)]
    squares = [(values - values.mean(axis=(0, 1))) ** 2 for values in flat]
    pairs = [[mean(values) for values in both] for both in (flat, squares)]
    return [(a - b) / np.hypot(error_a, error_b) for (a, error_a), (b, error_b) in pairs]
