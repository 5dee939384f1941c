"""Which models to evaluate next: the choice, what it is expected to tell, and what any other choice would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale._display import as_html
from bayescale._intervals import KIND, PROB
from bayescale.analysis.conditional_logits import Law
from bayescale.analysis.optimal_design import Design
from bayescale.analysis.predictive_moments import look_ahead
from bayescale.errors import ChoosingError, percentage_hint, suggest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.evals import Evals
    from bayescale.inference.posterior import PosteriorData

Cost = str | Mapping[str, float] | None


@dataclass(frozen=True, eq=False, repr=False)
class Suggestion:
    """Models to evaluate on a benchmark, so that the scores of others on it are foreseen best.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per chosen model, those that tell most first: ``order, model, family, params_b`` (10^9), ``flops``
        (FLOP), ``cost, total_cost`` (so far), ``variance_left`` (expected variance of the forecasts once it and those
        before it are evaluated, as a share of the variance before any is) and ``forecast_sd`` (square root of that
        variance, in units of score).
    target : str or None
        The benchmark of the data that the choice is for, None for a new one.
    candidates, forecast : tuple of str
        The models that could be chosen, and those whose scores are to be known.
    budget : float
        Number of models, or sum of costs.
    cost : str
        What `budget` counts: ``models``, a column of the table of models, or ``cost`` for costs of one's own.
    design : Design
    posterior : PosteriorData

    Examples
    --------
    >>> suggestion = posterior.suggest_models(4)
    >>> len(suggestion.models)
    4
    >>> chosen, others = suggestion.models, ["Qwen/Qwen1.5-4B", "microsoft/phi-2"]
    >>> suggestion.variance_left(chosen) < suggestion.variance_left(others)
    True
    """

    table: pd.DataFrame
    target: str | None
    candidates: tuple[str, ...]
    forecast: tuple[str, ...]
    budget: float
    cost: str
    design: Design
    posterior: PosteriorData

    @property
    def models(self) -> list[str]:
        """Names of the chosen models, those that tell most first."""
        return self.table["model"].tolist()

    def variance_left(self, models: Iterable[str]) -> float:
        """Expected variance of the forecasts once these candidates are evaluated, as a share of that before any is.

        Raises
        ------
        ChoosingError
            For a model that is no candidate.

        Examples
        --------
        >>> suggestion = posterior.suggest_models(4)
        >>> suggestion.least <= suggestion.variance_left(["Qwen/Qwen1.5-4B", "microsoft/phi-2"]) <= 1
        True
        """
        names = [models] if isinstance(models, str) else list(dict.fromkeys(models))
        for name in names:
            if name not in self.candidates:
                raise ChoosingError(suggest(str(name), self.candidates, "model among the candidates"))
        return self.design.variance([self.candidates.index(name) for name in names]) / self.design.variance([])

    @cached_property
    def least(self) -> float:
        """Share of the variance that would be left if all candidates were evaluated: what they can't tell."""
        return self.variance_left(self.candidates)

    def foresee(self, scores: Mapping[str, float], chance: float = 0.0, prob: float = PROB) -> pd.DataFrame:
        """Foresee the scores of the models to forecast from those that were measured, without a fit.

        A quick look, in closed form (`bayescale.analysis.conditional_logits`): floor, shape and precision of the
        benchmark are taken for known, its own if it is in the data, else those that the priors expect. For intervals to
        report, add the scores to the data and fit again.

        Parameters
        ----------
        scores : mapping of str to float
            Scores on the benchmark, in [0, 1], of candidates or models to forecast; not only of those suggested.
        chance : float
            What a guesser scores on it, for a new benchmark.
        prob : float
            Probability content of the intervals.

        Returns
        -------
        pandas.DataFrame
            ``model, family, mean, median, lower, upper, prob, interval`` of the expected scores, one row per model to
            forecast.

        Raises
        ------
        ChoosingError
            For an unknown model, a score or a chance that is no share, or no scores.

        Examples
        --------
        >>> suggestion = posterior.suggest_models(2, families=["Llama-2", "Qwen1.5"])
        >>> foreseen = suggestion.foresee({"Qwen/Qwen1.5-4B": 0.54, "meta-llama/Llama-2-7b-hf": 0.15})
        >>> foreseen.columns.tolist()
        ['model', 'family', 'mean', 'median', 'lower', 'upper', 'prob', 'interval']
        """
        models = list(dict.fromkeys([*self.candidates, *self.forecast]))
        if not scores:
            raise ChoosingError("There is no score to learn from: give scores={model: score, ...}.")
        for name, value in {**scores, "chance": chance}.items():
            if name != "chance" and name not in models:
                raise ChoosingError(suggest(str(name), models, "model among the candidates and those to forecast"))
            if not 0 <= value <= 1:
                raise ChoosingError(f"{name}: {value:g} is not between 0 and 1.{percentage_hint(value)}")
        benchmark = None if self.target is None else self.posterior.evals.benchmark_names.index(self.target)
        rows = np.array([models.index(name) for name in scores])
        law = Law.ahead(self.design.outlook, self.posterior, benchmark, chance)
        law = law.given(rows, np.array(list(scores.values()), dtype=float))
        lower, middle, upper = law.interval(prob)
        family = self.posterior.evals.models.set_index("model")["family"]
        columns = {"mean": law.expected_scores(), "median": middle, "lower": lower, "upper": upper}
        table = pd.DataFrame({"model": models, "family": family[models].to_numpy(), **columns})
        return table[self.design.first :].assign(prob=prob, interval=KIND).reset_index(drop=True)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the share of variance left after each model; see `bayescale.plots.plot_suggestion`.

        Examples
        --------
        >>> posterior.suggest_models(4).plot().figure.savefig("suggestion.png")
        """
        from bayescale.plots import plot_suggestion

        return plot_suggestion(self, ax=ax)

    def __repr__(self) -> str:
        chosen, width = self.table, max(map(len, self.models))
        shown = chosen if len(chosen) <= 16 else chosen[:16]
        lines = [f"  {row.order:3d}  {row.model:{width}s}  {row.variance_left:6.1%} left" for row in shown.itertuples()]
        if len(shown) < len(chosen):
            lines.append(f"  ...  {len(chosen) - len(shown)} more in .table")
        what = "a new benchmark" if self.target is None else self.target
        spent = "" if self.cost == "models" else f", {chosen['cost'].sum():.4g} of {self.budget:.4g} in {self.cost}"
        head = (
            f"Suggestion for {what}: evaluate {len(chosen)} of {len(self.candidates)} models{spent}. Of the variance "
            f"with which scores of {len(self.forecast)} models are foreseen, {chosen['variance_left'].iloc[-1]:.1%} is "
            f"left (all candidates: {self.least:.1%}):"
        )
        return "\n".join(
            [head, *lines, "Next: suggestion.plot(); evaluate them; suggestion.foresee(scores), or fit again"]
        )

    def _repr_html_(self) -> str:
        return as_html(repr(self), self.table)


@dataclass(frozen=True)
class Question:
    """What is to be chosen, checked: whom from, for whom, for which benchmark, at what cost."""

    target: str | None
    candidates: list[str]
    forecast: list[str]
    budget: float
    cost: str
    costs: pd.Series


def read_question(
    evals: Evals,
    budget: float,
    target: str | None,
    candidates: Iterable[str] | None,
    families: Iterable[str] | None,
    forecast: Iterable[str] | None,
    cost: Cost,
) -> Question:
    """Check the arguments of `Posterior.suggest_models`.

    Raises
    ------
    ChoosingError
        For unknown names, a budget that buys no model, or a candidate without a cost.
    """
    if target is not None and target not in evals.benchmark_names:
        message = suggest(str(target), evals.benchmark_names, "benchmark in the data")
        raise ChoosingError(f"{message} For a new benchmark leave target out.")
    chosen_from = _candidates(evals, candidates, families)
    wanted = _forecast(evals.model_names, chosen_from, forecast)
    called, costs = _costs(evals, chosen_from, cost)
    return Question(target, chosen_from, wanted, _budget(budget, called, costs), called, costs)


def choose_models(posterior: PosteriorData, question: Question, random_seed: int) -> Suggestion:
    """Choose models; `Posterior.suggest_models` documents what is asked."""
    evals, wanted, asked = posterior.evals, set(question.forecast), set(question.candidates)
    # Candidates first, and those that are only to be forecast last: slices instead of copies.
    alone = [m for m in question.candidates if m not in wanted]
    candidates = alone + [m for m in question.candidates if m in wanted]
    models = candidates + [m for m in question.forecast if m not in asked]
    rows = np.array([evals.model_names.index(m) for m in models])
    target = None if question.target is None else evals.benchmark_names.index(question.target)
    design = Design(look_ahead(posterior, rows, target, random_seed), len(candidates), len(alone))
    numbers = design.choose(question.costs[candidates].to_numpy(float), question.budget)
    return Suggestion(
        table=_table(evals, design, [candidates[i] for i in numbers], numbers, question.costs),
        target=question.target,
        candidates=tuple(candidates),
        forecast=tuple(models[len(alone) :]),
        budget=question.budget,
        cost=question.cost,
        design=design,
        posterior=posterior,
    )


def _candidates(evals: Evals, candidates: Iterable[str] | None, families: Iterable[str] | None) -> list[str]:
    names = evals.model_names
    chosen = set(names) if candidates is None else _known(candidates, names, "model")
    wanted = set(evals.families) if families is None else _known(families, evals.families, "family")
    models = evals.models
    kept = models["model"][models["model"].isin(chosen) & models["family"].isin(wanted)].tolist()
    if not kept:
        raise ChoosingError("No model is left to choose from: none of the candidates belongs to the families given.")
    return kept


def _forecast(names: list[str], candidates: list[str], forecast: Iterable[str] | None) -> list[str]:
    rest = set(names) - set(candidates) or set(names)
    wanted = rest if forecast is None else _known(forecast, names, "model")
    if not wanted:
        raise ChoosingError("forecast is empty: name the models whose scores are to be known, or leave it out.")
    return [name for name in names if name in wanted]


def _known(given: Iterable[str], known: list[str], what: str) -> set[str]:
    chosen = {given} if isinstance(given, str) else set(given)
    if unknown := sorted(str(name) for name in chosen - set(known)):
        messages = [suggest(name, known, f"{what} in the fitted data") for name in unknown[:5]]
        more = [f"And {len(unknown) - 5} more that are unknown."] if len(unknown) > 5 else []
        raise ChoosingError("\n".join([*messages, *more]))
    return chosen


def _costs(evals: Evals, candidates: list[str], cost: Cost) -> tuple[str, pd.Series]:
    """What a budget counts, and the costs of the candidates by name."""
    models = evals.models.set_index("model").loc[candidates]
    if cost is None:
        return "models", pd.Series(1.0, index=candidates)
    if isinstance(cost, str):
        numeric = models.select_dtypes("number").columns
        if cost not in numeric:
            raise ChoosingError(suggest(cost, numeric, "column of numbers in the table of models"))
        called, values = cost, models[cost].astype(float)
    else:
        called, values = "cost", pd.Series({m: cost.get(m, np.nan) for m in candidates}, dtype=float)
    wrong = [f"{m} ({values[m]:g})" for m in candidates if not (np.isfinite(values[m]) and values[m] > 0)]
    if wrong:
        shown = ", ".join(wrong[:8]) + (f" and {len(wrong) - 8} more" if len(wrong) > 8 else "")
        raise ChoosingError(
            f"A cost is needed for each candidate, above zero; {len(wrong)} have none: {shown}. Leave them out of "
            "candidates, or give cost={model: number, ...}."
        )
    return called, values


def _budget(budget: float, called: str, costs: pd.Series) -> float:
    try:
        value = float(budget)
    except (TypeError, ValueError):
        raise ChoosingError(f"budget={budget!r} is not a number.") from None
    if not value >= costs.min():
        unit = "models" if called == "models" else f"of {called}"
        raise ChoosingError(
            f"budget={value:g} {unit} buys no model: the cheapest, {costs.idxmin()}, costs {costs.min():g}."
        )
    return value


def _table(evals: Evals, design: Design, names: list[str], numbers: list[int], costs: pd.Series) -> pd.DataFrame:
    models = evals.models.set_index("model").loc[names]
    left = np.array([design.variance(numbers[: i + 1]) for i in range(len(numbers))])
    paid = costs[names].to_numpy(float)
    return pd.DataFrame(
        {
            "order": np.arange(1, len(names) + 1),
            "model": names,
            "family": models["family"].to_numpy(),
            "params_b": models["params_b"].to_numpy(float),
            "flops": models["flops"].to_numpy(float),
            "cost": paid,
            "total_cost": np.cumsum(paid),
            "variance_left": left / design.variance([]),
            "forecast_sd": np.sqrt(left),
        }
    )
