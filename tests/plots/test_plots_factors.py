"""Pictures of the factors: what is drawn is what the draws say."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from simulate import posterior_near, simulate, simulation_spec

from bayescale._intervals import summarise
from bayescale.analysis.variance import variance_shares
from bayescale.errors import ForecastError
from bayescale.methods import Posterior
from bayescale.plots import plot_capability_map, plot_loadings, plot_variance_shares
from bayescale.plots.factors import UNSURE


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def vague() -> Posterior:
    """Draws so far apart that the sign of some loadings is open."""
    return posterior_near(*simulate(factors=2), simulation_spec(2), draws=100, spread=0.6)


@pytest.mark.parametrize("standardised", [False, True])
def test_each_cell_tells_median_and_interval(vague: Posterior, standardised: bool) -> None:
    ax = plot_loadings(vague, prob=0.95, standardised=standardised)
    draws = vague.factors.correlations if standardised else vague.loadings()
    table = summarise(draws, prob=0.95)
    shown = [text.get_text() for text in ax.texts]
    for row, median, interval in zip(table.itertuples(), shown[::2], shown[1::2], strict=True):
        assert float(median) == pytest.approx(row.median, abs=0.0051)
        assert [float(v) for v in interval.strip("[]").split(", ")] == pytest.approx([row.lower, row.upper], abs=0.0051)
    (image,) = ax.images
    cells = np.asarray(image.get_array())
    unsure = ((table["lower"] <= 0) & (table["upper"] >= 0)).to_numpy().reshape(cells.shape[:2])
    assert unsure.any()
    assert not unsure.all()
    np.testing.assert_allclose(cells[..., 3], np.where(unsure, UNSURE, 1.0))
    middle = table["median"].to_numpy().reshape(cells.shape[:2])
    # Red above zero, blue below.
    assert ((cells[..., 0] >= cells[..., 2]) == (middle >= 0)).all()
    assert [t.get_text() for t in ax.get_yticklabels()] == vague.evals.benchmark_names
    heads = [t.get_text().replace("\n", " ") for t in ax.get_xticklabels()]
    for head, label, name in zip(heads, vague.factors.labels, vague.factors.suggested, strict=True):
        assert head.startswith(f"{label} {name} ")
        assert head.endswith("of variance")
    assert "95% equal-tailed" in ax.get_xlabel()


def test_the_map_holds_every_model_once(two_factors: Posterior) -> None:
    ax = plot_capability_map(two_factors, families=("Family-B", "Family-A"))
    middle = two_factors.capabilities().median(("chain", "draw"))
    groups = {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)}
    assert set(groups) == {"other families", "Family-B", "Family-A"}
    for family in ("Family-A", "Family-B"):
        mine = middle.isel(model=middle["family"].to_numpy() == family).to_numpy()
        np.testing.assert_allclose(groups[family], mine)
    drawn = np.vstack(list(groups.values()))
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(middle.to_numpy(), axis=0))
    assert {text.get_text() for text in ax.texts} == {"Family-A", "Family-B"}
    factors = two_factors.factors
    for k, label in enumerate((ax.get_xlabel(), ax.get_ylabel())):
        assert f"{factors.labels[k]}: {factors.suggested[k]}" in label


def test_crosses_are_intervals_and_lines_follow_compute(two_factors: Posterior) -> None:
    ax = plot_capability_map(two_factors, factors=(1, 0), families=["Family-D"], prob=0.5)
    across, up = (c.get_segments() for c in ax.collections if isinstance(c, LineCollection))
    low, high = two_factors.capabilities().quantile([0.25, 0.75], ("chain", "draw")).transpose("quantile", ...)
    mine = two_factors.evals.models["family"].to_numpy() == "Family-D"
    np.testing.assert_allclose([s[:, 0] for s in across], np.stack([low[mine, 1], high[mine, 1]], axis=1))
    np.testing.assert_allclose([s[:, 1] for s in up], np.stack([low[mine, 0], high[mine, 0]], axis=1))
    models = two_factors.evals.models[mine]
    known = models[models["flops"].notna()].sort_values("flops")["model"]
    assert 0 < len(known) < len(models)  # one model of this family has no figure of compute
    (line,) = ax.lines
    path = two_factors.capabilities().median(("chain", "draw")).sel(model=known.tolist()).to_numpy()[:, ::-1]
    np.testing.assert_allclose(line.get_xydata(), path)
    assert "50% equal-tailed" in ax.get_xlabel()


def test_a_map_that_cannot_be_drawn_says_why(two_factors: Posterior, posterior: Posterior) -> None:
    with pytest.raises(ForecastError, match="Did you mean 'Family-A'"):
        plot_capability_map(two_factors, families=["family-a"])
    for wrong in ((0, 2), (0, 0), (-1, 0)):
        with pytest.raises(ForecastError, match="two different factors out of 0 to 1"):
            plot_capability_map(two_factors, factors=wrong)
    with pytest.raises(ForecastError, match="this posterior has one"):
        plot_capability_map(posterior)
    with pytest.raises(ForecastError, match=r"Did you mean 0\.9"):
        plot_loadings(two_factors, prob=90)


@pytest.mark.parametrize("scale", ["logit", "score"])
def test_bars_are_shares_of_variance(two_factors: Posterior, scale: str) -> None:
    ax = plot_variance_shares(two_factors, scale=scale, prob=0.8)
    table = summarise(variance_shares(two_factors, scale), prob=0.8)
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], table["median"])
    (lines,) = (c for c in ax.collections if isinstance(c, LineCollection))
    np.testing.assert_allclose([s[:, 1] for s in lines.get_segments()], table[["lower", "upper"]])
    assert [t.get_text() for t in ax.get_xticklabels()] == table["component"].tolist()
    assert ("scores" in ax.get_xlabel()) == (scale == "score")
    assert "80% equal-tailed" in ax.get_xlabel()


def test_axes_in_are_axes_out(two_factors: Posterior) -> None:
    for plot in (plot_loadings, plot_capability_map, plot_variance_shares):
        _, ax = plt.subplots()
        assert plot(two_factors, ax=ax) is ax
