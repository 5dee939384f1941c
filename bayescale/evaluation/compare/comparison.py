"""`Comparison`: predictive density, diagnostics and forecasts of several specs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale import _arviz
from bayescale._display import as_html, wrapped
from bayescale._intervals import PROB, summarise, tails, with_interval
from bayescale.errors import EvaluationError
from bayescale.evaluation.compare.assess import PLURAL, Assessment

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.evaluation.backtest import Backtest
    from bayescale.forecast import Forecast
    from bayescale.methods import Posterior
    from bayescale.model.spec import Spec

LOO = "loo"
# Refits are short, and only means over draws are used: above this R-hat, their chains are in different modes.
FOLD_RHAT = 1.1


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Specs fitted to the same evals, with their predictive densities; made by `compare` and the scans.

    Attributes
    ----------
    assessments : dict of str to Assessment
        By name of the spec, in the given order.
    question : dict
        Arguments of `Posterior.forecast` for the forecast to compare; empty for none.
    backtest : Backtest or None
        Adds errors and coverage to the summary.
    random_seed : int or None
        Seed of the fits; None if the posteriors were assessed elsewhere.

    Examples
    --------
    >>> comparison.names
    ['default', 'one_factor']
    >>> comparison.summary()[["elpd_model", "difference_model", "dse_model", "weight"]].shape
    (2, 4)
    """

    assessments: Mapping[str, Assessment]
    question: Mapping[str, Any] = field(default_factory=dict)
    backtest: Backtest | None = None
    random_seed: int | None = None

    @property
    def names(self) -> list[str]:
        """Names of the specs, in the given order."""
        return list(self.assessments)

    @property
    def posteriors(self) -> dict[str, Posterior]:
        """The posterior of each spec."""
        return {name: a.posterior for name, a in self.assessments.items()}

    @property
    def left_out(self) -> tuple[str, ...]:
        """Units left out (``model``, ``family``, ``loo``), the one for ranking first."""
        return (*next(iter(self.assessments.values())).held_out, LOO)

    def elpd(self, left_out: str | None = None) -> pd.DataFrame:
        """Compare expected log predictive densities (nats, higher is better), with differences and weights.

        Parameters
        ----------
        left_out : {"model", "family", "loo"}, optional
            Unit that was left out; default the first of `left_out`.

        Returns
        -------
        pandas.DataFrame
            Index spec, the best first: ``elpd, se, p`` (effective number of parameters, of LOO alone), ``difference``
            to the best with its standard error ``dse``, and ``weight`` (stacking: Yao et al. 2018, Bayesian Analysis
            13:917). Standard errors are clustered by family (`clustered_se`), because models of one family, and scores
            of one model, share what no spec predicts. Of ``family`` it is the joint density of a family's scores.

        Raises
        ------
        EvaluationError
            When that unit was not left out.

        Examples
        --------
        >>> comparison.elpd("loo").columns.tolist()
        ['elpd', 'se', 'p', 'difference', 'dse', 'weight']
        """
        left_out = left_out or self.left_out[0]
        if left_out not in self.left_out:
            raise EvaluationError(
                f"{left_out!r} was not left out; available: {', '.join(self.left_out)}. See leave_out."
            )
        if left_out not in self._elpd_tables:
            parts = {
                name: a.loo if left_out == LOO else _arviz.elpd_of_units(a.held_out[left_out])
                for name, a in self.assessments.items()
            }
            table = _arviz.compare_elpd(parts).rename_axis("spec")
            density = {name: _arviz.pointwise(part) for name, part in parts.items()}
            family = self._families(left_out)
            table["se"] = [clustered_se(density[name], family) for name in table.index]
            best = density[table.index[0]]
            table["dse"] = [clustered_se(density[name] - best, family) for name in table.index]
            self._elpd_tables[left_out] = table
        return self._elpd_tables[left_out].copy()

    def _families(self, left_out: str) -> np.ndarray:
        """Return the family of each density: of a model, of a family itself, or of a score."""
        first = next(iter(self.assessments.values()))
        evals = first.posterior.evals
        family = evals.models.set_index("model")["family"]
        if left_out == LOO:
            row, _ = np.nonzero(first.posterior.draws.data.cells["observed"])
            return family.loc[np.array(evals.model_names)[row]].to_numpy()
        names = first.held_out[left_out].index
        return family.loc[names].to_numpy() if left_out == "model" else names.to_numpy()

    @cached_property
    def _elpd_tables(self) -> dict[str, pd.DataFrame]:
        """Cache of `elpd`: stacking weights take longer than the rest of the summary."""
        return {}

    @property
    def warnings(self) -> dict[str, str]:
        """By spec, why its values may be wrong: its posterior did not converge, or the chains of a refit disagree."""
        warnings = {}
        for name, assessment in self.assessments.items():
            reasons = []
            if not assessment.posterior.converged:
                reasons.append(f"did not converge (R-hat {assessment.posterior.convergence.rhat:.3f})")
            bad = assessment.folds[assessment.folds["rhat"] > FOLD_RHAT]
            if len(bad):
                which = ", ".join(f"{unit} {fold}" for unit, fold in zip(bad["left_out"], bad["fold"], strict=True))
                reasons.append(f"chains of a refit disagree (fold {which}: R-hat up to {bad['rhat'].max():.2f})")
            if reasons:
                warnings[name] = "; ".join(reasons)
        return warnings

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise the specs, the best first.

        Parameters
        ----------
        prob : float
            Probability content of the interval of the first difference.

        Returns
        -------
        pandas.DataFrame
            Index ``spec``; for each of ``model`` and ``family`` left out, and for ``loo``: ``elpd_*``, ``difference_*``
            to the best and its standard error ``dse_*``; ``lower, upper``, the interval of the first of these
            differences (normal approximation); ``weight`` (stacking, for the first);
            ``p_loo``, the effective number of parameters; ``large_k``, share of scores whose Pareto k exceeds 0.7, and
            ``worst_k``; ``rhat``, ``ess``, ``divergences``, ``converged``; the worst R-hat of the refits,
            ``rhat_folds``; ``seconds``; ``mae``, ``crps``, ``coverage_50``, ``coverage_90`` of the backtest, if any.

        Examples
        --------
        >>> bool(abs(comparison.summary()["weight"].sum() - 1) < 1e-6)
        True
        """
        columns: dict[str, Any] = {}
        for unit in self.left_out:
            elpd = self.elpd(unit)
            columns |= {f"{name}_{unit}": elpd[name] for name in ("elpd", "difference", "dse")}
        first = self.elpd()
        lower, upper = (first["difference"] + NormalDist().inv_cdf(q) * first["dse"] for q in tails(prob))
        columns |= {"lower": lower, "upper": upper, "weight": first["weight"]}
        rows = {}
        for name, a in self.assessments.items():
            k, report = _arviz.pareto_k(a.loo), a.posterior.convergence
            rows[name] = {
                "p_loo": _arviz.elpd_summary(a.loo)[2], "large_k": (k > _arviz.LARGEST_K).mean(), "worst_k": k.max(),
                "rhat": report.rhat, "ess": report.ess_bulk, "divergences": report.divergences,
                "converged": report.converged, "rhat_folds": a.folds["rhat"].max(), "seconds": a.seconds,
            }  # fmt: skip
        table = pd.DataFrame(columns).join(pd.DataFrame.from_dict(rows, orient="index"))
        if self.backtest is not None:
            scored = self.backtest.summary()[["mae", "crps", "coverage_50", "coverage_90"]]
            table = table.join(scored.rename_axis("spec"))
        return with_interval(table.loc[first.index].rename_axis("spec"), prob)

    def to_xarray(self) -> xr.Dataset:
        """Convert the pointwise densities to a dataset.

        Returns
        -------
        xarray.Dataset
            As far as they were left out, ``elpd_model`` (spec, model) and ``elpd_family`` (spec, family): log density
            of all scores of a model, or of a family, in nats. ``pareto_k`` (spec, cell) of the observed scores.

        Examples
        --------
        >>> comparison.to_xarray()["elpd_model"].dims
        ('spec', 'model')
        """
        import xarray as xr

        parts = []
        for a in self.assessments.values():
            held_out = {f"elpd_{u}": a.held_out[u].rename_axis(u).to_xarray() for u in self.left_out if u != LOO}
            parts.append(xr.Dataset({**held_out, "pareto_k": ("cell", _arviz.pareto_k(a.loo))}))
        dataset = xr.concat(parts, pd.Index(self.names, name="spec"), join="outer")
        return dataset if self.random_seed is None else dataset.assign_attrs(random_seed=self.random_seed)

    def variance_shares(self, *, prob: float = PROB) -> pd.DataFrame:
        """Decompose the variance over models into principal components, under each spec.

        Returns
        -------
        pandas.DataFrame
            ``spec, component, mean, median, lower, upper``: shares of the variance over models of the
            contribution of capabilities to the logits, by principal component
            (`bayescale.analysis.variance.variance_shares`).

        Examples
        --------
        >>> table = comparison.variance_shares()
        >>> table[table["component"] == "PC-1"]["spec"].tolist()
        ['default', 'one_factor']
        """
        from bayescale.analysis.variance import variance_shares

        return _stacked({name: summarise(variance_shares(p), prob=prob) for name, p in self.posteriors.items()})

    @cached_property
    def forecasts(self) -> dict[str, Forecast]:
        """The forecast under each spec, if `compare` was given a question."""
        if not self.question:
            raise EvaluationError(
                "There is no forecast to compare: compare(..., forecast={'family': ..., 'flops': ...})."
            )
        asked = question_of_each(self.question, {name: p.spec for name, p in self.posteriors.items()})
        return {name: self.posteriors[name].forecast(**{"random_seed": 0, **said}) for name, said in asked.items()}

    def forecast_table(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise the forecast under each spec.

        Returns
        -------
        pandas.DataFrame
            ``spec, model, benchmark, median, lower, upper``: one row per spec, model and benchmark.

        Examples
        --------
        >>> table = comparison.forecast_table()
        >>> table[table["benchmark"] == "MMLU"][["spec", "median", "lower", "upper"]].shape
        (2, 4)
        """
        return _stacked(
            {name: f.summary(prob=prob).drop(columns="given", errors="ignore") for name, f in self.forecasts.items()}
        )

    def plot(self, ax: Axes | None = None, left_out: str | None = None) -> Axes:
        """Plot elpd differences to the best spec with their standard errors; see `bayescale.plots.plot_elpd`.

        Examples
        --------
        >>> comparison.plot().figure.savefig("elpd.png")
        """
        from bayescale.plots import plot_elpd

        return plot_elpd(self, ax=ax, left_out=left_out)

    def plot_forecasts(
        self, benchmarks: list[str] | None = None, ax: Axes | None = None, *, prob: float = PROB
    ) -> Axes:
        """Plot the forecast under each spec side by side; see `bayescale.plots.plot_forecasts_by_spec`.

        Examples
        --------
        >>> comparison.plot_forecasts(benchmarks=["MMLU", "GSM8K"]).figure.savefig("forecasts.png")
        """
        from bayescale.plots import plot_forecasts_by_spec

        return plot_forecasts_by_spec(self, benchmarks=benchmarks, ax=ax, prob=prob)

    def _text(self) -> str:
        best = self.elpd()
        unit = self.left_out[0]
        warnings = self.warnings
        left_out = f"whole {PLURAL[unit]}" if unit in PLURAL else "single scores"
        head = f"Comparison of {len(self.names)} specs, elpd leaving out {left_out}:"
        lines = []
        for name, row in best.iterrows():
            values = f"{row.elpd:9.1f}   difference {row.difference:7.1f} +- {row.dse:5.1f}   weight {row.weight:.2f}"
            lines.append(f"  {name:16s} {values}{'   (!)' if name in warnings else ''}")
        lines += [f"(!) {name} {warning}" for name, warning in warnings.items()]
        methods = ", .variance_shares()" if len(self.names) > 1 else ""
        methods += ", .plot_forecasts(), .forecast_table()" if self.question else ""
        return "\n".join([head, *lines, f"Next: .summary(), .elpd('loo'), .plot(){methods}"])

    def __repr__(self) -> str:
        return wrapped(self._text())

    def _repr_html_(self) -> str:
        return as_html(self._text(), self.summary())


def clustered_se(values: np.ndarray, cluster: np.ndarray) -> float:
    """Return the standard error of the sum of `values` whose clusters, not they themselves, are independent.

    ``sqrt(G / (G - 1) sum_g (sum_i (x_i - mean))^2)``, i over cluster g of G (Cameron & Miller 2015, J. Human Resources
    50:317, section II); NaN for a single cluster.

    Examples
    --------
    >>> values = np.array([1.0, 3.0, 2.0, 2.0])
    >>> clustered_se(values, np.array(["a", "a", "b", "c"])), round(clustered_se(values, np.arange(4)), 3)
    (0.0, 1.633)
    """
    totals = pd.Series(values - np.mean(values)).groupby(np.asarray(cluster)).sum()
    if len(totals) < 2:
        return float("nan")
    return float(np.sqrt(len(totals) / (len(totals) - 1) * np.square(totals).sum()))


def question_of_each(question: Mapping[str, Any], specs: Mapping[str, Spec]) -> dict[str, dict[str, Any]]:
    """Return the arguments of a forecast by spec: each is told of those covariates alone that it names."""
    named = {covariate for spec in specs.values() for covariate in spec.base_covariates}
    return {
        name: {k: v for k, v in question.items() if k not in named or k in spec.base_covariates}
        for name, spec in specs.items()
    }


def _stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, names=["spec", None]).reset_index("spec").reset_index(drop=True)
