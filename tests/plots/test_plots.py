"""Pictures: what is drawn is what the numbers say."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from simulate import Truth, posterior_near

from bayescale.errors import ConvergenceWarning, ForecastError
from bayescale.evals import Evals
from bayescale.forecast import NEW_FAMILY, Forecast
from bayescale.methods import Posterior
from bayescale.model.spec import Spec
from bayescale.plots import plot_evals, plot_fan, plot_forecast, plot_intervals


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def forecast(posterior: Posterior) -> Forecast:
    return posterior.forecast(family=["Family-A", NEW_FAMILY], flops=[1e25, 4e25], random_seed=0)


def points(ax: plt.Axes) -> np.ndarray:
    """All points that are drawn as dots, (x, y)."""
    actual = [c.get_offsets() for c in ax.collections if isinstance(c, PathCollection)]
    return np.vstack([np.asarray(f) for f in actual if len(f)])


def test_a_fan_marks_the_forecasts_with_their_summary(forecast: Forecast) -> None:
    ax = forecast.plot_fan("bench-1", prob=0.8)
    table = forecast.to_pandas(prob=0.8).set_index(["family", "benchmark"])
    assert len(ax.containers) == 2
    for container, (family, flops) in zip(ax.containers, [("Family-A", 1e25), (NEW_FAMILY, 4e25)], strict=True):
        row = table.loc[(family, "bench-1")]
        marker, _, (bar,) = container.lines
        assert marker.get_xdata().tolist() == [flops]
        assert marker.get_ydata()[0] == pytest.approx(row["median"])
        (segment,) = bar.get_segments()
        np.testing.assert_allclose(np.sort(segment[:, 1]), [row["lower"], row["upper"]])


def test_a_fan_names_models_of_like_compute_and_those_that_the_fit_did_not_see(forecast: Forecast) -> None:
    fitted = forecast.posterior.evals
    evals = fitted.add("lab/Far-1B", "Family-A", {"bench-1": 0.3}, flops=1e22)
    evals = evals.add("lab/Near-9B", "Family-A", {"bench-1": 0.7}, flops=2e25)
    ax = forecast.plot_fan("bench-1", observed=evals)
    assert {"Far-1B", "Near-9B"} <= {text.get_text() for text in ax.texts}
    stars = [c for c in ax.collections if isinstance(c, PathCollection) and c.get_sizes().tolist() == [130]]
    assert sorted(c.get_offsets().tolist() for c in stars) == [[[1e22, 0.3]], [[2e25, 0.7]]]
    assert [text.get_text() for text in ax.get_legend().get_texts()].count("not in the fit") == 1
    scored = fitted.matrix().sel(benchmark="bench-1").notnull().to_numpy()
    near = scored & fitted.models["flops"].between(1e25 / 3, 4e25 * 3).to_numpy()
    assert len(forecast.plot_fan("bench-1").texts) == min(near.sum(), 3)


def test_a_fan_shows_every_observed_score_of_known_compute(forecast: Forecast) -> None:
    ax = forecast.plot_fan("bench-2")
    evals = forecast.posterior.evals
    scores = evals.matrix().sel(benchmark="bench-2").to_numpy()
    flops = evals.models["flops"].to_numpy()
    seen = ~np.isnan(scores) & ~np.isnan(flops)
    drawn = np.unique(points(ax), axis=0)  # models of like compute as the forecast are drawn again, on top
    assert len(drawn) == seen.sum()
    np.testing.assert_allclose(np.sort(drawn[:, 1]), np.sort(scores[seen]))
    assert ax.get_xscale() == "log"
    low, high = ax.get_ylim()
    assert low <= 0
    assert 1 <= high < 1.1
    assert ax.get_xlim()[1] >= 4e25
    assert ax.get_title(loc="left").startswith("bench-2")
    assert "FLOP" in ax.get_xlabel()


def test_the_band_of_a_fan_is_the_familys_forecast(posterior: Posterior) -> None:
    forecast = posterior.forecast(family="Family-B", flops=1e25, random_seed=0)
    ax = forecast.plot_fan("bench-1")
    (line,) = [artist for artist in ax.lines if artist.get_label() == "Family-B"]
    # Beyond the data a dashed line of the same width goes on where it ends.
    (beyond,) = [a for a in ax.lines if a.get_linestyle() == "--" and a.get_linewidth() == line.get_linewidth()]
    assert beyond.get_xdata()[0] == line.get_xdata()[-1] <= posterior.evals.models["flops"].max()
    x, y = (np.concatenate([a[:-1], b]) for a, b in zip(line.get_data(), beyond.get_data(), strict=True))
    again = posterior.forecast(family="Family-B", flops=list(x), random_seed=0).summary()
    np.testing.assert_allclose(y, again.loc[again["benchmark"] == "bench-1", "median"])
    assert x.min() < 1e25 < x.max()
    assert y[-1] > y[0]


@pytest.mark.heavy
def test_pictures_say_which_interval_they_show(forecast: Forecast) -> None:
    ax = forecast.plot_fan("bench-1", prob=0.8)
    assert "80% equal-tailed credible interval" in ax.get_xlabel()
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert {"Family-A", NEW_FAMILY} <= set(labels)
    assert "80% equal-tailed" in forecast.plot_intervals(prob=0.8).get_xlabel()
    figure = forecast.plot(prob=0.8)
    assert "80% equal-tailed" in figure.get_supxlabel()


def test_axes_in_are_axes_out(forecast: Forecast) -> None:
    _, ax = plt.subplots()
    assert forecast.plot_fan("bench-1", ax=ax) is ax
    _, ax = plt.subplots()
    assert forecast.plot_intervals(ax=ax) is ax


@pytest.mark.heavy
def test_the_whole_picture_has_one_panel_per_benchmark(forecast: Forecast) -> None:
    figure = forecast.plot()
    assert isinstance(figure, Figure)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == forecast.posterior.evals.benchmark_names
    chosen = plot_forecast(forecast, benchmarks=["bench-4", "bench-1"])
    assert [ax.get_title(loc="left") for ax in chosen.axes] == ["bench-4", "bench-1"]
    assert len(chosen.legends) == 1


def test_intervals_are_those_of_the_summary_and_known_scores_are_marked(posterior: Posterior) -> None:
    forecast = posterior.forecast(family="Family-A", flops=1e24, given={"bench-1": 0.8}, random_seed=0)
    ax = forecast.plot_intervals()
    wide, core = (c for c in ax.collections if isinstance(c, LineCollection))
    for lines, prob in ((wide, 0.9), (core, 0.5)):
        ends = np.array([segment[:, 0] for segment in lines.get_segments()])
        np.testing.assert_allclose(ends, forecast.summary(prob=prob)[["lower", "upper"]])
    medians = next(line for line in ax.lines if line.get_label() == "Family-A, 1e+24 FLOP")
    np.testing.assert_allclose(medians.get_xdata(), forecast.summary()["median"])
    given = next(line for line in ax.lines if line.get_label() == "given")
    assert given.get_xdata().tolist() == [0.8]
    assert [t.get_text() for t in ax.get_yticklabels()] == posterior.evals.benchmark_names
    assert "given bench-1 = 80%" in " ".join(forecast.plot_fan("bench-2").get_xlabel().split())
    assert "given bench-1 = 80%" in forecast.plot().get_supxlabel()


def test_an_unknown_benchmark_is_answered_with_the_nearest(forecast: Forecast) -> None:
    with pytest.raises(ForecastError, match="Did you mean 'bench-"):
        forecast.plot_fan("bench-9")
    with pytest.raises(ForecastError, match="Did you mean 'bench-"):
        forecast.plot(benchmarks=["bench-1", "bench-9"])
    with pytest.raises(ForecastError, match=r"Did you mean 0\.9"):
        forecast.plot_intervals(prob=90)


def test_a_fan_needs_training_compute_and_intervals_do_not(simulation: tuple[Evals, Truth]) -> None:
    posterior = posterior_near(*simulation, Spec(factors=1, covariates=("log10_params", "log10_tokens")))
    forecast = posterior.forecast(family="Family-A", params=70e9, tokens=15e12, random_seed=0)
    with pytest.raises(ForecastError, match="draw plot_intervals instead"):
        plot_fan(forecast, "bench-1")
    assert plot_intervals(forecast).get_yticklabels()


def test_a_family_of_unknown_compute_only_can_be_drawn(simulation: tuple[Evals, Truth]) -> None:
    evals, truth = simulation
    hidden = evals.models["flops"].where(evals.models["family"] != "Family-C")
    closed = Evals(evals.models.assign(flops=hidden, params_b=np.nan), evals.benchmarks, evals.scores)
    posterior = posterior_near(closed, truth, Spec(factors=1))
    ax = posterior.forecast(family="Family-C", flops=1e25, random_seed=0).plot_fan("bench-1")
    assert "Family-C" in [line.get_label() for line in ax.lines]
    scores = closed.matrix().sel(benchmark="bench-1").to_numpy()
    assert len(points(ax)) == (~np.isnan(scores) & closed.models["flops"].notna().to_numpy()).sum()


def test_the_guessing_floor_is_drawn(forecast: Forecast) -> None:
    ax = forecast.plot_fan("bench-1")
    (line,) = [artist for artist in ax.lines if artist.get_label() == "guessing floor"]
    assert set(line.get_ydata()) == {0.25}


def test_a_picture_does_not_repeat_the_warning_of_its_forecast(posterior: Posterior) -> None:
    convergence = posterior.convergence.model_copy(update={"converged": False, "problems": ("Use more draws.",)})
    not_converged = dataclasses.replace(posterior, convergence=convergence)
    with pytest.warns(ConvergenceWarning):
        forecast = not_converged.forecast(family="Family-A", flops=1e25, random_seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        forecast.plot_fan("bench-1")


def test_the_data_at_a_glance(evals: Evals) -> None:
    figure = plot_evals(evals, families=("Family-A",), benchmarks=("bench-1", "bench-3"))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["bench-1", "bench-3"]
    for ax, name in zip(figure.axes, ("bench-1", "bench-3"), strict=True):
        scores = evals.matrix().sel(benchmark=name).to_numpy()
        seen = ~np.isnan(scores) & evals.models["flops"].notna().to_numpy()
        drawn = points(ax)
        shown = drawn[np.isfinite(np.ma.filled(drawn, np.nan)).all(axis=1)]
        np.testing.assert_allclose(np.sort(shown[:, 1]), np.sort(scores[seen]))
    floor = evals.benchmarks.set_index("benchmark").loc["bench-1", "floor"]
    assert any(np.allclose(line.get_ydata(), floor) for line in figure.axes[0].lines)
    assert len(plot_evals(evals).axes) == 5
