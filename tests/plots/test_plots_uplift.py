"""Plots of uplift and explained variance: what is drawn is what the numbers say."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.patches import Rectangle
from simulate import Truth, posterior_near, simulation_spec

from bayescale._intervals import flops_quantiles
from bayescale.errors import ForecastError
from bayescale.evals import Evals
from bayescale.forecast import NEW_FAMILY
from bayescale.methods import Posterior
from bayescale.plots import plot_explained_variance, plot_uplift


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def dots(ax: plt.Axes) -> dict[str, np.ndarray]:
    actual = [c for c in ax.collections if isinstance(c, PathCollection)]
    return {c.get_label(): np.asarray(c.get_offsets()) for c in actual}


def test_a_uplift_is_drawn_with_its_bands_its_models_and_its_start(two_factors: Posterior) -> None:
    uplift = two_factors.uplift("bench-4", baseline="bench-2", family="Family-C", random_seed=0)
    ax = plot_uplift(uplift, 0.1, prob=0.8)
    lines = {line.get_label(): line for line in ax.lines}
    curve = lines["typical Family-C model"]
    draws = uplift.expected_uplift(curve.get_xdata())
    np.testing.assert_allclose(curve.get_ydata(), draws.median(("chain", "draw")))
    wide, core = [c for c in ax.collections if isinstance(c, PolyCollection)]
    for band, prob in ((wide, 0.8), (core, 0.5)):
        heights = band.get_paths()[0].vertices[:, 1]
        edges = draws.quantile([(1 - prob) / 2, (1 + prob) / 2], ("chain", "draw"))
        assert heights.min() == pytest.approx(float(edges.min()))
        assert heights.max() == pytest.approx(float(edges.max()))
    low, middle, high = flops_quantiles(uplift.log10_start(0.1), prob=0.8)
    (bar,) = [c for c in ax.collections if c.get_label() == "_threshold"]
    left, right = ax.get_xlim()
    np.testing.assert_allclose(bar.get_segments()[0], [[np.clip(x, left, right), 0.1] for x in (low, high)])
    table, drawn = uplift.observed(), dots(ax)
    for label, here in (("Family-C", table["family"] == "Family-C"), ("other families", table["family"] != "Family-C")):
        np.testing.assert_allclose(drawn[label], table.loc[here, ["equivalent_flops", "uplift"]])
    assert "80% equal-tailed" in ax.get_xlabel()
    assert "Uplift of bench-4 over bench-2" in ax.get_title(loc="left")
    assert right >= 5 * table["equivalent_flops"].max()
    assert f"{middle:.1e}".replace("e+", "e") in ax.texts[0].get_text()


def test_hidden_uplifts_have_a_marker_of_their_own_and_nothing_need_be_marked(two_factors: Posterior) -> None:
    uplift = two_factors.uplift("bench-4", baseline="bench-2", family="Family-C", random_seed=0)
    fitted = set(uplift.observed()["model"])
    absent = [name for name in two_factors.evals.model_names if name not in fitted]
    hidden = pd.DataFrame([(m, b, 0.5) for m in absent for b in ("bench-4", "bench-2")])
    hidden.columns = ["model", "benchmark", "score"]
    ax = uplift.plot(None, hidden=hidden)
    np.testing.assert_allclose(dots(ax)["not fitted"], uplift.observed(hidden)[["equivalent_flops", "uplift"]])
    assert len(absent) == len(dots(ax)["not fitted"]) > 0
    assert not ax.texts
    assert "bar:" not in ax.get_xlabel()
    with pytest.raises(ForecastError, match="did you mean"):
        uplift.plot(10)


def test_a_uplift_that_nobody_measured_is_drawn_all_the_same(simulation: tuple[Evals, Truth]) -> None:
    evals, truth = simulation
    hidden = evals.mask([(name, "bench-4") for name in evals.model_names])
    posterior = posterior_near(hidden, truth, simulation_spec())
    uplift = posterior.uplift("bench-4", baseline="bench-2", random_seed=0)
    ax = uplift.plot()
    assert uplift.observed().empty
    low, high = ax.get_xlim()
    assert low < evals.models["flops"].min() < evals.models["flops"].max() < high


def test_bars_show_the_shares_the_most_telling_on_top(two_factors: Posterior) -> None:
    explained = two_factors.explained_variance("bench-4", family=NEW_FAMILY, flops=1e23, random_seed=0)
    ax = plot_explained_variance(explained)
    table = explained.summary()
    ax.figure.canvas.draw()
    ticks = [t.get_text() for t in ax.get_yticklabels()]
    assert ticks[::-1] == table["benchmark"].tolist()
    bars = [p for p in ax.patches if isinstance(p, Rectangle)]
    widths = np.array([p.get_width() for p in bars]).reshape(2, -1)
    np.testing.assert_allclose(widths[:, ::-1], table[["alone", "lost"]].T)
    (line,) = [line for line in ax.lines if "explained by all 4" in str(line.get_label())]
    assert set(line.get_xdata()) == {explained.together}
    assert "Monte Carlo" in ax.get_xlabel()
    assert "bench-4: new family, 1e+23 FLOP" in ax.get_title(loc="left")


def test_axes_in_are_axes_out(two_factors: Posterior) -> None:
    uplift = two_factors.uplift("bench-4", baseline="bench-2", random_seed=0)
    explained = two_factors.explained_variance("bench-4", ["bench-1"], random_seed=0)
    for plot in (uplift.plot, explained.plot):
        _, ax = plt.subplots()
        assert plot(ax=ax) is ax
