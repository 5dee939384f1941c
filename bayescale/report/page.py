"""One self-contained HTML file: results of a posterior, and forecasts that the reader can change in the page."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import warnings
from collections.abc import Sequence
from datetime import date
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale._intervals import KIND, percent, tails
from bayescale.errors import ConvergenceWarning, ForecastError, MissingDependencyError
from bayescale.evals.evals import details

if TYPE_CHECKING:
    from bayescale.evals import Evals
    from bayescale.methods import Posterior
    from bayescale.report.live import LiveForecast

MAX_BYTES = 5 * 2**20
"""Small enough for mail and chat."""

# Intervals from fewer draws are not reliable.
LEAST_DRAWS = 50

TITLE = "Forecast of benchmark scores"
SCRIPTS = ("special.js", "model.js", "condition.js", "pictures.js", "page.js")


def make_report(
    posterior: Posterior,
    backtest: str | Path | None,
    draws: int,
    prob: float,
    random_seed: int,
    title: str | None = None,
    author: str | None = None,
) -> str:
    """Make the page; `Posterior.to_html` documents the arguments."""
    for name in ("bokeh", "jinja2"):
        if importlib.util.find_spec(name) is None:
            raise MissingDependencyError(f"A report needs {name}: pip install 'bayescale[report]'")
    tails(prob)
    if draws < LEAST_DRAWS:
        raise ForecastError(f"draws={draws} are too few for intervals: give at least {LEAST_DRAWS}.")
    posterior.convergence.warn_unless_converged("This report comes")
    with warnings.catch_warnings():
        # The page says so itself: do not repeat the warning for each picture.
        warnings.simplefilter("ignore", ConvergenceWarning)
        context = _results(posterior, prob)
        context |= {"title": title or TITLE, "author": author, "made": date.today().isoformat()}
        context |= _backtest(backtest, context["fixed"])
        return _fill(posterior, context, draws, prob, random_seed)


def _fill(posterior: Posterior, context: dict[str, Any], draws: int, prob: float, random_seed: int) -> str:
    """Fill the template with as many draws as `MAX_BYTES` hold."""
    from bayescale.report.live import live_forecast
    from bayescale.report.pack import arrays, encode

    for _ in range(2):
        live = live_forecast(posterior, draws, random_seed=random_seed)
        packed = json.dumps(encode(arrays(live)))
        page = _render(context | _forecast(posterior, live, prob) | {"arrays": _markup(packed)})
        size = len(page.encode())
        if size <= MAX_BYTES:
            return page
        # A hundred bytes per benchmark for numbers that are longer with other draws.
        room = MAX_BYTES - (size - len(packed)) - 100 * len(live.draws.data.coords["benchmark"])
        draws = int(room / len(packed) * live.draws.size)
        if draws < LEAST_DRAWS:
            break
    raise ForecastError(
        f"A report on {len(posterior.evals.benchmark_names)} benchmarks and {len(posterior.evals.families)} families "
        f"does not fit into {MAX_BYTES / 2**20:.0f} MiB with {LEAST_DRAWS} draws. Fit fewer benchmarks (evals.select)."
    )


def _results(posterior: Posterior, prob: float) -> dict[str, Any]:
    """Return what does not depend on the reader's input: convergence, data, efficiency and capabilities."""
    import bokeh

    import bayescale
    from bayescale.inference.convergence import MAX_RHAT
    from bayescale.plots.factors import capability_points
    from bayescale.report.figures import capability_map, efficiency_forest

    evals, spec = posterior.evals, posterior.spec
    context: dict[str, Any] = {
        "evals": evals,
        "spec": spec,
        "convergence": posterior.convergence,
        "max_rhat": MAX_RHAT,
        "kind": KIND,
        "prob": percent(prob),
        "details": details(evals),
        "newest": _newest(evals),
        "progress_covered": any(column.kind == "date" for column in posterior.draws.data.columns),
        "benchmarks": list(evals.summary().itertuples()),
        "identity": posterior.identity[:12],
        "version": bayescale.__version__,
        "bokeh_version": bokeh.__version__,
        "fixed": {},
        "efficiency": None,
        "factors": None,
    }
    try:
        efficiency = posterior.efficiency()
    except ForecastError as error:
        context["no_efficiency"] = str(error)
    else:
        rows = list(efficiency.summary(prob=prob).itertuples())
        context["efficiency"] = {"reference": efficiency.reference, "along": efficiency.along, "rows": rows}
        context["fixed"]["efficiency"] = efficiency_forest(efficiency, prob)
    if posterior.groups["posterior"].sizes["factor"] > 1:
        factors = posterior.factors
        table = factors.summary(prob=prob).assign(benchmarks=factors.benchmarks().to_numpy())
        context["factors"] = list(table.itertuples())
        context["places"] = list(capability_points(posterior, (0, 1), prob).itertuples())
        context["fixed"]["map"] = capability_map(posterior, prob)
    else:
        context["no_map"] = "This spec has one capability: a map needs two."
    return context


def _newest(evals: Evals) -> str | None:
    """Return the last date at which a model of the data was released, as it stands in the table."""
    stated = list(evals.models["released"].astype(str)) if "released" in evals.models else []
    return max((text for text in stated if text[:1].isdigit()), default=None)


def _backtest(folder: str | Path | None, fixed: dict[str, Any]) -> dict[str, Any]:
    """Return the tables of a backtest, and its picture beside those that are `fixed`."""
    from bayescale.report.figures import hidden_scores
    from bayescale.report.results import held, pools, read_results, shown_method

    if folder is None:
        return {"backtest": None}
    tables = read_results(Path(folder))
    method = shown_method(tables)
    mine = tables["predictions.csv"].query("method == @method")
    about = {"pools": pools(tables), "method": method, "forecasts": len(mine), "held": held(tables, method)}
    return {"backtest": about, "fixed": {**fixed, "backtest": hidden_scores(mine)}}


def _forecast(posterior: Posterior, live: LiveForecast, prob: float) -> dict[str, Any]:
    """Return the first forecast, computed in Python, and the data from which the page computes others."""
    from bayescale.report.figures import fan, intervals
    from bayescale.report.pack import pack

    packed = pack(live, posterior.evals, prob)
    measured = packed["measured"]
    pictures = {"intervals": intervals(packed["benchmarks"])}
    for axis in packed["axes"]:
        m = measured[axis["place"]]
        pictures[m["name"]] = fan(m["name"], m["lowest"], m["highest"], m["seen"][1], m["kind"] == "date")
    for m in measured:
        low, high = (_typed(m, value) for value in m["seen"])
        m["seen_text"] = f"{low} to {high} {m['unit']}".strip()
    return {
        "draws": live.draws.size,
        "random_seed": live.random_seed,
        "all_draws": posterior.draws.size,
        "families": packed["families"],
        "measured": measured,
        "start": _first_query(posterior, live, measured, prob),
        "axes": packed["axes"],
        "compute": packed["compute"],
        "posterior": packed,
        "interactive": pictures,
    }


def _first_query(posterior: Posterior, live: LiveForecast, measured: Sequence[Any], prob: float) -> dict[str, Any]:
    """Forecast a model like the largest one, of about three times its compute, in its family."""
    data = live.draws.data
    x, sized = data.covariates, np.array([m["kind"] == "size" for m in measured])
    complete = np.isfinite(x).all(axis=1)
    grown = 0.5 * sized / max(sized.sum(), 1)  # decades: a next model, and not far beyond the data
    if complete.any():
        largest = int(np.argmax(np.where(complete, x[:, sized].sum(axis=1), -np.inf)))
        family = data.coords["family"][data.family_index[largest]]
        raw = [x[largest, i] * m["spread"] + m["centre"] + grown[i] for i, m in enumerate(measured)]
    else:
        family, raw = posterior.evals.largest_families[0], [m["seen"][1] + grown[i] for i, m in enumerate(measured)]
    # On the steps of the sliders, so that the page starts with the same numbers.
    clipped = [float(np.clip(v, m["lowest"], m["highest"])) for v, m in zip(raw, measured, strict=True)]
    values = [round(round(v / m["step"]) * m["step"], 9) for v, m in zip(clipped, measured, strict=True)]
    kinds = [m["kind"] for m in measured]
    said = [10**v if k == "size" else bool(v) if k == "flag" else v for v, k in zip(values, kinds, strict=True)]
    facts: dict[str, Any] = {m["argument"]: value for m, value in zip(measured, said, strict=True)}
    table = live.summary(family, **facts, prob=prob)
    first = table.iloc[0]
    texts = [_typed(m, value) for m, value in zip(measured, values, strict=True)]
    size = ", ".join(_words(m, value, text) for m, value, text in zip(measured, values, texts, strict=True))
    forms = {"size": ".6g", "flag": "", "date": ".9g", "number": ".9g"}
    asked = ", ".join(f"{m['argument']}={v:{forms[m['kind']]}}" for m, v in zip(measured, said, strict=True))
    return {
        "family": family,
        "at": values,
        "texts": texts,
        "rows": list(table.itertuples()),
        "size": size,
        "target": f"{np.ceil(20 * np.clip(first['median'], 0.05, 0.95)) / 20:.3g}",  # near it, and a round number
        "sentence": f"{family}, {size}: {first['benchmark']} {first['median']:.2f}, from {first['lower']:.2f} to "
        f"{first['upper']:.2f}.",
        "python": f"forecast = posterior.forecast(family={json.dumps(family)}, {asked})\n"
        f'forecast.summary(prob={prob:g}, kind="expected")',
    }


def _typed(m: dict[str, Any], value: float) -> str:
    """Return a value of a covariate as the reader types it."""
    if m["kind"] == "size":
        return f"{10**value / m['scale']:.3g}"
    return f"{value:.2f}" if m["kind"] == "date" else f"{value:.6g}"


def _words(m: dict[str, Any], value: float, text: str) -> str:
    if m["kind"] == "flag":
        return str(m["title"] if value else f"not {m['title']}")
    return f"{text} {m['unit']}" if m["kind"] == "size" else f"{m['title']} {text}"


def _render(context: dict[str, Any]) -> str:
    from bokeh.embed import json_item
    from bokeh.resources import Resources
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from jinja2.utils import htmlsafe_json_dumps

    texts = resources.files("bayescale.report") / "page"
    # One script and one scope for our files, apart from the library.
    ours = "\n".join((texts / name).read_text("utf-8") for name in SCRIPTS)
    library = Resources("inline", components=["bokeh"]).js_raw[0].replace("</script", "<\\/script")
    scripts = [library, f'"use strict";\n{{\n{ours}\n}}']
    items = {
        kind: [json_item(picture, f"picture-{name}") for name, picture in context[kind].items()]
        for kind in ("interactive", "fixed")
    }
    environment = Environment(
        loader=PackageLoader("bayescale.report", "page"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("report.html.j2").render(
        {
            **context,
            "style": _markup((texts / "style.css").read_text("utf-8")),
            "scripts": [_markup(script) for script in scripts],
            "hashes": _markup(" ".join(_hash(script) for script in scripts)),
            "posterior": htmlsafe_json_dumps(context["posterior"]),
            "pictures": htmlsafe_json_dumps(items),
        }
    )


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _markup(text: str) -> Any:
    """Mark our own text or base64 as safe for the template. Never pass text from data."""
    from markupsafe import Markup

    return Markup(text)
