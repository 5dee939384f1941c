"""Pictures of efficiency and emergence: what is drawn is what the numbers say."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import to_hex
from simulate import Truth, posterior_near, simulate, simulation_spec

from bayescale._arviz import dataset, with_groups
from bayescale.errors import ForecastError
from bayescale.evals import Evals
from bayescale.methods import Posterior
from bayescale.model.spec import Spec
from bayescale.plots import plot_capability_map, plot_capability_over_compute, plot_efficiency, plot_emergence
from bayescale.plots.families import mark_families
from bayescale.plots.style import COLOURS, MARKERS


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def dots(ax: plt.Axes) -> dict[str, np.ndarray]:
    """Points of the scatters that have a name, (x, y)."""
    actual = [c for c in ax.collections if isinstance(c, PathCollection) and not c.get_label().startswith("_")]
    return {c.get_label(): np.asarray(c.get_offsets()) for c in actual}


def all_dots(ax: plt.Axes) -> np.ndarray:
    return np.vstack([np.asarray(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)])


@pytest.mark.parametrize("benchmark", [None, "bench-4"])
def test_a_forest_shows_the_summary_most_efficient_on_top(two_factors: Posterior, benchmark: str | None) -> None:
    efficiency = two_factors.efficiency("Family-B")
    ax = plot_efficiency(efficiency, benchmark, prob=0.8)
    if benchmark is None:
        table, core = efficiency.summary(prob=0.8), efficiency.summary(prob=0.5)
    else:
        table, core = (
            t[t["benchmark"] == benchmark].sort_values("multiplier", ascending=False)
            for t in (efficiency.summary(prob=p, by="benchmark") for p in (0.8, 0.5))
        )
    table, core = table[::-1].reset_index(), core[::-1].reset_index()
    assert [t.get_text() for t in ax.get_yticklabels()] == [f"{name} (3)" for name in table["family"]]
    segments = [c.get_segments()[0] for c in ax.collections if isinstance(c, LineCollection)]
    for place, (wide, thick) in enumerate(zip(segments[::2], segments[1::2], strict=True)):
        for segment, row in ((wide, table.loc[place]), (thick, core.loc[place])):
            np.testing.assert_allclose(segment[:, 0], [row["lower"], row["upper"]])
            np.testing.assert_allclose(segment[:, 1], place)
    one, *medians = ax.lines
    assert set(one.get_xdata()) == {1}
    np.testing.assert_allclose([line.get_xdata()[0] for line in medians], table["multiplier"])
    apart = (table["lower"] > 1) | (table["upper"] < 1) | (table["family"] == "Family-B")
    assert apart.any()
    assert [line.get_markerfacecolor() != "white" for line in medians] == apart.tolist()
    assert "80% equal-tailed" in ax.get_xlabel()
    assert "relative to Family-B" in ax.get_title(loc="right")
    assert ax.get_xscale() == "log"
    ax.figure.canvas.draw()
    ticks = [t.get_text() for t in ax.get_xticklabels()]
    assert "x1" in ticks


def test_a_forest_of_chosen_families_keeps_the_reference(two_factors: Posterior) -> None:
    efficiency = two_factors.efficiency("Family-B")
    ax = plot_efficiency(efficiency, families=["Family-D"])
    assert {t.get_text() for t in ax.get_yticklabels()} == {"Family-B (3)", "Family-D (3)"}
    with pytest.raises(ForecastError, match="Did you mean 'Family-D'"):
        plot_efficiency(efficiency, families=["family-d"])


@pytest.mark.parametrize("along", ["capabilities", "benchmarks"])
def test_lines_over_compute_are_as_far_apart_as_efficiencies(two_factors: Posterior, along: str) -> None:
    ax = plot_capability_over_compute(two_factors, families=["Family-A", "Family-C"], along=along)  # type: ignore[arg-type]
    lines = {line.get_label(): np.log10(line.get_xdata()) for line in ax.lines}
    heights = {line.get_label(): np.asarray(line.get_ydata()) for line in ax.lines}
    assert set(lines) == {"Family-A", "Family-C"}
    log10 = two_factors.efficiency("Family-A", along).log10_multiplier.sel(family="Family-C").median()  # type: ignore[arg-type]
    slope, level = np.polyfit(lines["Family-A"], heights["Family-A"], 1)
    ahead = (heights["Family-C"] - level) / slope - lines["Family-C"]
    np.testing.assert_allclose(ahead, float(log10), atol=0.05)
    assert abs(float(log10)) > 0.2
    assert sum(isinstance(c, PolyCollection) for c in ax.collections) == 2
    assert {t.get_text() for t in ax.texts} == {"Family-A", "Family-C"}
    assert "90% equal-tailed" in ax.get_xlabel()


def test_every_model_stands_at_its_capability_and_compute(two_factors: Posterior) -> None:
    ax = plot_capability_over_compute(two_factors, families=["Family-D"], along="capabilities")
    draws, models = two_factors.draws, two_factors.evals.models
    beta = draws.slope[:, 0]
    length = np.linalg.norm(beta, axis=1)
    wanted = np.median(np.einsum("smk,sk->sm", draws.capability, beta) / length[:, None], axis=0)
    drawn = all_dots(ax)
    np.testing.assert_allclose(np.sort(drawn[:, 1]), np.sort(wanted))
    exact = (models["flops"].notna() & models["flops_log10_sd"].isna()).to_numpy()
    by_height = dict(zip(np.round(drawn[:, 1], 9), drawn[:, 0], strict=True))
    for height, flops in zip(wanted[exact], models["flops"][exact], strict=True):
        assert by_height[np.round(height, 9)] == pytest.approx(flops)
    unknown = models["flops"].isna().to_numpy()
    assert unknown.sum() == 1  # of Family-D; open
    white = [c for c in ax.collections if isinstance(c, PathCollection) and to_hex(c.get_facecolor()[0]) == "#ffffff"]
    actual = np.vstack([np.asarray(c.get_offsets()) for c in white if len(c.get_offsets())])
    np.testing.assert_allclose(actual[:, 1], wanted[unknown])


@pytest.mark.parametrize("score", [None, 0.7])
def test_emergence_marks_the_threshold_on_the_curve(two_factors: Posterior, score: float | None) -> None:
    emergence = two_factors.emergence("bench-4", "Family-C", random_seed=0)
    ax = plot_emergence(emergence, score, prob=0.8)
    low, middle, high = emergence.quantiles(score, prob=0.8)
    height = emergence.half_way if score is None else score
    (bar,) = [c for c in ax.collections if c.get_label() == "_threshold"]
    np.testing.assert_allclose(bar.get_segments()[0], [[low, height], [high, height]])
    lines = {line.get_label(): line for line in ax.lines}
    assert lines["_crossing"].get_xdata()[0] == pytest.approx(middle)
    curve = lines["typical Family-C model"]
    grid = curve.get_xdata()
    np.testing.assert_allclose(curve.get_ydata(), emergence.expected_scores(grid).median(("chain", "draw")))
    assert np.interp(np.log(middle), np.log(grid), curve.get_ydata()) == pytest.approx(height, abs=0.01)
    table = emergence.observed()
    drawn = dots(ax)
    for label, here in (("Family-C", table["family"] == "Family-C"), ("other families", table["family"] != "Family-C")):
        np.testing.assert_allclose(drawn[label], table.loc[here, ["equivalent_flops", "score"]])
    assert "not fitted" not in drawn
    assert "80% equal-tailed" in ax.get_xlabel()
    assert f"{height:.0%} at " in ax.texts[0].get_text()


def test_hidden_scores_have_a_marker_of_their_own(two_factors: Posterior) -> None:
    emergence = two_factors.emergence("bench-4", "Family-C", random_seed=0)
    fitted = emergence.observed()["model"]
    absent = [name for name in two_factors.evals.model_names if name not in set(fitted)]
    hidden = pd.DataFrame({"model": absent, "benchmark": "bench-4", "score": 0.5})
    ax = emergence.plot(0.6, hidden=hidden)
    drawn = dots(ax)["not fitted"]
    np.testing.assert_allclose(drawn, emergence.observed(hidden)[["equivalent_flops", "score"]])
    low, high = ax.get_xlim()
    assert ((low < drawn[:, 0]) & (drawn[:, 0] < high)).all()
    with pytest.raises(ForecastError, match="lacks the columns"):
        emergence.plot(hidden=hidden.drop(columns="model"))


def test_a_threshold_beyond_the_picture_is_still_said(posterior: Posterior) -> None:
    held = dataset(posterior.idata["posterior"]).copy()
    held["loading"] = held["loading"] * 1e-6
    held["benchmark_slope"] = held["benchmark_slope"] * 0.0 - 0.1
    idata = with_groups(posterior.idata, {"posterior": held})
    falling = Posterior(idata, posterior.spec, posterior.evals, posterior.convergence, posterior.sampling)
    ax = plot_emergence(falling.emergence("bench-1", "Family-A", random_seed=0), 0.7)
    assert "70% at more than 1e30 FLOP" in ax.texts[0].get_text()
    assert all(line.get_label() != "_crossing" for line in ax.lines)
    ax.figure.canvas.draw()


def test_families_look_the_same_in_every_figure() -> None:
    evals, truth = simulate(factors=2, families=8, models=30)
    posterior = posterior_near(evals, truth, simulation_spec(2), draws=1000)
    marks = {mark.family: mark for mark in mark_families(evals)}
    assert list(marks) == evals.largest_families[:6]
    assert [(m.colour, m.marker) for m in marks.values()] == list(zip(COLOURS, MARKERS, strict=False))
    last = evals.largest_families[-1]
    third, other = mark_families(evals, [evals.largest_families[2], last])
    assert third == marks[third.family]
    assert mark_families(evals, [last, third.family]) == [other, third]
    six = mark_families(evals, evals.largest_families[2:])
    assert len({mark.colour for mark in six}) == len({mark.marker for mark in six}) == 6
    every = mark_families(evals, evals.families)
    assert len({(mark.colour, mark.marker) for mark in every}) == len(evals.families)
    assert other.colour != third.colour
    markers = {mark.family: mark.marker for mark in every}
    for some in (marks.values(), six, (third, other)):  # fewer families than markers
        assert all(mark.marker == markers[mark.family] for mark in some)
    with pytest.raises(ForecastError, match=f"Did you mean '{last}'"):
        mark_families(evals, [last.lower()])
    family = third.family
    lines = {
        line.get_label(): line.get_color()
        for line in plot_capability_over_compute(posterior, families=[family, last]).lines
    }
    assert lines == {family: third.colour, last: other.colour}
    ax = plot_capability_map(posterior, families=[last, family])
    colours = {text.get_text(): text.get_color() for text in ax.texts}
    assert colours[family] == third.colour
    labels = plot_efficiency(posterior.efficiency()).get_yticklabels()
    assert {t.get_text().split(" (")[0]: t.get_color() for t in labels}[family] == third.colour


def test_axes_in_are_axes_out(two_factors: Posterior, simulation: tuple[Evals, Truth]) -> None:
    efficiency, emergence = two_factors.efficiency(), two_factors.emergence("bench-1", random_seed=0)
    for plot in (
        efficiency.plot,
        emergence.plot,
        lambda ax: plot_capability_over_compute(two_factors, ax=ax),
    ):
        _, ax = plt.subplots()
        assert plot(ax=ax) is ax
    other = posterior_near(*simulation, Spec(factors=1, covariates=("log10_params", "log10_tokens")))
    with pytest.raises(ForecastError, match="capability over compute needs a spec"):
        plot_capability_over_compute(other)
