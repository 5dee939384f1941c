"""The facade: `fit`, and `Posterior` with its verbs, after Ruan, Maddison & Hashimoto (2024, arXiv:2405.10938)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayescale._display import working
from bayescale._files import atomic_write, check_ending
from bayescale._intervals import PROB
from bayescale.analysis.compute_equivalent import ALONG, Along, Of
from bayescale.decisions import Decisions
from bayescale.inference import sample
from bayescale.inference.defaults import REPORT_DRAWS, seed_or_new
from bayescale.inference.posterior import PosteriorData, rounded

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from bayescale._arviz import InferenceData
    from bayescale.analysis.effect import Effect
    from bayescale.analysis.efficiency import Efficiency
    from bayescale.analysis.emergence import Emergence
    from bayescale.analysis.explained_variance import ExplainedVariance
    from bayescale.analysis.factors import Factors
    from bayescale.analysis.uplift import Uplift
    from bayescale.checks import PredictiveCheck
    from bayescale.forecast import Forecast


@dataclass(frozen=True, eq=False, repr=False)
class Posterior(Decisions):
    """A sampled posterior; made by `bayescale.fit` or `Posterior.load`.

    Attributes
    ----------
    idata : arviz.InferenceData or xarray.DataTree
        The container of the installed ArviZ, 0.23 (Python 3.11) or 1, with the groups ``posterior``, ``sample_stats``,
        ``observed_data`` (scores, NaN where missing) and ``constant_data`` (with the data containers of
        `bayescale.build_model`, for PyMC's functions). `fit` aligns ``loading``, ``slope``, ``capability`` and
        ``family_offset`` over the draws, as `factors` does, with capabilities that grow with compute.
    spec : Spec
    evals : Evals
    convergence : ConvergenceReport
    sampling : dict
        Sampler, seed, draws and seconds.

    Examples
    --------
    >>> import bayescale as bs
    >>> posterior = bs.fit("default", bs.load_evals("base-llms"), random_seed=1)  # doctest: +SKIP
    >>> posterior.save("posterior.nc").name
    'posterior.nc'
    >>> posterior = bs.Posterior.load("posterior.nc")
    """

    @classmethod
    def of(cls, data: PosteriorData) -> Posterior:
        """Return the posterior of these data.

        Examples
        --------
        >>> Posterior.of(posterior).identity == posterior.identity
        True
        """
        posterior = object.__new__(cls)
        posterior.__dict__.update(vars(data))  # the fields, and the draws that are cached beside them
        return posterior

    @cached_property
    def factors(self) -> Factors:
        """Factors aligned over all draws, with suggested names (`bayescale.analysis.factors`)."""
        from bayescale.analysis.factors import align

        return align(self)

    def capabilities(self) -> xr.DataArray:
        """Return capabilities of the models: dims ``(chain, draw, model, factor)``, aligned over draws.

        Examples
        --------
        >>> posterior.capabilities().sel(factor="F1").median(("chain", "draw")).to_series().shape  # models
        (36,)
        """
        return self.factors.capabilities

    def loadings(self) -> xr.DataArray:
        """Return loadings in logits per unit of capability: dims ``(chain, draw, benchmark, factor)``, aligned.

        Examples
        --------
        >>> posterior.loadings().median(("chain", "draw")).to_pandas().shape  # benchmarks, factors
        (10, 6)
        """
        return self.factors.loadings

    def forecast(
        self,
        family: str | Sequence[str] | None = None,
        flops: float | Sequence[float] | np.ndarray | None = None,
        *,
        params: float | Sequence[float] | None = None,
        tokens: float | Sequence[float] | None = None,
        given: Mapping[str, float] | None = None,
        setting: str | Mapping[str, str] | None = None,
        random_seed: int | None = None,
        **columns: Any,
    ) -> Forecast:
        """Forecast the scores of new models.

        Parameters
        ----------
        family : str, or sequence of str
            A family of the data, or `bayescale.NEW_FAMILY`, whose offsets are drawn from the population (all new models
            of one call belong to one such family).
        flops : float, or sequence of float
            Training compute in FLOP, such as ``4e25``.
        params, tokens : float, or sequence of float
            Parameters and training tokens, such as ``70e9`` and ``15e12``: for specs with those covariates, or instead
            of `flops` (compute = 6 x parameters x tokens).
        given : mapping of str to float, optional
            Known scores of the new model, by benchmark, to condition on; for one model at a time.
        setting : str, or mapping of str to str, optional
            How scores are measured, those given too, in the words of the column ``how`` of `Evals.measurements`: one
            setting for all benchmarks that were measured so, or by benchmark. Default: the headline setting of each,
            that of most first rows. For specs with `Spec.repeated_measurements`.
        random_seed : int, optional
            Seed of the residual and observation noise. None draws a new one; the result records it in either case.
        **columns
            Other covariates of the spec by name, one value or a list: ``released="2026-12", reasoning=True``.

        Returns
        -------
        Forecast
            Draws with dims ``(chain, draw, model, benchmark)``.

        Raises
        ------
        ForecastError
            For an unknown family, benchmark, setting or covariate, or missing or implausible values.

        Examples
        --------
        >>> import bayescale as bs
        >>> posterior.forecast(family=["Llama-3", bs.NEW_FAMILY], flops=[4e25, 1e26]).summary().shape
        (20, 5)
        >>> posterior.forecast(family="Llama-3", flops=4e25, given={"MMLU": 0.86}).given
        {'MMLU': 0.86}
        """
        from bayescale.forecast import make_forecast

        facts = {"flops": flops, "params": params, "tokens": tokens, **columns}
        return make_forecast(self, family, given=given, setting=setting, random_seed=random_seed, **facts)

    def predictive_check(self, draws: int = 1000, *, random_seed: int | None = None) -> PredictiveCheck:
        """Compare the scores of each model with replications that leave it out (posterior predictive check).

        Each model's scores are predicted from its family and covariates, by draws weighted as if its scores had not
        been fitted (Pareto-smoothed importance sampling of whole models, without refits). If the model is right, PIT
        values are uniform and intervals hold what they say. It takes seconds to a minute. Whether forecasts of larger
        or later models hold is for ``bayescale backtest``.

        Parameters
        ----------
        draws : int
            Number of posterior draws, evenly spread.
        random_seed : int, optional
            Seed of the replications and of the randomised PIT, as in `forecast`.

        Raises
        ------
        ForecastError
            When `draws` is not positive.

        Examples
        --------
        >>> posterior.predictive_check(draws=200).summary()[["benchmark", "coverage_50", "coverage_90", "pit"]].shape
        (10, 4)
        """
        from bayescale.checks import predictive_check

        with working("Replicating the scores, one model left out at a time"):
            return predictive_check(self, draws, random_seed=random_seed)

    def to_html(
        self,
        path: str | Path | None = None,
        *,
        backtest: str | Path | None = None,
        draws: int = REPORT_DRAWS,
        prob: float = PROB,
        random_seed: int | None = None,
        title: str | None = None,
        author: str | None = None,
    ) -> Any:
        """Make one self-contained interactive HTML report, which needs no server, network or Python.

        Readers can change family, compute and known scores of the forecast, which the page computes from thinned draws
        as `bayescale.report.live_forecast` does. Convergence, data, efficiency and capabilities are shown too.

        Parameters
        ----------
        path : str or pathlib.Path, optional
            File to write, such as ``"report.html"``, whole or not at all.
        backtest : str or pathlib.Path, optional
            Folder written by ``bayescale backtest``, to include.
        draws : int
            Maximum number of draws in the page; fewer where the file would exceed 5 MiB.
        prob, random_seed
            Probability content of the intervals, and seed of the noise in the page.
        title, author : str, optional
            Heading of the page, and who made it.

        Returns
        -------
        pathlib.Path or str
            `path`, or without one the page, to write as UTF-8.

        Raises
        ------
        MissingDependencyError
            When Bokeh or Jinja is not installed.
        ForecastError, EvaluationError, FileError
            For too few draws, 50 draws that exceed 5 MiB, a `backtest` that is none, or a `path` that is not for HTML.

        Examples
        --------
        >>> posterior.to_html("report.html", draws=100).stat().st_size < 5 * 2**20
        True
        """
        from bayescale.report import make_report

        if path is not None:
            check_ending(path, ".html")
        with working("Making the page"):
            page = make_report(self, backtest, draws, prob, seed_or_new(random_seed), title, author)
        if path is None:
            return page
        with atomic_write(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
        return Path(path)

    def efficiency(self, reference: str | None = None, along: Along = ALONG) -> Efficiency:
        """Compute the efficiency of families relative to one of them; see `bayescale.Efficiency`.

        Parameters
        ----------
        reference : str, optional
            A family of the data; default the one with the most models.
        along : {"capabilities", "benchmarks"}
            Project offsets on the effect of compute in capability space, or in logits of all benchmarks.

        Raises
        ------
        ForecastError
            For an unknown family, or a spec without family offsets or with other measures of size than compute.

        Examples
        --------
        >>> posterior.efficiency(reference="Llama-2").summary()[["family", "multiplier"]].shape
        (8, 2)
        """
        from bayescale.analysis.efficiency import compute_efficiency

        return compute_efficiency(self, reference, along)

    def equivalent_flops(self, reference: str | None = None, of: Of = "typical", along: Along = ALONG) -> xr.DataArray:
        """Return the compute with which the reference family reaches each model's capability.

        Parameters
        ----------
        reference, along
            As in `efficiency`.
        of : {"typical", "single"}
            The capability of a typical model of the same family and compute, or of this model.

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw, model)``, FLOP; see `Efficiency.equivalent_flops`.

        Raises
        ------
        ForecastError
            As `efficiency`; or when `of` is neither.

        Examples
        --------
        >>> posterior.equivalent_flops("Llama-2").median(("chain", "draw")).to_series().shape
        (36,)
        """
        from bayescale.analysis.efficiency import compute_efficiency

        return compute_efficiency(self, reference, along).equivalent_flops(of)

    def effect(self, covariate: str, family: str | None = None, **at: Any) -> Effect:
        """Compute what a covariate of the spec moves, by benchmark and in decades of compute; see `bayescale.Effect`.

        Parameters
        ----------
        covariate : str
            As the spec names it: ``"reasoning"``, ``"released"``, ``"log10_flops"``.
        family, **at : optional
            The typical model whose scores change, as in `forecast`: ``family="Llama-3", flops=4e25, released="2025"``.
            Default: a new family, the mean of the known values, and flags false.

        Examples
        --------
        >>> posterior.effect("log10_flops").summary()["measure"].unique().tolist()
        ['logits', 'points', 'log10_compute']
        """
        from bayescale.analysis.effect import compute_effect

        return compute_effect(self, covariate, family, at)

    def emergence(self, benchmark: str, family: str | None = None, *, random_seed: int | None = None) -> Emergence:
        """Compute expected scores over a family's compute, and where they cross thresholds; see `bayescale.Emergence`.

        Parameters
        ----------
        benchmark : str
        family : str, optional
            A family of the data, or `bayescale.NEW_FAMILY`; default the family with the most models.
        random_seed : int, optional
            Seed of the residual of a single model, as in `forecast`: equal seeds are the same model on all benchmarks.

        Raises
        ------
        ForecastError
            For an unknown benchmark or family, or a spec with other measures of size than compute.

        Examples
        --------
        >>> posterior.emergence("GSM8K", "Llama-2").statement(0.5)[:44]
        'A typical Llama-2 model passes 50% on GSM8K '
        """
        from bayescale.analysis.emergence import compute_emergence

        return compute_emergence(self, benchmark, family, random_seed=random_seed)

    def explained_variance(
        self,
        target: str,
        benchmarks: Sequence[str] | None = None,
        *,
        family: str | None = None,
        flops: float | None = None,
        params: float | None = None,
        tokens: float | None = None,
        model: str | None = None,
        random_seed: int | None = None,
        **columns: Any,
    ) -> ExplainedVariance:
        """Estimate the share of a forecast's variance that scores on other benchmarks would explain.

        The variance includes uncertainty of the parameters (`bayescale.analysis.explained_variance`).

        Parameters
        ----------
        target : str
            The benchmark whose expected score is forecast.
        benchmarks : sequence of str, optional
            Benchmarks whose scores would be known; default all others.
        family, flops, params, tokens, **columns : optional
            As in `forecast`. Default: a new family, and unknown compute, drawn from its prior.
        model : str, optional
            Instead: a model of the data, for its family and compute; its scores are not used.
        random_seed : int, optional
            Seed of the simulated models, as in `forecast`.

        Raises
        ------
        ForecastError
            For an unknown benchmark, model or family, the target among `benchmarks`, implausible compute, or `model`
            beside family or compute.

        Examples
        --------
        >>> posterior.explained_variance("GSM8K", ["MMLU"], family="Llama-3", flops=4e25).summary().columns.tolist()
        ['target', 'benchmark', 'alone', 'lost', 'alone_error', 'lost_error']
        """
        from bayescale.analysis.explained_variance import explain_variance, read_subject

        subject = read_subject(self, model, family, {"flops": flops, "params": params, "tokens": tokens, **columns})
        return explain_variance(self, target, benchmarks, subject, seed_or_new(random_seed))

    def uplift(
        self, benchmark: str, baseline: str, family: str | None = None, *, random_seed: int | None = None
    ) -> Uplift:
        """Compute the uplift of a post-training technique over a family's compute; see `bayescale.Uplift`.

        Parameters
        ----------
        benchmark, baseline : str
            Benchmarks of the data: with the technique, and without it.
        family, random_seed
            As in `emergence`.

        Raises
        ------
        ForecastError
            For an unknown benchmark or family, twice the same benchmark, or a spec with other sizes than compute.

        Examples
        --------
        >>> posterior.uplift("GSM8K CoT + SC", baseline="GSM8K direct").starts_to_pay(threshold=0.05)["ever"].shape
        (1,)
        """
        from bayescale.analysis.uplift import compute_uplift

        return compute_uplift(self, benchmark, baseline, family, random_seed=random_seed)

    def to_arviz(self, *, random_seed: int | None = None) -> InferenceData:
        """Return what ArviZ's functions take, on the observed scores: ``az.loo``, ``az.plot_ppc``, ``az.psens``, ...

        `idata` holds all scores, NaN where there is none, as PyMC needs them; here they are one dim, ``cell``.

        Parameters
        ----------
        random_seed : int, optional
            Seed of the posterior predictive, as in `forecast`.

        Returns
        -------
        arviz.InferenceData or xarray.DataTree
            `idata` with the groups ``observed_data``, ``posterior_predictive`` and ``log_likelihood`` (``score``, with
            ``model`` and ``benchmark`` along ``cell``), and ``log_prior`` (of the priors that the spec names).

        Examples
        --------
        >>> import arviz as az
        >>> idata = posterior.to_arviz(random_seed=1)
        >>> int(az.loo(idata).n_data_points) - posterior.evals.n_scores
        0
        """
        from bayescale.checks.posterior_predictive import observed_groups

        with working("Computing what ArviZ takes"):
            return observed_groups(self, seed_or_new(random_seed))


@wraps(sample.fit)
def fit(*args: Any, **settings: Any) -> Posterior:
    from bayescale.analysis.factors import aligned

    return Posterior.of(rounded(aligned(sample.fit(*args, **settings))))
