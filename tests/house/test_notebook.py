"""Display of values in notebooks and at the prompt."""

from __future__ import annotations

from html.parser import HTMLParser

import pandas as pd
import pytest

import bayescale as bs
from bayescale import Evals, Posterior
from bayescale._display import MOST_ROWS, as_html
from bayescale.checks import PriorPredictive
from bayescale.evaluation.backtest import Backtest

EVIL = '<script>alert("x")</script>'
ALLOWED = {"div", "style", "p", "b", "small", "code", "table", "thead", "tbody", "tr", "th", "td"}


class Reader(HTMLParser):
    """Tags in order, all balanced, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] != "style":
            self.text.append(data)


@pytest.fixture(scope="module")
def values(posterior: Posterior, evals: Evals, prior: PriorPredictive, result: Backtest) -> dict:
    first, second = evals.benchmark_names[:2]
    one = {"family": "Family-B", "flops": 1e25}
    return {
        "evals": evals,
        "spec": posterior.spec,
        "posterior": posterior,
        "convergence": posterior.convergence,
        "forecast": posterior.forecast(**one, random_seed=0),
        "forecast given": posterior.forecast(**one, given={first: 0.6}, random_seed=0),
        "forecasts": posterior.forecast(family=["Family-A", "Family-B"], flops=1e25, random_seed=0),
        "many forecasts": posterior.forecast(family="Family-A", flops=[10**x for x in range(20, 28)], random_seed=0),
        "efficiency": posterior.efficiency(),
        "emergence": posterior.emergence(first, random_seed=0),
        "uplift": posterior.uplift(first, baseline=second, random_seed=0),
        "explained": posterior.explained_variance(first, [second], **one, random_seed=0),
        "suggestion": posterior.suggest_models(2, random_seed=0),
        "factors": posterior.factors,
        "check": posterior.predictive_check(draws=50, random_seed=0),
        "prior": prior,
        "backtest": result,
    }


NAMES = [
    "evals", "spec", "posterior", "convergence", "forecast", "forecast given", "forecasts", "many forecasts",
    "efficiency", "emergence", "uplift", "explained", "suggestion", "factors", "check", "prior", "backtest",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_value_shows_itself(name: str, values: dict) -> None:
    value = values[name]
    text = repr(value)
    read = Reader(value._repr_html_())
    # Plain HTML that fetches nothing, and begins as the text does.
    assert read.tags <= ALLOWED
    assert read.attributes <= {"class", "colspan"}
    assert " ".join(text.split()).startswith(read.text[0].strip())
    assert "table" in read.tags
    assert "nan" not in [word.lower() for word in read.text]
    # At a prompt it is a screenful of words, not of Python.
    assert len(text.splitlines()) <= 20
    assert "object at 0x" not in text
    assert "Next: " in text or name in ("evals", "convergence")


def test_a_forecast_shows_its_numbers(values: dict) -> None:
    forecast = values["forecasts"]
    shown = forecast._repr_html_()
    for row in forecast.summary().itertuples():
        assert f"{row.median:.2f} [{row.lower:.2f}, {row.upper:.2f}]" in shown
    assert "90% equal-tailed credible interval" in values["forecast"]._repr_html_()
    assert '<td class="t">0.6</td>' in values["forecast given"]._repr_html_()


def test_a_posterior_says_whether_it_converged(posterior: Posterior) -> None:
    import dataclasses

    assert "Converged." in posterior._repr_html_()
    not_converged = posterior.convergence.model_copy(update={"converged": False, "problems": ("Use more <draws>.",)})
    shown = dataclasses.replace(posterior, convergence=not_converged)._repr_html_()
    assert "NOT converged" in shown
    assert "• Use more &lt;draws&gt;." in shown


def test_names_out_of_the_data_never_run(posterior: Posterior) -> None:
    models = pd.DataFrame({"model": [EVIL, "b"], "family": [EVIL, "$x$"], "flops": [1e22, 1e23]})
    benchmarks = pd.DataFrame({"benchmark": [EVIL], "items": [100]})
    scores = pd.DataFrame({"model": [EVIL, "b"], "benchmark": EVIL, "score": [0.4, 0.5]})
    evals = Evals(models, benchmarks, scores, name=EVIL)
    spec = bs.Spec(name=EVIL, title=EVIL)
    for value in (evals, spec):
        shown = value._repr_html_()
        assert "<script" not in shown
        assert EVIL in "".join(Reader(shown).text)
    shown = as_html(EVIL, pd.DataFrame({EVIL: [EVIL]}, index=pd.Index([EVIL], name=f"{EVIL}2")), EVIL)
    assert "<script" not in shown
    assert Reader(shown).text == [EVIL, EVIL, f"{EVIL}2", EVIL, EVIL, EVIL]
    # Neither is `$` a formula.
    assert "tex2jax_ignore" in shown


def test_a_long_table_shows_its_ends() -> None:
    table = pd.DataFrame({"number": range(100)})
    read = Reader(as_html("Numbers", table))
    shown = [int(word) for word in read.text if word.isdigit()]
    half = MOST_ROWS // 2
    assert shown == [*range(half), *range(100 - half, 100)]
    assert f"… {100 - MOST_ROWS} more" in read.text


def test_an_empty_table_is_not_an_error() -> None:
    assert Reader(as_html("None", pd.DataFrame({"prob": [], "interval": []}))).text == ["None", "prob", "interval"]
