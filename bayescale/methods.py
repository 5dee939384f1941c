"""The facade: `Posterior` with its verbs, and `fit`, which makes one.

The verbs on efficiency (section 3.3), emergence (4.1), what plain benchmarks tell of agents (4.2), uplift of
post-training (4.3) and choosing models (5) are the findings of Ruan, Maddison & Hashimoto (2024, arXiv:2405.10938).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bayescale._display import working
from bayescale._intervals import PROB
from bayescale.analysis.compute_equivalent import ALONG, Along, Of
from bayescale.inference import sample
from bayescale.inference.defaults import REPORT_DRAWS
from bayescale.inference.posterior import PosteriorData

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from bayescale.analysis.efficiency import Efficiency
    from bayescale.analysis.emergence import Emergence
    from bayescale.analysis.explained_variance import Information
    from bayescale.analysis.factors import Factors
    from bayescale.analysis.model_selection import Cost, Suggestion
    from bayescale.analysis.uplift import Gain
    from bayescale.checks import PredictiveCheck
    from bayescale.evals import Evals
    from bayescale.forecast import Forecast
    from bayescale.model.spec import Spec


@dataclass(frozen=True, eq=False, repr=False)
class Posterior(PosteriorData):
    """A sampled posterior; made by `bayescale.fit` or `Posterior.load`.

    Attributes
    ----------
    idata : arviz.InferenceData or xarray.DataTree
        The container of the installed ArviZ: InferenceData of ArviZ 0.23 (Python 3.11), DataTree of ArviZ 1.
        Groups ``posterior``, ``sample_stats``, ``observed_data`` (scores, NaN where there is none), ``constant_data``;
        everything that ArviZ does works on it. Single loadings are identified up to a rotation of the factors: read
        `loadings` and `capabilities`, which are aligned.
    spec : Spec
    evals : Evals
    verdict : Verdict
        What the convergence diagnostics said after sampling.
    sampling : dict
        Sampler, seed, draws and seconds.

    Examples
    --------
    >>> import bayescale as bs
    >>> posterior = bs.fit("default", bs.load_evals("base-llms"), random_seed=1)  # doctest: +SKIP
    >>> forecast = posterior.forecast(family="Llama-3", flops=4e25)
    >>> forecast.summary(prob=0.9).columns.tolist()
    ['model', 'family', 'benchmark', 'mean', 'median', 'lower', 'upper', 'prob', 'interval', 'given']
    >>> posterior.save("posterior.nc").name
    'posterior.nc'
    >>> posterior = bs.Posterior.load("posterior.nc")
    """

    @classmethod
    def of(cls, data: PosteriorData) -> Posterior:
        """Return the posterior of these data.

        Examples
        --------
        >>> import bayescale as bs
        >>> bs.Posterior.of(posterior).identity == posterior.identity
        True
        """
        return cls(**{field.name: getattr(data, field.name) for field in fields(data)})

    @cached_property
    def factors(self) -> Factors:
        """The capabilities in one orientation over all draws, with suggested names (`bayescale.analysis.factors`)."""
        from bayescale.analysis.factors import align

        return align(self)

    def capabilities(self) -> xr.DataArray:
        """Capabilities of the fitted models, aligned over draws.

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw, model, factor)``, in units of the sd of models of one family and compute. The
            coordinate ``suggested`` names the factors; `factors` says how well each is known.

        Examples
        --------
        >>> posterior.capabilities().sizes["factor"]
        8
        >>> posterior.capabilities().sel(factor="F1").median(("chain", "draw")).to_series().shape  # one figure a model
        (36,)
        """
        return self.factors.capabilities

    def loadings(self) -> xr.DataArray:
        """Loadings of the benchmarks, aligned over draws.

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw, benchmark, factor)``, in logits per unit of capability.

        Examples
        --------
        >>> posterior.loadings().median(("chain", "draw")).to_pandas().shape  # benchmarks, factors
        (10, 8)
        """
        return self.factors.loadings

    def forecast(
        self,
        family: str | Sequence[str] | None = None,
        flops: float | Sequence[float] | np.ndarray | None = None,
        *,
        params_b: float | Sequence[float] | None = None,
        tokens_t: float | Sequence[float] | None = None,
        given: Mapping[str, float] | None = None,
        random_seed: int | None = 0,
    ) -> Forecast:
        """Forecast the scores of new models.

        Parameters
        ----------
        family : str, or sequence of str
            A family of the data, or `bayescale.NEW_FAMILY` for one never seen, whose offsets are drawn from the
            population (all new models of one call belong to one such family).
        flops : float, or sequence of float
            Training compute in FLOP, such as ``4e25``.
        params_b, tokens_t : float, or sequence of float
            Parameters (10^9) and training tokens (10^12): for specs with those covariates, or instead of `flops`
            (compute = 6 x parameters x tokens).
        given : mapping of str to float, optional
            Scores of the new model that are known already, by benchmark: the forecast is conditioned on them.
            For one model at a time.
        random_seed : int, optional
            Seed of the residual and observation noise; the default gives the same numbers every time, ``None`` new
            ones.

        Returns
        -------
        Forecast
            Draws with dims ``(chain, draw, model, benchmark)``.

        Raises
        ------
        ForecastError
            For an unknown family or benchmark, or compute that is missing or not plausible.

        Examples
        --------
        >>> import bayescale as bs
        >>> forecast = posterior.forecast(family="Llama-3", flops=4e25)
        >>> forecast.draws["predicted_score"].dims
        ('chain', 'draw', 'model', 'benchmark')

        Several models at once, one of them of a family never seen; and one of which a score is known:

        >>> posterior.forecast(family=["Llama-3", bs.NEW_FAMILY], flops=[4e25, 1e26]).summary().shape
        (20, 10)
        >>> known = posterior.forecast(family="Llama-3", flops=4e25, given={"MMLU": 0.86})
        >>> known.given
        {'MMLU': 0.86}
        """
        from bayescale.forecast import make_forecast

        return make_forecast(
            self, family=family, flops=flops, params_b=params_b, tokens_t=tokens_t, given=given, random_seed=random_seed
        )

    def predictive_check(
        self, models: Literal["same", "new"] = "same", draws: int = 1000, random_seed: int = 0
    ) -> PredictiveCheck:
        """Posterior predictive check: replicate the observed scores and see where the observed ones lie among them.

        With the ``same`` models, a replication is what the very models of the data would score if measured again. Each
        score then checks a curve that it helped to fit, and the more so the more capabilities there are for the
        benchmarks of a model: expect PIT values too central and intervals that hold too much (under the default spec on
        `base-llms` the 50% intervals hold 82%). What the check finds in spite of that (too scattered, too high or low)
        is wrong; of noise that is a little too narrow or wide it tells little. With ``new`` models it is what others of
        the same families and compute would score, their residual capability and testlet effects drawn anew (mixed
        replication: Gelman, Meng & Stern 1996, Statistica Sinica 6): sharper about the model, and nearer to what
        forecasts need; families with few models still know their own. Only scores that were not fitted judge
        forecasts: see ``bayescale backtest``.

        Parameters
        ----------
        models : {"same", "new"}
        draws : int
            How many of the posterior's draws are used, evenly spread.
        random_seed : int
            Seed of the replications and of the randomised PIT.

        Returns
        -------
        PredictiveCheck
            With `summary` (per benchmark) and `plot`.

        Raises
        ------
        ForecastError
            When `models` is neither word, or `draws` not positive.

        Examples
        --------
        >>> check = posterior.predictive_check(draws=200)
        >>> check.summary()[["benchmark", "coverage_50", "coverage_90", "pit"]].shape
        (10, 4)
        """
        from bayescale.checks import predictive_check

        with working("Replicating the scores"):
            return predictive_check(self, models, draws, random_seed)

    def to_html(
        self,
        backtest: str | Path | None = None,
        draws: int = REPORT_DRAWS,
        prob: float = PROB,
        random_seed: int = 0,
    ) -> str:
        """Make one self-contained HTML page to send on: it needs no server, no network and no Python.

        It holds the verdict on convergence, the data, efficiency, capabilities, and a forecast that its reader can
        change: another family, other compute, known scores. The page computes it from a thinned set of the draws;
        `bayescale.report.live_forecast` gives the same numbers in Python.

        Parameters
        ----------
        backtest : str or pathlib.Path, optional
            Folder written by ``bayescale backtest``, to be shown as well.
        draws : int
            How many of the posterior's draws the page holds at most; fewer where the file would pass 5 MiB.
        prob : float
            Probability content of the intervals.
        random_seed : int
            Seed of what the page leaves to chance: the same one gives the same page.

        Returns
        -------
        str
            Write it as UTF-8: ``Path("report.html").write_text(posterior.to_html(), encoding="utf-8")``.

        Raises
        ------
        MissingDependencyError
            When Bokeh or Jinja is not installed.
        ReportError
            For too few draws, or data of which 50 draws do not fit into 5 MiB.
        BacktestError
            When `backtest` is no folder of a backtest.

        Examples
        --------
        >>> from pathlib import Path
        >>> page = posterior.to_html(draws=100)
        >>> Path("report.html").write_text(page, encoding="utf-8") < 5 * 2**20
        True
        """
        from bayescale.report import make_report

        with working("Making the page"):
            return make_report(self, backtest, draws, prob, random_seed)

    def efficiency(self, reference: str | None = None, along: Along = ALONG) -> Efficiency:
        """How efficiently each family turns training compute into capability, relative to one of them.

        Parameters
        ----------
        reference : str, optional
            A family of the data; default the one with the most models.
        along : {"capabilities", "benchmarks"}
            How an offset is compared with what compute does: in the space of capabilities, or in logits of all
            benchmarks, where directions on which nothing loads count for nothing (see `Efficiency`).

        Returns
        -------
        Efficiency
            Draws in decades of compute, overall and per benchmark; `summary`, `probability`, `equivalent_flops`,
            `plot`.

        Raises
        ------
        EfficiencyError
            For an unknown family, or a spec with other covariates than compute or without family offsets.

        Examples
        --------
        >>> efficiency = posterior.efficiency(reference="Llama-2")
        >>> efficiency.summary()[["family", "multiplier", "multiplier_lower", "multiplier_upper"]].shape
        (8, 4)
        """
        from bayescale.analysis.efficiency import efficiency

        return efficiency(self, reference, along)

    def equivalent_flops(self, reference: str | None = None, of: Of = "typical", along: Along = ALONG) -> xr.DataArray:
        """Compute with which the reference family gets as far as each model; see `Efficiency.equivalent_flops`.

        Parameters
        ----------
        reference : str, optional
            A family of the data; default the one with the most models.
        of : {"typical", "single"}
            As far as a typical model of the same family and compute, or as this very model.
        along : {"capabilities", "benchmarks"}
            See `efficiency`.

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw, model)``, FLOP; ``efficiency(reference).summary(by="model")`` is its table.

        Raises
        ------
        EfficiencyError
            As `efficiency`; or when `of` is neither word.

        Examples
        --------
        >>> posterior.equivalent_flops("Llama-2").median(("chain", "draw")).to_series().shape
        (36,)
        """
        from bayescale.analysis.efficiency import efficiency

        return efficiency(self, reference, along).equivalent_flops(of)

    def emergence(self, benchmark: str, family: str | None = None, random_seed: int = 0) -> Emergence:
        """How scores on a benchmark rise with the compute of a family, and where they cross a threshold.

        Parameters
        ----------
        benchmark : str
        family : str, optional
            A family of the data; default the one with the most models.
        random_seed : int
            Seed of what a single model owes to neither family nor compute.

        Returns
        -------
        Emergence
            `expected_scores` over compute, `threshold`, `statement`, `summary`, `plot`.

        Raises
        ------
        EmergenceError
            For an unknown benchmark or family, or a spec with other covariates than compute.

        Examples
        --------
        >>> posterior.emergence("GSM8K", "Llama-2").statement(0.5)[:48]
        'The first Llama-2 model above 50% on GSM8K needs'
        """
        from bayescale.analysis.emergence import emergence

        return emergence(self, benchmark, family, random_seed)

    def information(
        self,
        target: str,
        given: Sequence[str] | None = None,
        *,
        family: str | None = None,
        flops: float | None = None,
        params_b: float | None = None,
        tokens_t: float | None = None,
        model: str | None = None,
        random_seed: int = 0,
    ) -> Information:
        """What share of the variance of a forecast the scores of the model on other benchmarks would resolve.

        By the law of total variance, on average over what the scores may turn out to be; counted is all that the
        forecast is unsure of, parameters of the posterior as well as the model's own capability (see
        `bayescale.analysis.explained_variance`).

        Parameters
        ----------
        target : str
            The benchmark that is forecast, as its expected score.
        given : sequence of str, optional
            Benchmarks whose scores would be known; default all others.
        family : str, optional
            A family of the data, or `bayescale.NEW_FAMILY`, which is the default.
        flops, params_b, tokens_t : float, optional
            As in `forecast`. Default: unknown, drawn from the prior of unknown compute, as of a closed model.
        model : str, optional
            Instead: a model of the data, whose family and compute are taken, its compute from the prior where it is
            unknown. Its scores are not: the question is what they tell. A family of few models has learned from them.
        random_seed : int
            Seed of the simulated models.

        Returns
        -------
        Information
            `summary` (shares that each score resolves alone, and that are lost without it), `plot`.

        Raises
        ------
        InformationError
            For an unknown benchmark or model, the target among the given, or a model beside family or compute.
        ForecastError
            For an unknown family, or compute that is not plausible.

        Examples
        --------
        >>> information = posterior.information("GSM8K", given=["MMLU", "HumanEval"], family="Llama-3", flops=4e25)
        >>> information.summary().columns.tolist()
        ['target', 'benchmark', 'alone', 'lost', 'alone_error', 'lost_error']
        """
        from bayescale.analysis.explained_variance import information, read_subject

        figures = {"flops": flops, "params_b": params_b, "tokens_t": tokens_t}
        return information(self, target, given, read_subject(self, model, family, figures), random_seed)

    def gain(self, benchmark: str, over: str, family: str | None = None, random_seed: int = 0) -> Gain:
        """What a post-training technique adds to the score of a family's models, over their compute.

        Parameters
        ----------
        benchmark, over : str
            Benchmarks of the data: with the technique, and without it.
        family : str, optional
            A family of the data; default the one with the most models.
        random_seed : int
            Seed of what a single model owes to neither family nor compute.

        Returns
        -------
        Gain
            `expected_gain` over compute, `starts_to_pay`, `summary`, `observed`, `plot`.

        Raises
        ------
        EmergenceError
            For an unknown benchmark or family, twice the same benchmark, or a spec with other covariates than compute.

        Examples
        --------
        >>> gain = posterior.gain("GSM8K CoT + SC", over="GSM8K direct", family="Llama-2")
        >>> gain.starts_to_pay(0.05)[["gain", "median", "lower", "upper", "ever"]].shape
        (1, 5)
        """
        from bayescale.analysis.uplift import gain

        return gain(self, benchmark, over, family, random_seed)

    def suggest_models(
        self,
        budget: float,
        target: str | None = None,
        *,
        candidates: Iterable[str] | None = None,
        families: Iterable[str] | None = None,
        forecast: Iterable[str] | None = None,
        cost: Cost = None,
        random_seed: int = 0,
    ) -> Suggestion:
        """Choose the few models to evaluate on a new benchmark, so that the scores of others on it are foreseen best.

        Chosen is the set that is expected to leave least variance in the scores to be forecast, by what the posterior
        knows of the models' capabilities and of how benchmarks load on them: Bayesian V-optimal design, greedily and by
        exchanges (see `bayescale.analysis.optimal_design`). At most 1,000 draws and 200 benchmarks stand for the
        posterior.

        Parameters
        ----------
        budget : float
            Number of models; with `cost`, the sum of costs.
        target : str, optional
            A benchmark of the data whose law is to be learned again, as if nothing on it was known but where models
            stand on its curve. Default: a new benchmark, drawn from the population of benchmarks.
        candidates : iterable of str, optional
            Models of the data that could be evaluated. Default: all.
        families : iterable of str, optional
            Only candidates of these families.
        forecast : iterable of str, optional
            Models of the data whose scores are to be known. Default: those that are no candidates, or all, when
            all are.
        cost : str or mapping of str to float, optional
            What evaluating a model costs: a column of the table of models, such as ``"params_b"``, or numbers by model.
            Default: 1 each.
        random_seed : int
            Seed of the benchmarks that stand for a new one.

        Returns
        -------
        Suggestion
            With `table`, `models`, `plot`, and `variance_left` of any other choice.

        Raises
        ------
        ChoosingError
            For unknown names, a budget that buys no model, or a candidate without a cost.

        Examples
        --------
        >>> posterior.suggest_models(3).table.columns.tolist()
        ['order', 'model', 'family', 'params_b', 'flops', 'cost', 'total_cost', 'variance_left', 'forecast_sd']
        >>> chosen = posterior.suggest_models(30, cost="params_b", families=["Llama-2", "Phi", "Pythia"])
        >>> bool(chosen.table["cost"].sum() <= 30)
        True
        """
        from bayescale.analysis.model_selection import choose_models, read_question

        question = read_question(self.evals, budget, target, candidates, families, forecast, cost)
        self.verdict.warn_unless_converged("This choice comes")
        with working("Choosing models"):
            return choose_models(self, question, random_seed)


def suggest_models(
    evals: Evals,
    budget: float,
    target: str | None = None,
    families: Iterable[str] | None = None,
    *,
    candidates: Iterable[str] | None = None,
    forecast: Iterable[str] | None = None,
    cost: Cost = None,
    spec: Spec | str = "default",
    random_seed: int = 0,
) -> Suggestion:
    """Fit `spec` to `evals`, and choose the models to evaluate on a benchmark.

    The same as ``bayescale.fit(spec, evals, random_seed=...).suggest_models(budget, ...)``: with a posterior at hand
    call that, which answers at once.

    Parameters
    ----------
    evals : Evals
        Scores on the benchmarks that are known.
    budget, target, families, candidates, forecast, cost
        See `Posterior.suggest_models`.
    spec : Spec or str
        A spec, or the name of one that ships.
    random_seed : int
        Of the sampler, and of the benchmarks that stand for new ones.

    Returns
    -------
    Suggestion

    Raises
    ------
    ChoosingError
        As `Posterior.suggest_models`.

    Examples
    --------
    >>> import bayescale as bs
    >>> bs.suggest_models(bs.load_evals("base-llms"), budget=8)  # doctest: +SKIP
    """
    from bayescale.analysis.model_selection import choose_models, read_question
    from bayescale.model.spec import load_spec

    question = read_question(evals, budget, target, candidates, families, forecast, cost)
    posterior = sample.fit(load_spec(spec), evals, random_seed=random_seed)
    return choose_models(posterior, question, random_seed)


@wraps(sample.fit)
def fit(*args: Any, **settings: Any) -> Posterior:
    return Posterior.of(sample.fit(*args, **settings))
