"""Pictures of the checks: what is drawn is what the numbers say."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from simulate import Truth, posterior_near, simulation_spec

from bayescale import Evals, Posterior
from bayescale.checks import PredictiveCheck, PriorPredictive
from bayescale.checks.pit import ecdf_difference, out_of_band, uniform_band
from bayescale.checks.prior_predictive import falling
from bayescale.errors import EvalsError, ForecastError
from bayescale.plots import plot_pit, plot_predictive_check, plot_prior_curves, plot_prior_predictive
from bayescale.plots.prior_predictive import CURVES
from bayescale.plots.style import COLOURS


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def check(posterior: Posterior) -> PredictiveCheck:
    return posterior.predictive_check(draws=200, random_seed=0)


@pytest.fixture(scope="module")
def scattered(simulation: tuple[Evals, Truth]) -> PredictiveCheck:
    """Of a posterior that is far off."""
    evals, truth = simulation
    wrong = {"difficulty": truth.difficulty + 5 * (-1) ** np.arange(5)}
    return posterior_near(evals, truth, simulation_spec(), chains=1, draws=100, spread=0.01, **wrong).predictive_check(
        random_seed=0
    )


def test_bands_and_curves_are_those_of_the_prior(prior: PriorPredictive) -> None:
    ax = plot_prior_curves(prior, "bench-2", prob=0.8)
    curves = prior.curves.sel(benchmark="bench-2").isel(chain=0).transpose("flops", "draw").to_numpy()
    for band, prob in zip(ax.collections[:2], (0.8, 0.5), strict=True):
        corners = band.get_paths()[0].vertices
        low, high = np.quantile(curves, [(1 - prob) / 2, (1 + prob) / 2], axis=1)
        for edge in (low, high):
            assert np.isin(np.round(edge, 9), np.round(corners[:, 1], 9)).all()
    drawn = [line for line in ax.lines if len(line.get_xdata())]
    assert len(drawn) == CURVES
    down = {tuple(curve) for curve in curves[:, :CURVES][:, falling(curves[:, :CURVES])].T}
    for line in drawn:
        assert same_color(line.get_color(), COLOURS[1 if tuple(line.get_ydata()) in down else 0])
    assert ax.get_xscale() == "log"
    assert "FLOP" in ax.get_xlabel()


def test_observed_scores_lie_on_the_prior_for_scale(prior: PriorPredictive, evals: Evals) -> None:
    ax = plot_prior_curves(prior, "bench-1")
    (points,) = (c.get_offsets() for c in ax.collections if isinstance(c, PathCollection))
    seen = evals.matrix().sel(benchmark="bench-1").to_numpy()[evals.models["flops"].notna()]
    np.testing.assert_allclose(np.sort(points[:, 1]), np.sort(seen[np.isfinite(seen)]))


def test_shares_of_curves_are_those_of_the_summary(prior: PriorPredictive) -> None:
    row = prior.summary().set_index("benchmark").loc["bench-3"]
    (text,) = (t.get_text() for t in plot_prior_curves(prior, "bench-3").texts)
    assert text == f"{row['falling']:.0%} fall · {row['flat']:.0%} flat · {row['saturated']:.0%} reach the ceiling"


def test_one_panel_a_benchmark(prior: PriorPredictive, check: PredictiveCheck) -> None:
    names = prior.evals.benchmark_names
    for figure in (prior.plot(), check.plot()):
        assert isinstance(figure, Figure)
        assert [ax.get_title(loc="left").strip() for ax in figure.axes] == names
        assert len(figure.legends) == 1
    some = ["bench-4", "bench-1"]
    for figure in (plot_prior_predictive(prior, some), plot_predictive_check(check, some)):
        assert [ax.get_title(loc="left").strip() for ax in figure.axes] == some


def test_axes_in_are_axes_out(prior: PriorPredictive, check: PredictiveCheck) -> None:
    _, ax = plt.subplots()
    assert plot_prior_curves(prior, "bench-1", ax=ax) is ax
    _, ax = plt.subplots()
    assert plot_pit(check, "bench-1", ax=ax) is ax


def test_the_line_is_the_difference_from_uniform(check: PredictiveCheck) -> None:
    ax = plot_pit(check, "bench-1")
    pit = check.cells["pit"][check.cells["benchmark"] == "bench-1"].to_numpy()
    points, lower, upper = uniform_band(len(pit), prob=check.band)
    line = next(x for x in ax.lines if len(x.get_xdata()) == len(points))
    np.testing.assert_array_equal(line.get_xdata(), points)
    np.testing.assert_array_equal(line.get_ydata(), ecdf_difference(pit, points))
    corners = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert np.isin(np.round([*lower, *upper], 9), np.round(corners, 9)).all()
    assert "all scores but the model's own" in " ".join(ax.get_xlabel().split())


def test_what_leaves_the_band_is_marked(scattered: PredictiveCheck) -> None:
    readings = scattered.summary().set_index("benchmark")["pit"]
    assert set(readings) <= {"too scattered", "too high", "too low"}
    for name, reading in readings.items():
        ax = plot_pit(scattered, str(name))
        pit = scattered.cells["pit"][scattered.cells["benchmark"] == name].to_numpy()
        (thick,) = (x for x in ax.lines if x.get_linewidth() > 4 and len(x.get_xdata()))
        np.testing.assert_array_equal(np.isfinite(thick.get_ydata()), out_of_band(pit, prob=scattered.band))
        assert same_color(thick.get_color(), COLOURS[1])
        assert ax.get_title(loc="right") == reading


def test_an_unknown_benchmark_is_answered_with_the_nearest(prior: PriorPredictive, check: PredictiveCheck) -> None:
    with pytest.raises(EvalsError, match="Did you mean 'bench-"):
        plot_prior_predictive(prior, ["bench-1", "bench-9"])
    with pytest.raises(ForecastError, match="Did you mean 'bench-"):
        plot_predictive_check(check, ["bench-9"])
    with pytest.raises(ForecastError, match=r"Did you mean 0\.9"):
        prior.plot(prob=90)
