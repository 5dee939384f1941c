"""Training compute of the models of the data, disclosed or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from bayescale._display import Result, as_html
from bayescale._intervals import PROB, summarise, with_interval
from bayescale.errors import ForecastError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.inference.posterior import PosteriorData


@dataclass(frozen=True, eq=False, repr=False)
class TrainingCompute(Result):
    """Compute of every model of the data, as the posterior knows it; made by `Posterior.compute`.

    What is disclosed exactly is the same in every draw. What is stated with an error, or not at all, is informed by the
    model's scores, and by date, maker and size where the spec names them (`Spec.compute_from`).

    Attributes
    ----------
    log10_flops : xarray.DataArray
        Dims ``(chain, draw, model)``.
    posterior : PosteriorData

    Examples
    --------
    >>> compute = posterior.compute()
    >>> compute.log10_flops.dims
    ('chain', 'draw', 'model')
    """

    log10_flops: xr.DataArray
    posterior: PosteriorData

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise the compute, one row per model.

        Returns
        -------
        pandas.DataFrame
            ``model, family, stated`` (FLOP, NaN where nobody states it), ``error`` (of the statement, in decades) and
            ``median, lower, upper`` (FLOP).

        Examples
        --------
        >>> posterior.compute().summary().columns.tolist()
        ['model', 'family', 'stated', 'error', 'median', 'lower', 'upper']
        """
        found = summarise(self.log10_flops, prob=prob)
        models = self.posterior.evals.models
        ends = {name: 10.0 ** found[name] for name in ("median", "lower", "upper")}
        table = models[["model", "family"]].assign(stated=models["flops"], error=models["flops_log10_sd"], **ends)
        return with_interval(table, prob)

    def plot(self, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
        """Plot the compute of models that do not state it exactly; the forty last of the table, or of the latest date.

        Examples
        --------
        >>> posterior.compute().plot().get_xscale()
        'log'
        """
        from bayescale.plots import draw_training_compute

        return draw_training_compute(self, ax=ax, prob=prob)

    def __repr__(self) -> str:
        table = self.summary()
        missing = table["stated"].isna()
        head = f"Training compute of {len(table)} models: {(~missing).sum()} state it, {missing.sum()} do not."
        lines = [
            f"  {row.model}: {row.median:.1e} [{row.lower:.1e}, {row.upper:.1e}] FLOP"
            for row in table[missing][:10].itertuples()
        ]
        return "\n".join([head, *lines, "Next: compute.summary(), .plot()"])

    def _repr_html_(self) -> str:
        return as_html(repr(self).splitlines()[0], self.summary())


def training_compute(posterior: PosteriorData) -> TrainingCompute:
    """Return the compute of every model; `Posterior.compute` documents the errors."""
    draws = posterior.draws
    if "log10_flops" not in draws.data.coords["covariate"]:
        raise ForecastError(
            f"The spec {posterior.spec.name!r} predicts from {' and '.join(posterior.spec.covariates)}, and knows "
            "nothing of compute: use a spec with log10_flops."
        )
    posterior.convergence.warn_unless_converged("This compute comes")
    values = draws.covariate[..., draws.data.place("log10_flops")] + draws.data.compute.centre
    return TrainingCompute(posterior.labelled("log10_flops", values, model=posterior.evals.model_names), posterior)
