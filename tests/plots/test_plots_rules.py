"""What holds for every picture: axes in, axes out; intervals said; families and FLOP axes alike; fit for all eyes."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import itertools
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from colorspacious import cspace_convert
from matplotlib.axes import Axes
from matplotlib.colors import same_color, to_rgb
from matplotlib.figure import Figure

import bayescale
from bayescale import plots
from bayescale._intervals import KIND
from bayescale.checks import PriorPredictive
from bayescale.errors import EvalsError
from bayescale.evals import Evals
from bayescale.evaluation.backtest import Backtest
from bayescale.evaluation.compare import Comparison
from bayescale.forecast import NEW_FAMILY
from bayescale.inference.draws import relabelled
from bayescale.methods import Posterior
from bayescale.model import model_data
from bayescale.plots.families import Mark, mark_families
from bayescale.plots.panels import panels
from bayescale.plots.style import COLOURS, INK, MARKERS, OTHERS

PLOTS: dict[str, Callable[..., Any]] = {name: getattr(plots, name) for name in plots.__all__}
# Smallest distance of two colours in CAM02-UCS; one is about what an eye just notices side by side.
DISTANCE = 10.0


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def inputs(two_factors: Posterior, prior: PriorPredictive, comparison: Comparison, result: Backtest) -> dict[str, Any]:
    """What pictures are made of, by the name of the argument."""
    return {
        "evals": two_factors.evals,
        "posterior": two_factors,
        "benchmark": "bench-1",
        "forecast": two_factors.forecast(family=["Family-B", NEW_FAMILY], flops=[1e25, 4e25], random_seed=0),
        "effect": two_factors.effect("log10_flops"),
        "efficiency": two_factors.efficiency(),
        "emergence": two_factors.emergence("bench-1", random_seed=0),
        "check": two_factors.predictive_check(draws=100, random_seed=0),
        "prior": prior,
        "comparison": comparison,
        "backtest": result,
        "task": "large/two",
        "suggestion": two_factors.suggest_models(3, random_seed=0),
        "uplift": two_factors.uplift("bench-1", baseline="bench-2", random_seed=0),
        "explained": two_factors.explained_variance("bench-1", random_seed=0),
    }


def draw(name: str, inputs: dict[str, Any], **more: Any) -> Any:
    """Call a plot with what it must be given."""
    parameters = inspect.signature(PLOTS[name]).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty]
    assert set(needed) <= set(inputs), f"say in the fixture `inputs` what {name} is to be given"
    return PLOTS[name](**{p: inputs[p] for p in needed}, **more)


def figure_of(drawn: Any) -> Figure:
    return drawn if isinstance(drawn, Figure) else drawn.get_figure(root=True)


def words(figure: Figure) -> str:
    """Everything that is written in a figure, line ends as spaces."""
    result = [t.get_text() for t in figure.findobj(plt.Text)]
    return " ".join(" ".join(result).split())


def takes(name: str, parameter: str) -> bool:
    return parameter in inspect.signature(PLOTS[name]).parameters


@pytest.mark.parametrize("name", PLOTS)
def test_axes_in_are_axes_out_or_a_page_has_a_panel_that_does_so(name: str, inputs: dict[str, Any]) -> None:
    if takes(name, "ax"):
        _, ax = plt.subplots()
        assert draw(name, inputs, ax=ax) is ax
        assert plt.get_fignums() == [ax.get_figure(root=True).number]
        assert isinstance(draw(name, inputs), Axes)
        return
    assert isinstance(draw(name, inputs), Figure)
    panel = re.match(r"Draw `(plot_\w+)` for several", inspect.getdoc(PLOTS[name]) or "")
    assert panel, f"{name} is a page of panels: its docstring begins by naming the picture that its panels are"
    assert takes(panel[1], "ax")


@pytest.mark.parametrize("name", [name for name in PLOTS if takes(name, "prob")])
def test_pictures_say_kind_and_probability_of_their_intervals(name: str, inputs: dict[str, Any]) -> None:
    assert f"80% {KIND}" in words(figure_of(draw(name, inputs, prob=0.8)))


@pytest.mark.parametrize("name", ["plot_backtest_task", "plot_backtest_forecasts", "plot_backtest_calibration"])
def test_intervals_of_fixed_probability_are_said_too(name: str, inputs: dict[str, Any]) -> None:
    said = words(figure_of(draw(name, inputs)))
    assert f"{KIND} interval" in said
    assert re.search(r"90%( \S+)? intervals", said)


@pytest.mark.parametrize("name", PLOTS)
def test_a_picture_as_it_is_drawn(name: str, inputs: dict[str, Any]) -> None:
    """Lay a picture out, which takes most of a second, and look at it."""
    figure = figure_of(draw(name, inputs))
    figure.draw_without_rendering()
    assert_flop_axes_are_logarithmic_with_a_tick_at_every_power_of_ten(figure)
    assert_labels_and_legends_stay_inside(figure)


def assert_flop_axes_are_logarithmic_with_a_tick_at_every_power_of_ten(figure: Figure) -> None:
    page = "(FLOP)" in figure.get_supxlabel()
    for ax in figure.axes:
        if not page and "(FLOP)" not in ax.get_xlabel():
            continue
        assert ax.get_xscale() == "log"
        low, high = ax.get_xlim()
        powers = np.arange(np.ceil(np.log10(low)), np.floor(np.log10(high)) + 1)
        ticks = [t for t in ax.xaxis.get_major_ticks() if low <= t.get_loc() <= high]
        np.testing.assert_allclose(np.log10([t.get_loc() for t in ticks]), powers)
        if ax.xaxis.get_tick_params()["labelbottom"]:
            assert [t.label1.get_text() for t in ticks] == [rf"$\mathdefault{{10^{{{p:.0f}}}}}$" for p in powers]
        fine = np.asarray(ax.xaxis.get_minorticklocs())
        assert ((low < fine) & (fine < high)).sum() > len(powers)


def assert_labels_and_legends_stay_inside(figure: Figure) -> None:
    written: list[Any] = [*figure.legends, figure._supxlabel, figure._supylabel]
    for ax in figure.axes:
        titles = [getattr(ax, title) for title in ("title", "_left_title", "_right_title")]
        written += [ax.xaxis.label, ax.yaxis.label, *titles, ax.get_legend()]
    for artist in filter(None, written):
        place = artist.get_window_extent()
        assert place.x0 >= -1 or not place.width
        assert place.x1 <= figure.bbox.x1 + 1


@pytest.mark.parametrize("module", [m.name for m in pkgutil.iter_modules(plots.__path__)])
def test_plots_import_results_for_type_checking_only(module: str) -> None:
    names = vars(importlib.import_module(f"bayescale.plots.{module}")).values()
    classes = {v for v in names if inspect.isclass(v) and v.__module__.startswith("bayescale.")}
    assert {c for c in classes if not issubclass(c, Exception)} <= {Mark}


def test_nothing_in_the_package_opens_a_window() -> None:
    for file in Path(bayescale.__file__).parent.rglob("*.py"):
        calls = [n for n in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(n, ast.Attribute)]
        assert "show" not in {n.attr for n in calls}, file.name


@pytest.mark.parametrize("vision", [None, "protanomaly", "deuteranomaly", "tritanomaly"])
def test_colours_are_told_apart_by_all_eyes(vision: str | None) -> None:
    colours = np.array([to_rgb(c) for c in (*COLOURS, INK, OTHERS)])
    if vision:
        blind = {"name": "sRGB1+CVD", "cvd_type": vision, "severity": 100}
        colours = np.clip(cspace_convert(colours, blind, "sRGB1"), 0, 1)
    seen = cspace_convert(colours, "sRGB1", "CAM02-UCS")
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(apart) > DISTANCE


def test_families_are_told_apart_without_colour_and_seen_on_paper() -> None:
    assert len(set(MARKERS)) == len(MARKERS) == 2 * len(COLOURS)
    lightness = cspace_convert([to_rgb(c) for c in COLOURS], "sRGB1", "CIELab")[:, 0]
    assert lightness.max() < 75


def test_a_family_has_its_colour_in_forecasts_and_in_the_data(inputs: dict[str, Any]) -> None:
    evals, forecast = inputs["evals"], inputs["forecast"]
    marks = {mark.family: mark for mark in mark_families(evals, [*evals.families, NEW_FAMILY])}
    fan = {line.get_label(): line for line in plots.plot_fan(forecast, "bench-1").lines}
    for family in ("Family-B", NEW_FAMILY):
        assert same_color(fan[family].get_color(), marks[family].colour)
    lines = {str(line.get_label()).split(",")[0]: line for line in plots.plot_intervals(forecast).lines}
    for family in ("Family-B", NEW_FAMILY):
        assert same_color(lines[family].get_color(), marks[family].colour)
        assert lines[family].get_marker() == marks[family].marker
    ax = plots.plot_scores(evals, "bench-1", families=["Family-B"])
    (dots,) = (c for c in ax.collections if c.get_label() == "Family-B")
    assert same_color(dots.get_facecolor()[0], marks["Family-B"].colour)
    assert marks[NEW_FAMILY].colour not in COLOURS


def test_models_of_one_family_are_told_apart_in_intervals(two_factors: Posterior) -> None:
    ax = plots.plot_intervals(two_factors.forecast(family="Family-B", flops=[1e24, 1e25], random_seed=0))
    small, large = (line for line in ax.lines if str(line.get_label()).startswith("Family-B"))
    assert small.get_color() == large.get_color()
    fills = {(line.get_fillstyle(), line.get_markerfacecolor()) for line in (small, large)}
    assert len(fills) == 2


def test_a_page_has_one_legend_with_the_entries_of_all_panels_and_ticks_below_every_column() -> None:
    figure = panels(
        ["a", "b", "c", "d", "e"],
        lambda name, ax: ax.plot([0, 1], label=f"line of {name}" if name in "ab" else "the same"),
        ("across", "up"),
        columns=3,
        sharex=True,
    )
    assert len(figure.axes) == 5
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["line of a", "line of b", "the same"]
    below = [ax.xaxis.get_tick_params()["labelbottom"] for ax in figure.axes]
    assert below == [False, False, True, True, True]
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("across", "up")
    figure.canvas.draw()
    width = figure.get_size_inches()[0] * figure.dpi
    assert legend.get_window_extent().x1 <= width


@pytest.mark.parametrize("columns", [1, 4])
def test_a_legend_stays_inside_a_page(columns: int, inputs: dict[str, Any]) -> None:
    for figure in (
        plots.plot_prior_predictive(inputs["prior"], inputs["evals"].benchmark_names[:columns]),
        plots.plot_forecast(inputs["forecast"], inputs["evals"].benchmark_names[:columns]),
    ):
        figure.canvas.draw()
        (legend,) = figure.legends
        assert legend.get_window_extent().x1 <= figure.get_size_inches()[0] * figure.dpi


def test_a_benchmark_that_is_not_in_the_data_is_answered_with_the_nearest(inputs: dict[str, Any]) -> None:
    with pytest.raises(EvalsError, match="Did you mean 'bench-"):
        plots.plot_scores(inputs["evals"], "bench-9")


@pytest.mark.heavy
def test_names_with_dollar_signs_are_drawn_as_they_are(two_factors: Posterior) -> None:
    r"""Matplotlib takes them for mathematics, and fails where it is none, as in ``$\foo$``."""
    names = {"Family-A": r"$\foo$", "Family-B": "$", "bench-1": r"$\sum_$", "bench-2": "a_$^2$"}
    text = two_factors.evals.to_json()
    for before, after in names.items():
        text = text.replace(before, after.replace("\\", "\\\\"))
    evals = Evals.from_json(text)
    idata = relabelled(two_factors.idata, model_data(two_factors.spec, evals))
    posterior = dataclasses.replace(two_factors, evals=evals, idata=idata)
    forecast = posterior.forecast(family=[r"$\foo$", "$"], flops=[1e25, 4e25], random_seed=0)
    drawn = [
        forecast.plot(),
        plots.plot_intervals(forecast),
        posterior.efficiency().plot(),
        posterior.emergence(r"$\sum_$", random_seed=0).plot(),
        plots.plot_capability_map(posterior),
        plots.plot_loadings(posterior),
        plots.plot_scores(evals, r"$\sum_$"),
        plots.plot_evals(evals),
    ]
    for figure in drawn:
        figure.get_figure(root=True).canvas.draw()
    shown = {text.get_text() for text in drawn[2].get_yticklabels()}
    assert any(text.startswith(r"$\foo$") for text in shown)
    # Powers of ten are mathematics, and stay it.
    ticks = [label for label in drawn[6].get_xticklabels() if "$" in label.get_text()]
    assert ticks
    assert all(label.get_parse_math() for label in ticks)
