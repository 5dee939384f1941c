"""What suggestions of models and of benchmarks share: costs, the table of the chosen, and its methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from bayescale._display import Result
from bayescale._intervals import PROB
from bayescale._tables import Table
from bayescale.errors import ForecastError, as_number, require_name, require_names

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.analysis.optimal_design import Design

Cost = str | Mapping[str, float] | None
Names = Iterable[str] | None


class DesignChoice(Result):
    """Base of suggestions: candidates that a `Design` chose within a budget, with the variance that each leaves.

    Attributes
    ----------
    kind : str
        What is chosen, and the column of its names: ``model`` or ``benchmark``.
    """

    kind: ClassVar[str]
    table: pd.DataFrame
    candidates: tuple[str, ...]
    design: Design

    @property
    def titles(self) -> tuple[str, str]:
        """Title of a plot, and what the variance is of."""
        raise NotImplementedError

    def _share_left(self, names: Iterable[str]) -> float:
        """Return the variance that remains once these candidates are measured, as a share of that before."""
        chosen = [names] if isinstance(names, str) else list(dict.fromkeys(names))
        require_names(chosen, self.candidates, f"{self.kind} among the candidates")
        return self.design.variance([self.candidates.index(name) for name in chosen]) / self.design.variance([])

    @cached_property
    def least(self) -> float:
        """Share of the variance that would remain if all candidates were measured."""
        return self._share_left(self.candidates)

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Return the columns of `table` that a terminal holds. There is no interval, so `prob` changes nothing.

        Returns
        -------
        pandas.DataFrame
            ``order``; ``model`` and ``flops``, or ``benchmark``; ``total_cost``, ``variance_left`` and ``forecast_sd``.

        Examples
        --------
        >>> posterior.suggest_models(2).summary()["order"].tolist()
        [1, 2]
        """
        return Table(self.table.drop(columns=["family", "params_b", "cost"], errors="ignore"))

    def to_xarray(self) -> xr.Dataset:
        return super().to_xarray().merge(self.table.set_index(self.kind).to_xarray())

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot the share of variance that remains after each; see `bayescale.plots.plot_suggestion`.

        Examples
        --------
        >>> posterior.suggest_models(4).plot().figure.savefig("suggestion.png")
        """
        from bayescale.plots import plot_suggestion

        return plot_suggestion(self, ax=ax)

    def _lines(self) -> list[str]:
        """Return a line per row of the table, at most sixteen."""
        table, what = self.table, self.kind
        shown, width = table if len(table) <= 16 else table[:16], table[what].str.len().max()
        rows = shown[["order", what, "variance_left"]].to_numpy()
        lines = [f"  {order:3d}  {name:{width}s}  {left:6.1%} remains" for order, name, left in rows]
        return lines + ([f"  ...  {len(table) - len(shown)} more in .table"] if len(shown) < len(table) else [])


def choose(design: Design, names: list[str], costs: pd.Series, budget: float) -> pd.DataFrame:
    """Choose among the candidates of a design, by name and with their costs by name.

    Returns
    -------
    pandas.DataFrame
        Indexed by name, most informative first: ``order, cost, total_cost, variance_left, forecast_sd``.
    """
    numbers = design.choose(costs[names].to_numpy(float), budget)
    left = np.array([design.variance(numbers[: i + 1]) for i in range(len(numbers))])
    chosen = [names[i] for i in numbers]
    paid = costs[chosen].to_numpy(float)
    columns = {
        "order": np.arange(1, len(chosen) + 1),
        "cost": paid,
        "total_cost": np.cumsum(paid),
        "variance_left": left / design.variance([]),
        "forecast_sd": np.sqrt(left),
    }
    return pd.DataFrame(columns, index=pd.Index(chosen))


def read_budget(budget: float, costs: pd.Series, unit: str, kind: str) -> float:
    """Check a budget: it must buy the cheapest of the candidates."""
    if not (value := as_number("budget", budget)) >= costs.min():
        what = unit if unit == f"{kind}s" else f"of {unit}"
        raise ForecastError(
            f"budget={value:g} {what} buys no {kind}: the cheapest, {costs.idxmin()}, costs {costs.min():g}."
        )
    return value


def read_costs(table: pd.DataFrame, candidates: list[str], cost: Cost, unit: str) -> tuple[str, pd.Series]:
    """Return the unit of the budget, and the costs of the candidates by name; `cost` may be a column of `table`."""
    rows = table.loc[candidates]
    if cost is None:
        return unit, pd.Series(1.0, index=candidates)
    if isinstance(cost, str):
        numeric = rows.select_dtypes("number").columns
        require_name(cost, list(numeric), f"column of numbers in the table of {unit}")
        called, values = cost, rows[cost].astype(float)
    else:
        called, values = "cost", pd.Series({m: cost.get(m, np.nan) for m in candidates}, dtype=float)
    wrong = [f"{m} ({values[m]:g})" for m in candidates if not (np.isfinite(values[m]) and values[m] > 0)]
    if wrong:
        shown = ", ".join(wrong[:8]) + (f" and {len(wrong) - 8} more" if len(wrong) > 8 else "")
        raise ForecastError(
            f"A cost is needed for each candidate, above zero; {len(wrong)} have none: {shown}. Leave them out of "
            f"candidates, or give cost={{{unit.removesuffix('s')}: number, ...}}."
        )
    return called, values
