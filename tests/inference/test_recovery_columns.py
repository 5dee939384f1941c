"""Real fits with columns as covariates: their slopes are recovered, as precisely as theory lets one expect. Slow."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from conftest import once
from scipy import stats
from simulate import simulate

from bayescale.errors import ConvergenceWarning
from bayescale.evals import Evals
from bayescale.methods import Posterior, fit
from bayescale.model.spec import Spec

pytestmark = pytest.mark.slow

# Residual sds a year, and of reasoning models.
TRUE = {"released": 0.6, "reasoning": 1.2}
SEEDS = (31, 32)
MODELS = 40


class Recovered(NamedTuple):
    """A posterior, and the true loadings (benchmark,)."""

    posterior: Posterior
    loading: np.ndarray

    def slope(self, covariate: str) -> np.ndarray:
        """Draws of the slope on the one capability, upright."""
        draws = self.posterior.draws
        sign = np.sign(draws.loading[..., 0].mean(axis=1))
        return sign * draws.slope[:, draws.data.place(covariate), 0]


@pytest.fixture(scope="session")
def recovered(tmp_path_factory: pytest.TempPathFactory) -> list[Recovered]:
    return once(tmp_path_factory, "recovered_columns", lambda: [_recover(seed) for seed in SEEDS])


def _recover(seed: int) -> Recovered:
    rng = np.random.default_rng(seed)
    form = {"benchmark_slope_sd": 0.0, "family_benchmark_sd": 0.0, "unknown_compute": 0, "stated_error": 0}
    evals, truth = simulate(seed, families=8, models=MODELS, **form)
    days, reasoning = rng.integers(0, 1000, MODELS), rng.random(MODELS) < 0.4
    moved = TRUE["released"] * days / 365.25 + TRUE["reasoning"] * reasoning
    truth = replace(truth, capability=truth.capability + (moved - moved.mean())[:, None])
    scores = truth.measured(truth.fitted, rng)
    places = (evals.scores[name].map({n: i for i, n in enumerate(names)}) for name, names in
              (("model", evals.model_names), ("benchmark", evals.benchmark_names)))  # fmt: skip
    dates = (np.datetime64("2022-06-01") + days).astype(str)
    dates[:2] = ""  # unknown
    models = evals.models.assign(released=dates, reasoning=reasoning)
    evals = Evals(models, evals.benchmarks, evals.scores.assign(score=scores[tuple(places)]))
    spec = Spec(
        factors=1,
        curve="sigmoid",
        covariates=["log10_flops", "released", "reasoning"],
        priors={"latent_covariate[released]": "Normal(0, 0.8)"},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        posterior = fit(spec, evals, draws=500, tune=500, chains=2, random_seed=seed, progressbar=False)
    return Recovered(posterior, truth.loading[:, 0])


def test_chains_agree(recovered: list[Recovered]) -> None:
    for simulation in recovered:
        assert simulation.posterior.convergence.rhat < 1.05
        assert simulation.posterior.convergence.divergences <= 5


@pytest.mark.parametrize("covariate", list(TRUE))
def test_slopes_are_covered_and_as_precise_as_theory_says(recovered: list[Recovered], covariate: str) -> None:
    """With residual capabilities of sd 1 seen without error a slope has the sd of a regression within families.

    Scores of few items and unknown scales of loadings make it larger, the prior of family offsets smaller.
    """
    for simulation in recovered:
        draws, data = simulation.slope(covariate), simulation.posterior.draws.data
        x = np.nan_to_num(data.covariates)
        families = np.eye(len(data.coords["family"]))[data.family_index]
        within = np.linalg.inv(x.T @ x)[np.ix_([data.column(covariate)], [data.column(covariate)])].item()
        between = np.linalg.pinv(np.hstack([x, families]).T @ np.hstack([x, families]))
        least, most = np.sqrt(within), np.sqrt(between[data.column(covariate), data.column(covariate)])
        assert 0.7 * least < draws.std() < 2 * most
        # Four sds: a chance of 1 in 16,000 for each of the four slopes.
        assert abs(draws.mean() - TRUE[covariate]) < stats.norm.isf(3e-5) * draws.std()


@pytest.mark.filterwarnings("ignore::bayescale.errors.ConvergenceWarning")
def test_effects_are_covered_in_logits_and_compute(recovered: list[Recovered]) -> None:
    """Ends of intervals that miss the truth with a chance of 1 in 1,000 each."""
    for simulation in recovered:
        table = simulation.posterior.effect("reasoning").summary(prob=0.998)
        overall = table[table["benchmark"] == "all benchmarks"].set_index("measure")
        logits = TRUE["reasoning"] * simulation.loading.mean()
        assert overall["lower"]["logits"] < logits < overall["upper"]["logits"]
        log10_compute = TRUE["reasoning"] / 1.2  # 1.2 residual sds a decade
        assert overall["lower"]["log10_compute"] < log10_compute < overall["upper"]["log10_compute"]


def test_unknown_dates_are_drawn_where_the_scores_put_them(recovered: list[Recovered]) -> None:
    for simulation in recovered:
        draws = simulation.posterior.draws
        latent = draws.covariate[:, :2, draws.data.place("released")]
        assert (latent.std(axis=0) < 0.9).all()
        assert (latent.std(axis=0) > 0.3).all()
