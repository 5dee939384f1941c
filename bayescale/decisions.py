"""The verbs of a posterior that answer a decision: what to expect, what it takes, and what to measure next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from bayescale._display import working
from bayescale._intervals import PROB
from bayescale.inference.defaults import seed_or_new
from bayescale.inference.posterior import PosteriorData

if TYPE_CHECKING:
    from bayescale.analysis.benchmark_selection import BenchmarkSuggestion
    from bayescale.analysis.compute_optimal import ComputeOptimal
    from bayescale.analysis.model_selection import Suggestion
    from bayescale.analysis.progress import Progress
    from bayescale.analysis.required_compute import RequiredCompute
    from bayescale.analysis.suggestion import Cost
    from bayescale.analysis.training_compute import TrainingCompute
    from bayescale.analysis.when import Crossing
    from bayescale.forecast import Forecast
    from bayescale.forecast.prediction import Prediction


class Decisions(PosteriorData):
    """Verbs of `bayescale.Posterior`, beside those of `bayescale.methods`."""

    def predict(
        self,
        models: Sequence[str] | str | None = None,
        benchmarks: Sequence[str] | str | None = None,
        *,
        setting: str | Mapping[str, str] | None = None,
        random_seed: int | None = None,
    ) -> Prediction:
        """Predict scores of models of the data, on benchmarks with a score and without one.

        Parameters
        ----------
        models, benchmarks : str, or sequence of str, optional
            Names of the data; default all.
        setting : str, or mapping of str to str, optional
            How scores are measured, as in `forecast`.
        random_seed : int, optional
            Seed of the observation noise, as in `forecast`.

        Returns
        -------
        Prediction
            Draws with dims ``(chain, draw, model, benchmark)``, of expected and of measured scores. All models of a
            large table take memory: 16 bytes a draw, model and benchmark.

        Raises
        ------
        ForecastError
            For models or benchmarks that are not in the data.

        Examples
        --------
        >>> posterior.predict(["microsoft/phi-2"], ["MMLU", "GSM8K"]).summary()["benchmark"].tolist()
        ['MMLU', 'GSM8K']
        >>> posterior.predict().imputed().shape  # observed scores, and medians where there is none
        (36, 10)
        """
        from bayescale.forecast.prediction import predict_models

        with working("Predicting scores"):
            return predict_models(self, models, benchmarks, setting, random_seed)

    def compute(self) -> TrainingCompute:
        """Return the training compute of every model of the data, disclosed or not, with intervals.

        See `bayescale.TrainingCompute`.

        Raises
        ------
        ForecastError
            For a spec without compute.

        Examples
        --------
        >>> posterior.compute().summary()[["model", "median", "lower", "upper"]].shape
        (36, 4)
        """
        from bayescale.analysis.training_compute import training_compute

        return training_compute(self)

    def progress(self) -> Progress:
        """Estimate what a year brings at equal compute, in decades of compute and in logits; see `bayescale.Progress`.

        Raises
        ------
        ForecastError
            For a spec without dates or with other measures of size than compute, or fewer than three dated models.

        Examples
        --------
        >>> list(posterior_of_dates.progress().models)
        ['all', 'frontier', 'open weights']
        """
        from bayescale.analysis.progress import compute_progress

        return compute_progress(self)

    def when(
        self,
        benchmark: str,
        above: float,
        organization: str | Sequence[str] | None = None,
        *,
        random_seed: int | None = None,
    ) -> Crossing:
        """Find the date at which the expected score of the best model crosses a threshold.

        See `bayescale.Crossing`.

        Parameters
        ----------
        benchmark : str
        above : float
            The score to cross, between chance and ceiling.
        organization : str, or sequence of str, optional
            Whose models: families of the data, which are makers by the spec ``dated``. Default: all that released a
            model within the last twelve months of the data.
        random_seed : int, optional
            Seed of the models to come.

        Raises
        ------
        ForecastError
            For unknown names, a score that is not between chance and ceiling, or a spec that knows no dates, or nothing
            of the compute of models to come (``compute_from``).

        Examples
        --------
        >>> posterior_of_dates.when("MMLU", 0.9, random_seed=1).draws["year"].dims
        ('draw',)
        """
        from bayescale.analysis.when import when_crossed

        return when_crossed(self, benchmark, above, organization, random_seed)

    def required_compute(
        self,
        benchmark: str,
        above: float,
        family: str | Sequence[str] | None = None,
        *,
        probability: float = PROB,
        random_seed: int | None = None,
    ) -> RequiredCompute:
        """Find the compute with which one model measures above a score, with a given probability.

        The score that a budget attains is a `forecast`. See `bayescale.RequiredCompute`.

        Parameters
        ----------
        benchmark : str
        above : float
            The score to exceed, in (0, 1).
        family : str, or sequence of str, optional
            Families of the data, or `bayescale.NEW_FAMILY`; default the one with the most models.
        probability : float
            Wanted probability that the measured score of one model exceeds `above`.
        random_seed : int, optional
            Seed of the residual of a single model, as in `emergence`.

        Raises
        ------
        ForecastError
            For unknown names, a score that is not between floor and ceiling, a `probability` outside (0, 1), or a spec
            with other covariates than compute.

        Examples
        --------
        >>> import bayescale as bs
        >>> required = posterior.required_compute("MMLU", 0.8, ["Llama-3", bs.NEW_FAMILY])
        >>> required.summary()["family"].tolist()
        ['Llama-3', 'new family']
        """
        from bayescale.analysis.required_compute import compute_required

        return compute_required(self, benchmark, above, family, probability, random_seed)

    def compute_optimal(
        self,
        flops: float,
        family: str,
        benchmarks: Sequence[str] | str | None = None,
        *,
        tokens_per_param: Sequence[float] | None = None,
        random_seed: int | None = None,
    ) -> ComputeOptimal:
        """Find parameters and training tokens with which a compute budget attains the highest expected scores.

        For specs with the covariates log10_params, log10_tokens and their interaction; see `bayescale.ComputeOptimal`.

        Parameters
        ----------
        flops : float
            The budget: 6 x parameters x tokens.
        family : str
            A family of the data, or `bayescale.NEW_FAMILY`.
        benchmarks : str, or sequence of str, optional
            Benchmarks whose mean score to maximise; default all.
        tokens_per_param : sequence of float, optional
            Splits to compare; default: 41 over the range of the models of the data.
        random_seed : int, optional
            Seed of the residual of the model.

        Raises
        ------
        ForecastError
            For a spec without these covariates, unknown names, or implausible sizes.

        Examples
        --------
        >>> posterior_of_sizes.compute_optimal(1e24, "Llama-2", "MMLU").summary()["quantity"].tolist()
        ['params', 'tokens', 'tokens_per_param', 'MMLU']
        """
        from bayescale.analysis.compute_optimal import optimise_compute

        return optimise_compute(self, flops, family, benchmarks, tokens_per_param, random_seed)

    def suggest_models(
        self,
        budget: float,
        target: str | None = None,
        *,
        candidates: Iterable[str] | None = None,
        families: Iterable[str] | None = None,
        forecast_models: Iterable[str] | None = None,
        cost: Cost = None,
        random_seed: int | None = None,
    ) -> Suggestion:
        """Choose the few models to evaluate on a new benchmark that minimise the forecast variance of others.

        Bayesian V-optimal design (`bayescale.analysis.optimal_design`), on at most 1,000 draws and 200 benchmarks.

        Parameters
        ----------
        budget : float
            Number of models; with `cost`, the sum of costs.
        target : str, optional
            A benchmark of the data, treated as not yet evaluated. Default: a new one, drawn from the population.
        candidates, families : iterable of str, optional
            Models of the data that could be evaluated, and their families. Default: all.
        forecast_models : iterable of str, optional
            Models of the data to forecast. Default: those that are not candidates, or all if all are.
        cost : str or mapping of str to float, optional
            Cost of evaluating a model: a column of the models, such as ``"params_b"``, or numbers by model; default 1.
        random_seed : int, optional
            Seed of the simulated benchmarks, as in `forecast`.

        Raises
        ------
        ForecastError
            For unknown names, a budget that buys no model, or a candidate without a cost.

        Examples
        --------
        >>> posterior.suggest_models(3).table.columns.tolist()
        ['order', 'model', 'family', 'params_b', 'flops', 'cost', 'total_cost', 'variance_left', 'forecast_sd']
        """
        from bayescale.analysis.model_selection import choose_models, read_problem

        problem = read_problem(self.evals, budget, target, candidates, families, forecast_models, cost)
        self.convergence.warn_unless_converged("This choice comes")
        with working("Selecting models"):
            return choose_models(self, problem, seed_or_new(random_seed))

    def suggest_benchmarks(
        self,
        forecast: Forecast,
        budget: float,
        *,
        targets: Iterable[str] | None = None,
        candidates: Iterable[str] | None = None,
        cost: Cost = None,
    ) -> BenchmarkSuggestion:
        """Choose the benchmarks to run next on a model, which minimise the variance of its scores on the others.

        Parameters
        ----------
        forecast : Forecast
            Of one model: a `forecast` of a new one, given what is known of it, or a `predict` of one of the data.
        budget : float
            Number of benchmarks; with `cost`, the sum of costs.
        targets, candidates : iterable of str, optional
            Benchmarks whose scores to forecast, and those that could be run. Default: all without a known score.
        cost : str or mapping of str to float, optional
            Cost of a benchmark: a column of the benchmarks, such as ``"items"``, or numbers by name; default 1.

        Raises
        ------
        ForecastError
            For several models, unknown names, a budget that buys nothing, or a candidate without a cost.

        Examples
        --------
        >>> forecast = posterior.forecast("Llama-3", 4e25, given={"MMLU": 0.86}, random_seed=1)
        >>> posterior.suggest_benchmarks(forecast, 2, targets=["GSM8K"]).table.columns.tolist()
        ['order', 'benchmark', 'cost', 'total_cost', 'variance_left', 'forecast_sd']
        """
        from bayescale.analysis.benchmark_selection import choose_benchmarks

        return choose_benchmarks(forecast, budget, targets, candidates, cost)
