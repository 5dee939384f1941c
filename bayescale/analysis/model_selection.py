"""Suggest which models to evaluate on a benchmark, with the forecast variance that remains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale._intervals import PROB, with_interval
from bayescale.analysis.optimal_design import Design
from bayescale.analysis.predictive_moments import ConditionalLogits, predict_moments
from bayescale.analysis.suggestion import Cost, DesignChoice, Names, choose, read_budget, read_costs
from bayescale.errors import ForecastError, percentage_hint, require_names, suggest
from bayescale.evals import load_evals
from bayescale.inference.defaults import seed_or_new

if TYPE_CHECKING:
    from bayescale.evals import Evals
    from bayescale.inference.posterior import PosteriorData
    from bayescale.model.spec import Spec


@dataclass(frozen=True, eq=False, repr=False)
class Suggestion(DesignChoice):
    """Models to evaluate on a benchmark, chosen to minimise the forecast variance of the others.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per chosen model, most informative first: ``order, model, family, params_b`` (10^9), ``flops``
        (FLOP), ``cost, total_cost`` (so far), ``variance_left`` (expected variance of the forecasts once it and those
        before it are evaluated, as a share of the variance before any is) and ``forecast_sd`` (square root of that
        variance, in units of score).
    target : str or None
        The benchmark of the data that the choice is for, None for a new one.
    candidates, forecast_models : tuple of str
        The models that could be chosen, and those whose scores are forecast.
    budget : float
        Number of models, or sum of costs.
    cost : str
        What `budget` counts: ``models``, a column of the table of models, or ``cost`` for costs of one's own.
    design : Design
    posterior : PosteriorData
    random_seed : int
        Seed of the simulated benchmarks.

    Examples
    --------
    >>> suggestion = posterior.suggest_models(4)
    >>> len(suggestion.models)
    4
    >>> chosen, others = suggestion.models, ["Qwen/Qwen1.5-4B", "microsoft/phi-2"]
    >>> suggestion.variance_left(chosen) < suggestion.variance_left(others)
    True
    """

    kind = "model"

    table: pd.DataFrame
    target: str | None
    candidates: tuple[str, ...]
    forecast_models: tuple[str, ...]
    budget: float
    cost: str
    design: Design
    posterior: PosteriorData
    random_seed: int

    @property
    def models(self) -> list[str]:
        """Names of the chosen models, most informative first."""
        return self.table["model"].tolist()

    def variance_left(self, models: Iterable[str]) -> float:
        """Return the forecast variance that remains once these candidates are evaluated, as a share of that before.

        Raises
        ------
        ForecastError
            For a model that is no candidate.

        Examples
        --------
        >>> suggestion = posterior.suggest_models(4)
        >>> suggestion.least <= suggestion.variance_left(["Qwen/Qwen1.5-4B", "microsoft/phi-2"]) <= 1
        True
        """
        return self._share_left(models)

    @property
    def titles(self) -> tuple[str, str]:
        """Title of a plot, and what the variance is of."""
        what = "a new benchmark" if self.target is None else self.target
        return f"Which models to evaluate on {what}", f"{len(self.forecast_models)} models"

    def predict(self, scores: Mapping[str, float], chance_level: float = 0.0, *, prob: float = PROB) -> pd.DataFrame:
        """Predict the scores of the models to forecast from measured scores, in closed form, without a fit.

        A quick approximation (`bayescale.analysis.predictive_moments`): floor, shape and precision of the benchmark are
        fixed, at its own posterior means if it is in the data, else at prior means. For intervals to report, add the
        scores to the data and refit.

        Parameters
        ----------
        scores : mapping of str to float
            Scores on the benchmark, in [0, 1], of candidates or models to forecast; not only of those suggested.
        chance_level : float
            Expected score of guessing on it, for a new benchmark.
        prob : float

        Returns
        -------
        pandas.DataFrame
            ``model, family, mean, median, lower, upper`` of the expected scores, one row per model to forecast.

        Raises
        ------
        ForecastError
            For an unknown model, a score or chance level outside [0, 1], or no scores.

        Examples
        --------
        >>> suggestion = posterior.suggest_models(2, families=["Llama-2", "Qwen1.5"])
        >>> table = suggestion.predict({"Qwen/Qwen1.5-4B": 0.54, "meta-llama/Llama-2-7b-hf": 0.15})
        >>> table.columns.tolist()
        ['model', 'family', 'mean', 'median', 'lower', 'upper']
        """
        models = list(dict.fromkeys([*self.candidates, *self.forecast_models]))
        if not scores:
            raise ForecastError("There is no score to condition on: give scores={model: score, ...}.")
        require_names(scores, models, "model among the candidates and those to forecast")
        for name, value in {**scores, "chance_level": chance_level}.items():
            if not 0 <= value <= 1:
                raise ForecastError(f"{name}: {value:g} is not between 0 and 1.{percentage_hint(value)}")
        benchmark = None if self.target is None else self.posterior.evals.benchmark_names.index(self.target)
        rows = np.array([models.index(name) for name in scores])
        logits = ConditionalLogits.prior(self.design.moments, self.posterior, benchmark, chance_level)
        logits = logits.given(rows, np.array(list(scores.values()), dtype=float))
        lower, middle, upper = logits.interval(prob)
        family = self.posterior.evals.models.set_index("model")["family"]
        columns = {"mean": logits.expected_scores(), "median": middle, "lower": lower, "upper": upper}
        table = pd.DataFrame({"model": models, "family": family[models].to_numpy(), **columns})
        return with_interval(table[self.design.first :].reset_index(drop=True), prob)

    def _text(self, prob: float = PROB) -> str:
        chosen = self.table
        what = "a new benchmark" if self.target is None else self.target
        spent = "" if self.cost == "models" else f", {chosen['cost'].sum():.4g} of {self.budget:.4g} in {self.cost}"
        head = (
            f"Suggestion for {what}: evaluate {len(chosen)} of {len(self.candidates)} models{spent}. Evaluating these "
            f"{len(chosen)} leaves {chosen['variance_left'].iloc[-1]:.1%} of the forecast variance over all "
            f"{len(self.forecast_models)} models (all candidates: {self.least:.1%}):"
        )
        return "\n".join(
            [head, *self._lines(), "Next: suggestion.plot(); evaluate them; suggestion.predict(scores), or refit"]
        )


@dataclass(frozen=True)
class DesignProblem:
    """Checked arguments of a choice: benchmark, candidates, models to forecast, costs and budget."""

    target: str | None
    candidates: list[str]
    forecast_models: list[str]
    budget: float
    cost: str
    costs: pd.Series


def read_problem(
    evals: Evals, budget: float, target: str | None, candidates: Names, families: Names, forecast: Names, cost: Cost
) -> DesignProblem:
    """Check the arguments of `Posterior.suggest_models`, which documents the errors."""
    if target is not None and target not in evals.benchmark_names:
        message = suggest(str(target), evals.benchmark_names, "benchmark in the data")
        raise ForecastError(f"{message} For a new benchmark leave target out.")
    names, table = evals.model_names, evals.models
    of_families = table["family"].isin(_named(families, evals.families, "family"))
    chosen = _named(candidates, names, "model") & set(table["model"][of_families])
    if not chosen:
        raise ForecastError("No model is left to choose from: none of the candidates belongs to the given families.")
    wanted = (set(names) - chosen or set(names)) if forecast is None else _named(forecast, names, "model")
    if not wanted:
        raise ForecastError("forecast_models is empty: name the models whose scores to forecast, or leave it out.")
    offered = [name for name in names if name in chosen]
    unit, costs = read_costs(table.set_index("model"), offered, cost, "models")
    value = read_budget(budget, costs, unit, "model")
    to_forecast = [name for name in names if name in wanted]
    return DesignProblem(target, offered, to_forecast, value, unit, costs)


def choose_models(posterior: PosteriorData, problem: DesignProblem, random_seed: int) -> Suggestion:
    """Choose models to evaluate; `Posterior.suggest_models` documents the arguments."""
    evals, wanted, offered = posterior.evals, set(problem.forecast_models), set(problem.candidates)
    # Candidates first, and those that are only to be forecast last: slices instead of copies.
    alone = [m for m in problem.candidates if m not in wanted]
    candidates = alone + [m for m in problem.candidates if m in wanted]
    models = candidates + [m for m in problem.forecast_models if m not in offered]
    rows = np.array([evals.model_names.index(m) for m in models])
    target = None if problem.target is None else evals.benchmark_names.index(problem.target)
    design = Design(predict_moments(posterior, rows, target, random_seed), len(candidates), len(alone))
    chosen = choose(design, candidates, problem.costs, problem.budget)
    table = evals.models.set_index("model").loc[chosen.index, ["family", "params_b", "flops"]].join(chosen)
    columns = ["order", "model", *(name for name in table if name != "order")]
    return Suggestion(
        table=table.rename_axis("model").reset_index()[columns],
        target=problem.target,
        candidates=tuple(candidates),
        forecast_models=tuple(models[len(alone) :]),
        budget=problem.budget,
        cost=problem.cost,
        design=design,
        posterior=posterior,
        random_seed=random_seed,
    )


def suggest_models(
    evals: Evals | str,
    budget: float,
    target: str | None = None,
    *,
    candidates: Names = None,
    families: Names = None,
    forecast_models: Names = None,
    cost: Cost = None,
    spec: Spec | str = "default",
    random_seed: int | None = None,
) -> Suggestion:
    """Fit `spec` to `evals`, and choose the models to evaluate on a benchmark.

    The same as ``bayescale.fit(spec, evals, random_seed=...).suggest_models(budget, ...)``.

    Parameters
    ----------
    evals : Evals or str
        Tables, or the name of a set that ships.
    budget, target, candidates, families, forecast_models, cost
        See `Posterior.suggest_models`.
    spec : Spec or str
        A spec, or the name of one that ships.
    random_seed : int, optional
        Seed of the sampler, and of the simulated benchmarks. None draws a new one; the result records it.

    Examples
    --------
    >>> import bayescale as bs
    >>> bs.suggest_models(bs.load_evals("base-llms"), budget=8)  # doctest: +SKIP
    """
    from bayescale.inference import sample

    evals = load_evals(evals)
    problem = read_problem(evals, budget, target, candidates, families, forecast_models, cost)
    random_seed = seed_or_new(random_seed)
    posterior = sample.fit(spec, evals, random_seed=random_seed)
    return choose_models(posterior, problem, random_seed)


def _named(given: Names, names: list[str], what: str) -> set[str]:
    """Check names, all at once; None for all of them."""
    chosen = set(names) if given is None else {given} if isinstance(given, str) else set(given)
    require_names(sorted(chosen, key=str), names, f"{what} in the fitted data")
    return chosen
