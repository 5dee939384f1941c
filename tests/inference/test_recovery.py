"""Real fits: the truth of simulations is recovered, and conditioning a forecast is what a refit gives. Slow."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import arviz as az
import numpy as np
import pytest
import xarray as xr
from conftest import once
from scipy import stats
from simulate import Truth, simulate, simulation_spec

from bayescale.errors import ConvergenceWarning
from bayescale.evals import Evals, load_evals
from bayescale.forecast import Forecast
from bayescale.methods import Posterior, fit
from bayescale.model.spec import Spec, load_spec

pytestmark = pytest.mark.slow

PROB = 0.9
# Chance with which a calibrated package may fail one of the tests of coverage.
ALPHA = 0.002
BENCHMARKS = {
    "items": (2000, 500, np.inf, 300, 300, 1000),
    "floors": (0.25, 0.0, 0.0, 0.1, 0.1, 0.2),
    "testlets": ("", "", "", "pair", "pair", ""),
}
SIMULATIONS = [(1, 11), (2, 12), (2, 13)]


@dataclass(frozen=True)
class Recovered:
    """A simulation and the posterior that was fitted to its scores."""

    evals: Evals
    truth: Truth
    posterior: Posterior

    def draws(self, name: str) -> np.ndarray:
        values = self.posterior.idata["posterior"][name].to_numpy()
        return values.reshape(-1, *values.shape[2:])


@pytest.fixture(scope="session")
def recovered(tmp_path_factory: pytest.TempPathFactory) -> list[Recovered]:
    return once(tmp_path_factory, "recovered", lambda: [_recover(*simulation) for simulation in SIMULATIONS])


def _recover(factors: int, seed: int) -> Recovered:
    evals, truth = simulate(
        seed, factors=factors, families=8, models=40, unknown_compute=3, stated_error=4, **BENCHMARKS
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # At 0.8 one chain of twelve (three simulations, two seeds each) had 29 divergences; at 0.9 none had any.
        settings = {"draws": 600, "tune": 500, "chains": 2, "target_accept": 0.9, "progressbar": False}
        posterior = fit(simulation_spec(factors), evals, random_seed=seed, **settings)
    return Recovered(evals, truth, posterior)


def covered(draws: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Which true values lie in the equal-tailed intervals of their draws (first axis)."""
    lower, upper = np.quantile(draws, [(1 - PROB) / 2, (1 + PROB) / 2], axis=0)
    return (lower <= truth) & (truth <= upper)


def assert_calibrated(hits: np.ndarray, independent: int) -> None:
    """The share of hits lies where that of so many independent hits of a calibrated interval would."""
    lowest, highest = stats.binom.ppf([ALPHA / 2, 1 - ALPHA / 2], independent, PROB) / independent
    assert lowest <= np.mean(hits) <= highest, f"{np.mean(hits):.3f} not in [{lowest:.3f}, {highest:.3f}]"


def test_chains_agree(recovered: list[Recovered]) -> None:
    for simulation in recovered:
        assert simulation.posterior.convergence.rhat < 1.05
        assert simulation.posterior.convergence.divergences <= 8


def test_expected_scores_of_fitted_models_are_covered_and_close(recovered: list[Recovered]) -> None:
    """The scores of one model share its capabilities: as many independent hits as models."""
    hits, independent = [], 0
    for simulation in recovered:
        draws = simulation.posterior.expected_scores().to_numpy()
        draws = draws.reshape(-1, *draws.shape[2:])
        hits.append(covered(draws, simulation.truth.fitted).ravel())
        independent += len(simulation.evals.model_names)
        observed = ~np.isnan(simulation.evals.matrix().to_numpy())
        assert np.abs(np.median(draws, axis=0) - simulation.truth.fitted)[observed].mean() < 0.025
    assert_calibrated(np.concatenate(hits), independent)


def test_efficiency_of_families_is_covered_and_distinguished(recovered: list[Recovered]) -> None:
    """(alpha . beta) / (beta . beta), which no rotation changes, relative to the mean family."""
    hits, actual, true = [], [], []
    for simulation in recovered:
        slope, offset = simulation.draws("slope")[:, 0], simulation.draws("family_offset")
        efficiency = np.einsum("sfk,sk->sf", offset, slope) / np.square(slope).sum(-1, keepdims=True)
        assert simulation.posterior.idata["posterior"]["family"].to_numpy().tolist() == simulation.truth.families
        relative = efficiency - efficiency.mean(axis=1, keepdims=True)
        truth = simulation.truth.efficiency - simulation.truth.efficiency.mean()
        hits.append(covered(relative, truth))
        actual.append(np.median(relative, axis=0))
        true.append(truth)
    assert_calibrated(np.concatenate(hits), sum(map(len, hits)))
    assert np.corrcoef(np.concatenate(actual), np.concatenate(true))[0, 1] > 0.6


def test_response_of_benchmarks_to_compute_is_covered(recovered: list[Recovered]) -> None:
    """W_b . beta + d_b: logits per decade, shared slopes and the benchmark's own together."""
    hits, distance = [], []
    for simulation in recovered:
        slope = np.einsum("sbk,sk->sb", simulation.draws("loading"), simulation.draws("slope")[:, 0])
        whole = slope + simulation.draws("benchmark_slope")[..., 0]
        truth = simulation.truth.loading @ simulation.truth.slope + simulation.truth.benchmark_slope
        hits.append(covered(whole, truth))
        distance.append(np.abs(np.median(whole, axis=0) / truth - 1))
    # Benchmarks of one simulation share its slopes: between one and six independent hits each.
    assert_calibrated(np.concatenate(hits), 3 * len(recovered))
    assert np.median(np.concatenate(distance)) < 0.25


def test_forecasts_of_larger_unseen_models_hold_their_measured_scores(recovered: list[Recovered]) -> None:
    """Up to a decade beyond the largest; one benchmark of each model.

    Slopes and families are common to many models: counted as a third as many independent ones.
    """
    hits, widths, count = [], [], 48
    for simulation in recovered:
        rng = np.random.default_rng(99)
        truth, families = simulation.truth, np.arange(count) % 8
        x = np.nanmax(np.log10(simulation.evals.models["flops"])) - truth.centre + rng.uniform(0, 1, count)
        _, measured = truth.unseen(x, families, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            forecast = simulation.posterior.forecast(
                family=[truth.families[f] for f in families], flops=list(10 ** (x + truth.centre)), random_seed=0
            )
        draws = forecast.draws["predicted_score"].to_numpy()
        draws = draws.reshape(-1, *draws.shape[2:])
        benchmark = np.arange(count) // 8 % draws.shape[-1]
        rows = np.arange(count)
        hits.append(covered(draws, measured)[rows, benchmark])
        ends = np.quantile(draws, [0.05, 0.95], axis=0)
        widths.append((ends[1] - ends[0])[rows, benchmark])
    assert_calibrated(np.concatenate(hits), len(recovered) * count // 3)
    assert np.median(np.concatenate(widths)) < 0.6


# Real data

FLOPS = 5e23
MODEL, FAMILY = "meta-llama/Meta-Llama-3-70B", "Llama-3"
KNOWN = ("MMLU", "GSM8K")


@pytest.fixture(scope="session")
def left_out(tmp_path_factory: pytest.TempPathFactory) -> tuple[Posterior, Posterior, dict[str, float]]:
    """`default` on `base-llms`, fitted without the model's scores, and with the known ones; the known scores."""
    return once(tmp_path_factory, "left_out", _left_out)


def _left_out() -> tuple[Posterior, Posterior, dict[str, float]]:
    evals = load_evals("base-llms")
    scores = evals.matrix().sel(model=MODEL)
    known = {name: scores.sel(benchmark=name).item() for name in KNOWN}
    assert not any(np.isnan(list(known.values())))
    settings = {"draws": 2000, "chains": 4, "progressbar": False}
    without = evals.mask([(MODEL, b) for b in evals.benchmark_names])
    with_known = evals.mask([(MODEL, b) for b in evals.benchmark_names if b not in KNOWN])
    assert with_known.n_scores - without.n_scores == len(KNOWN)
    spec = load_spec("default")
    return fit(spec, without, random_seed=1, **settings), fit(spec, with_known, random_seed=2, **settings), known


def flat(draws: xr.DataArray) -> np.ndarray:
    """Draws (chain, draw, benchmark) of the one model."""
    return draws.isel(model=0).transpose("chain", "draw", "benchmark").to_numpy()


def quantiles(draws: np.ndarray, *at: float) -> np.ndarray:
    return np.quantile(draws, at, axis=(0, 1))


def test_given_scores_agree_with_a_refit_that_has_them(
    left_out: tuple[Posterior, Posterior, dict[str, float]],
) -> None:
    without, refitted, known = left_out
    compute = without.evals.models.set_index("model").loc[MODEL, "flops"]
    require_agreement(without, without.forecast(family=FAMILY, flops=compute, given=known, random_seed=0), refitted)


def test_surprising_scores_of_a_family_of_one_agree_with_a_refit() -> None:
    """A small world in which a second model of a family is two sds better than its first."""
    evals, _ = simulate(3, families=10, models=20, unknown_compute=0, stated_error=0, testlets=("",) * 5, missing=0.0)
    evals = evals.select(models=[name for name in evals.model_names if name != "Family-C-12"])
    spec, settings = Spec(factors=1, testlets=False), {"draws": 2000, "chains": 4, "progressbar": False}
    without = fit(spec, evals, random_seed=1, **settings)
    middle = without.forecast(family="Family-C", flops=FLOPS, random_seed=0).summary(prob=0.95, kind="expected")
    known = middle.set_index("benchmark")["upper"].round(3)[["bench-1", "bench-3"]].to_dict()
    forecast = without.forecast(family="Family-C", flops=FLOPS, given=known, random_seed=0)
    assert forecast.pareto_k < 0.7
    refitted = fit(spec, evals.add(MODEL, "Family-C", known, flops=FLOPS), random_seed=2, **settings)
    require_agreement(without, forecast, refitted)


def require_agreement(without: Posterior, forecast: Forecast, refitted: Posterior) -> None:
    """Medians within 0.01, interval ends within 0.02, or three Monte Carlo standard errors where those are larger."""
    ours, theirs = flat(forecast.draws["expected_score"]), flat(refitted.expected_scores([MODEL]))
    # Draws that carry weight, of the draws that the chains are worth.
    effective = forecast.effective_draws * min(1.0, without.convergence.ess_bulk / without.convergence.draws)
    assert effective > 200
    for at, least in ((0.5, 0.01), (0.05, 0.02), (0.95, 0.02)):
        below, exact, above = quantiles(ours, at - 0.025, at, at + 0.025)
        our_error = np.sqrt(at * (1 - at) / effective) * (above - below) / 0.05
        their_error = az.mcse(az.convert_to_dataset({"x": theirs}), method="quantile", prob=at)["x"].to_numpy()
        allowed = np.maximum(least, 3 * np.hypot(our_error, their_error))
        difference = exact - quantiles(theirs, at)[0]
        assert (np.abs(difference) <= allowed).all(), f"at {at}: {difference} beyond {allowed}"
        # The allowance for Monte Carlo error is the exception.
        assert np.median(allowed) <= 2 * least


def test_given_scores_make_a_difference_on_real_data(
    left_out: tuple[Posterior, Posterior, dict[str, float]],
) -> None:
    """Otherwise the agreement above would say nothing."""
    without, refitted, _ = left_out
    compute = without.evals.models.set_index("model").loc[MODEL, "flops"]
    alone = flat(without.forecast(family=FAMILY, flops=compute, random_seed=0).draws["expected_score"])
    refit = flat(refitted.expected_scores([MODEL]))
    widths = [np.diff(quantiles(draws, 0.05, 0.95), axis=0)[0] for draws in (refit, alone)]
    assert (widths[0] < widths[1]).all()
    assert np.median(widths[0] / widths[1]) < 0.9
