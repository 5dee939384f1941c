"""The posterior: draws, with the spec and the data that they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from bayescale._arviz import InferenceData
from bayescale._display import as_html, working
from bayescale._identity import stored_identity
from bayescale._intervals import PROB, summarise
from bayescale.errors import EvalsError, PosteriorFileError, suggest
from bayescale.evals import Evals
from bayescale.inference import storage as posterior_file
from bayescale.inference.defaults import REPORT_DRAWS
from bayescale.inference.diagnostics import Verdict, judge
from bayescale.inference.draws import Draws, read_draws, variables
from bayescale.methods import Findings
from bayescale.model import model_data
from bayescale.model.spec import Spec

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.analysis.factors import Factors
    from bayescale.checks import PredictiveCheck
    from bayescale.forecast import Forecast


@dataclass(frozen=True, eq=False, repr=False)
class Posterior(Findings):
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

    idata: InferenceData
    spec: Spec
    evals: Evals
    verdict: Verdict
    sampling: Mapping[str, Any]

    @classmethod
    def from_draws(cls, idata: Any, spec: Spec, evals: Evals, sampling: Mapping[str, Any]) -> Posterior:
        """Judge convergence and bind draws, spec and data together.

        Examples
        --------
        >>> import bayescale as bs
        >>> same = bs.Posterior.from_draws(posterior.idata, posterior.spec, posterior.evals, {"nuts_sampler": "mine"})
        >>> same.converged
        True
        """
        return cls(idata, spec, evals, judge(idata, read_draws(idata, spec, evals)), dict(sampling))

    @property
    def converged(self) -> bool:
        """Whether the chains agree and hold enough effective draws; see `verdict` for the figures and remedies."""
        return self.verdict.converged

    @property
    def identity(self) -> str:
        """SHA-256 of spec and data together: equal for posteriors of the same question."""
        return stored_identity(self.spec.identity, self.evals.identity)

    @cached_property
    def draws(self) -> Draws:
        """The draws as plain arrays, chains end to end."""
        return read_draws(self.idata, self.spec, self.evals)

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

    def expected_scores(self, models: Sequence[str] | None = None) -> xr.DataArray:
        """Expected scores of models of the data, on all benchmarks, observed or not.

        Parameters
        ----------
        models : sequence of str, optional
            Names; default all.

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw, model, benchmark)``, scores in [0, 1].

        Raises
        ------
        EvalsError
            For a model that is not in the data.

        Examples
        --------
        >>> posterior.expected_scores(["meta-llama/Llama-2-7b-hf"]).sel(benchmark="MMLU").dims
        ('chain', 'draw', 'model')
        """
        import xarray as xr

        names = self.evals.model_names
        chosen = names if models is None else [models] if isinstance(models, str) else list(models)
        for name in chosen:
            if name not in names:
                raise EvalsError(suggest(name, names, "model in the fitted data"))
        rows = np.array([names.index(n) for n in chosen], dtype=int)
        values = self.draws.by_chain(self.draws.fitted_scores(rows))
        chain, draw = self.idata["posterior"]["chain"], self.idata["posterior"]["draw"]
        return xr.DataArray(
            values,
            dims=("chain", "draw", "model", "benchmark"),
            coords={"chain": chain, "draw": draw, "model": chosen, "benchmark": self.evals.benchmark_names},
            name="expected_score",
        )

    def summary(self, prob: float = PROB) -> pd.DataFrame:
        """Expected score of every fitted model on every benchmark, beside what was observed.

        Returns
        -------
        pandas.DataFrame
            One row per model and benchmark: ``model, benchmark, observed, mean, median, lower, upper, prob,
            interval`` (equal-tailed).

        Examples
        --------
        >>> table = posterior.summary(prob=0.8)
        >>> table[table["benchmark"] == "MMLU"][["model", "observed", "median", "lower", "upper"]].shape
        (36, 5)
        """
        table = summarise(self.expected_scores(), prob)
        observed = self.evals.matrix().to_series().rename("observed")
        table = table.join(observed, on=["model", "benchmark"])
        figures = [name for name in table.columns if name not in ("model", "benchmark", "observed")]
        return table[["model", "benchmark", "observed", *figures]]

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

    @working("Computing the log-likelihood")
    def log_likelihood(self) -> InferenceData:
        """Return `idata` with the group ``log_likelihood``: ``score`` (chain, draw, cell), for LOO and WAIC.

        Cells are the observed scores; their coordinates ``model`` and ``benchmark`` tell which.

        Examples
        --------
        >>> import arviz as az
        >>> az.loo(posterior.log_likelihood())  # doctest: +SKIP
        """
        import pymc as pm
        import xarray as xr

        from bayescale.model import build_model

        idata = pm.compute_log_likelihood(
            self.idata.copy(), model=build_model(self.spec, self.evals), extend_inferencedata=True, progressbar=False
        )
        model, benchmark = np.nonzero(np.isfinite(self.evals.matrix().to_numpy()))
        idata["log_likelihood"] = idata["log_likelihood"].isel(
            model=xr.DataArray(model, dims="cell"), benchmark=xr.DataArray(benchmark, dims="cell")
        )
        return idata

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

    @working("Writing the posterior")
    def save(self, path: str | Path) -> Path:
        """Write one netCDF file with draws, spec, data and identity; whole or not at all.

        Raises
        ------
        PosteriorFileError
            When it cannot be written.

        Examples
        --------
        >>> import bayescale as bs
        >>> path = posterior.save("posterior.nc")
        >>> bs.Posterior.load(path).identity == posterior.identity
        True
        """
        parts = {
            "spec": self.spec.model_dump_json(),
            "evals": self.evals.to_json(),
            "evals_name": self.evals.name,
            "verdict": self.verdict.model_dump_json(),
            "sampling": posterior_file.pack(dict(self.sampling)),
            "identity": self.identity,
        }
        return posterior_file.write(path, self.idata, parts)

    @classmethod
    @working("Reading the posterior")
    def load(cls, path: str | Path) -> Posterior:
        """Read a posterior written by `save`; it forecasts exactly as before.

        Raises
        ------
        PosteriorFileError
            For a missing, damaged or foreign file, or one of a newer format.

        Examples
        --------
        >>> import bayescale as bs
        >>> path = posterior.save("posterior.nc")
        >>> forecast = bs.Posterior.load(path).forecast(family="Llama-3", flops=4e25)
        >>> bool((forecast.draws == posterior.forecast(family="Llama-3", flops=4e25).draws).all().to_array().all())
        True
        """
        idata, parts = posterior_file.read(path)
        try:
            posterior = cls(
                idata,
                Spec(**json.loads(parts["spec"])),
                Evals.from_json(parts["evals"]),
                Verdict.model_validate_json(parts["verdict"]),
                json.loads(parts["sampling"]),
            )
        except ValueError as error:
            raise PosteriorFileError(f"{str(path)!r} cannot be understood: {error}") from error
        needed = variables(posterior.spec, model_data(posterior.spec, posterior.evals))
        missing = [name for name in needed if name not in idata["posterior"]]
        if missing:
            raise PosteriorFileError(f"{str(path)!r} is incomplete: it lacks {', '.join(missing)}. Fit again.")
        if posterior.identity != parts["identity"]:
            raise PosteriorFileError(
                f"{str(path)!r} is damaged: its spec or data do not match its identity. Fit again."
            )
        return posterior

    def __repr__(self) -> str:
        verdict = self.verdict
        sampler, seconds = (self.sampling.get(name, "?") for name in ("nuts_sampler", "seconds"))
        return (
            f"Posterior of spec {self.spec.name!r} on {self.evals.name!r}: {len(self.evals.model_names)} models, "
            f"{len(self.evals.benchmark_names)} benchmarks, {self.evals.n_scores} scores; "
            f"{verdict.chains} chains, {verdict.draws} draws ({sampler}, {seconds} s).\n{verdict}\n"
            "Next: posterior.forecast(family=..., flops=...)"
        )

    def _repr_html_(self) -> str:
        head, *_, following = repr(self).splitlines()
        judged = str(self.verdict).splitlines()[0]
        return as_html("\n".join([head, judged, *self.verdict.remarks, following]), self.verdict.table)
