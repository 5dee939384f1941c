"""`Comparison`: specs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from bayescale import _arviz
from bayescale._display import as_html
from bayescale._intervals import PROB, summarise
from bayescale.errors import CompareError
from bayescale.evaluation.compare.assess import Assessment
from bayescale.evaluation.compare.splits import PLURAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayescale.evaluation.backtest import Backtest
    from bayescale.forecast import Forecast
    from bayescale.methods import Posterior

# Above this Pareto k, an importance sampling estimate is not to be relied on (Vehtari et al. 2024, JMLR 25:72).
LARGEST_K = 0.7
LOO = "loo"
# Refits are short, and their densities means over draws: above this R-hat, chains are in different places.
FOLD_RHAT = 1.1


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Specs fitted to the same evals, and how well each predicts; made by `compare` and the scans.

    Attributes
    ----------
    assessments : dict of str to Assessment
        By name of the spec, in the order given.
    question : dict
        The forecast that is asked of every spec, as `Posterior.forecast` takes it; empty for none.
    backtest : Backtest or None
        Where there is one, its figures stand in the table.

    Examples
    --------
    >>> comparison.names
    ['default', 'one_factor']
    >>> comparison.table[["elpd_model", "difference_model", "dse_model", "weight"]].shape
    (2, 4)
    """

    assessments: Mapping[str, Assessment]
    question: Mapping[str, Any] = field(default_factory=dict)
    backtest: Backtest | None = None

    @property
    def names(self) -> list[str]:
        """Names of the specs, in the order given."""
        return list(self.assessments)

    @property
    def posteriors(self) -> dict[str, Posterior]:
        """The posterior of each spec."""
        return {name: a.posterior for name, a in self.assessments.items()}

    @property
    def left_out(self) -> tuple[str, ...]:
        """What was left out for the estimates, the headline first."""
        return (*next(iter(self.assessments.values())).held_out, LOO)

    def elpd(self, by: str | None = None) -> pd.DataFrame:
        """Expected log predictive density (nats, higher is better), with differences to the best and weights.

        Parameters
        ----------
        by : {"model", "family", "loo"}, optional
            What was left out; default the first of them that was asked for.

        Returns
        -------
        pandas.DataFrame
            Index spec, the best first: ``elpd, se, p`` (effective number of parameters, of LOO alone), ``difference``
            to the best with its standard error ``dse`` over models (LOO: over scores), and ``weight`` (stacking: Yao et
            al. 2018, Bayesian Analysis 13:917).

        Raises
        ------
        CompareError
            When that was not left out.

        Examples
        --------
        >>> comparison.elpd("loo").columns.tolist()
        ['elpd', 'se', 'p', 'difference', 'dse', 'weight']
        """
        by = by or self.left_out[0]
        if by not in self.left_out:
            raise CompareError(f"{by!r} was not left out; there is {', '.join(self.left_out)}. See leave_out.")
        if by not in self._compared_by:
            self._compared_by[by] = self._compared(by)
        return self._compared_by[by].copy()

    @cached_property
    def _compared_by(self) -> dict[str, pd.DataFrame]:
        """What was compared already: stacking weights take longer than all the rest of the table."""
        return {}

    def _compared(self, by: str) -> pd.DataFrame:
        parts = {
            name: a.loo if by == LOO else _arviz.elpd_of_models(a.held_out[by]) for name, a in self.assessments.items()
        }
        return _arviz.compare_elpd(parts).rename_axis("spec")

    @property
    def doubts(self) -> dict[str, str]:
        """By spec, why its figures may be off: its posterior did not converge, or a refit's chains disagree."""
        found = {}
        for name, of in self.assessments.items():
            reasons = []
            if not of.posterior.converged:
                reasons.append(f"did not converge (R-hat {of.posterior.convergence.rhat:.3f})")
            astray = of.folds[of.folds["rhat"] > FOLD_RHAT]
            if len(astray):
                which = ", ".join(f"{by} {fold}" for by, fold in zip(astray["by"], astray["fold"], strict=True))
                reasons.append(f"chains of a refit disagree (fold {which}: R-hat up to {astray['rhat'].max():.2f})")
            if reasons:
                found[name] = "; ".join(reasons)
        return found

    @property
    def table(self) -> pd.DataFrame:
        """One row a spec, best headline first.

        Returns
        -------
        pandas.DataFrame
            Index ``spec``; for each of ``model`` and ``family`` left out, and for ``loo``: ``elpd_*``, ``difference_*``
            to the best and its standard error ``dse_*``; ``weight`` (stacking, of the first of them); ``p_loo``, the
            effective number of parameters; ``large_k``, share of scores whose Pareto k exceeds 0.7, and ``worst_k``;
            ``mae``, ``crps``, ``coverage_50``, ``coverage_90`` of the backtest, if there is one; ``rhat``, ``ess``,
            ``divergences``, ``converged``; the worst R-hat of the refits, ``rhat_folds``; ``seconds``.
        """
        columns: dict[str, Any] = {}
        for by in self.left_out:
            found = self.elpd(by)
            columns |= {f"elpd_{by}": found["elpd"], f"difference_{by}": found["difference"], f"dse_{by}": found["dse"]}
        columns["weight"] = self.elpd()["weight"]
        of = self.assessments
        k = {name: _arviz.pareto_k(a.loo) for name, a in of.items()}
        columns["p_loo"] = pd.Series({name: _arviz.elpd_summary(a.loo)[2] for name, a in of.items()})
        columns["large_k"] = pd.Series({name: (values > LARGEST_K).mean() for name, values in k.items()})
        columns["worst_k"] = pd.Series({name: values.max() for name, values in k.items()})
        if self.backtest is not None:
            scored = self.backtest.table().reindex(self.names)
            columns |= {name: scored[name] for name in ("mae", "crps", "coverage_50", "coverage_90")}
        verdicts = {name: a.posterior.convergence for name, a in of.items()}
        columns["rhat"] = pd.Series({name: v.rhat for name, v in verdicts.items()})
        columns["ess"] = pd.Series({name: v.ess_bulk for name, v in verdicts.items()})
        columns["divergences"] = pd.Series({name: v.divergences for name, v in verdicts.items()})
        columns["converged"] = pd.Series({name: v.converged for name, v in verdicts.items()})
        columns["rhat_folds"] = pd.Series({name: a.folds["rhat"].max() for name, a in of.items()})
        columns["seconds"] = pd.Series({name: a.seconds for name, a in of.items()})
        order = self.elpd().index
        return pd.DataFrame(columns).loc[order].rename_axis("spec")

    def variance_shares(self, prob: float = PROB) -> pd.DataFrame:
        """How many dimensions carry the differences between models under each spec.

        Returns
        -------
        pandas.DataFrame
            ``spec, component, mean, median, lower, upper, prob, interval``: shares of the variance over models of what
            capabilities contribute to the logits, by principal component
            (`bayescale.analysis.variance.variance_shares`).

        Examples
        --------
        >>> table = comparison.variance_shares()
        >>> table[table["component"] == "PC-1"]["spec"].tolist()
        ['default', 'one_factor']
        """
        from bayescale.analysis.variance import variance_shares

        tables = [summarise(variance_shares(p), prob).assign(spec=name) for name, p in self.posteriors.items()]
        table = pd.concat(tables, ignore_index=True)
        return table[["spec", *(c for c in table.columns if c != "spec")]]

    @cached_property
    def forecasts(self) -> dict[str, Forecast]:
        """Answer of each spec to the question.

        Raises
        ------
        CompareError
            When no question was asked.
        """
        if not self.question:
            raise CompareError("No forecast was asked for: compare(..., forecast={'family': ..., 'flops': ...}).")
        return {name: p.forecast(**self.question) for name, p in self.posteriors.items()}

    def forecast_table(self, prob: float = PROB) -> pd.DataFrame:
        """Median and interval of the forecast under each spec.

        Returns
        -------
        pandas.DataFrame
            ``spec, model, family, benchmark, mean, median, lower, upper, prob, interval``: a row per spec, model and
            benchmark.

        Examples
        --------
        >>> table = comparison.forecast_table()
        >>> table[table["benchmark"] == "MMLU"][["spec", "median", "lower", "upper"]].shape
        (2, 4)
        """
        tables = [f.summary(prob).drop(columns="given").assign(spec=name) for name, f in self.forecasts.items()]
        table = pd.concat(tables, ignore_index=True)
        return table[["spec", *(c for c in table.columns if c != "spec")]]

    def plot(self, ax: Axes | None = None, by: str | None = None) -> Axes:
        """Draw elpd differences to the best spec with their standard errors; see `bayescale.plots.plot_elpd`.

        Examples
        --------
        >>> comparison.plot().figure.savefig("elpd.png")
        """
        from bayescale.plots import plot_elpd

        return plot_elpd(self, ax=ax, by=by)

    def plot_forecasts(self, benchmarks: list[str] | None = None, ax: Axes | None = None, prob: float = PROB) -> Axes:
        """Draw the forecast under each spec side by side; see `bayescale.plots.plot_forecasts_by_spec`.

        Examples
        --------
        >>> comparison.plot_forecasts(benchmarks=["MMLU", "GSM8K"]).figure.savefig("forecasts.png")
        """
        from bayescale.plots import plot_forecasts_by_spec

        return plot_forecasts_by_spec(self, benchmarks=benchmarks, ax=ax, prob=prob)

    def __repr__(self) -> str:
        best = self.elpd()
        by = self.left_out[0]
        doubts = self.doubts
        whole = f"whole {PLURAL[by]}" if by in PLURAL else "single scores"
        head = f"Comparison of {len(self.names)} specs, elpd leaving out {whole}:"
        lines = []
        for name, row in best.iterrows():
            figures = f"{row.elpd:9.1f}   difference {row.difference:7.1f} +- {row.dse:5.1f}   weight {row.weight:.2f}"
            lines.append(f"  {name:24s} {figures}{'   (!)' if name in doubts else ''}")
        lines += [f"  (!) {name} {doubt}" for name, doubt in doubts.items()]
        asked = ", .variance_shares()" if len(self.names) > 1 else ""
        asked += ", .plot_forecasts(), .forecast_table()" if self.question else ""
        return "\n".join([head, *lines, f"Next: .table, .elpd('loo'), .plot(){asked}"])

    def _repr_html_(self) -> str:
        head, following = repr(self).splitlines()[0], repr(self).splitlines()[-1]
        doubts = [f"(!) {name} {doubt}" for name, doubt in self.doubts.items()]
        return as_html("\n".join([head, *doubts, following]), self.table)
