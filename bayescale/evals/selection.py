"""Select, mask and split the rows of `Evals`, with names and masks resolved to row and cell indices."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd

from bayescale.errors import EvalsError, shown, suggest
from bayescale.evals.tables import SMALLEST_FLOPS, text

if TYPE_CHECKING:
    import xarray as xr

Names = str | Iterable[str] | None


class SelectionMixin:
    """Mixin: the methods of `Evals` that keep some of its rows; it needs the three tables as attributes."""

    models: pd.DataFrame
    benchmarks: pd.DataFrame
    scores: pd.DataFrame
    name: str
    _measured: pd.DataFrame | None

    def _derive(self, **tables: pd.DataFrame) -> Self:
        """Return a copy with some tables replaced by parts of them, which need no second validation."""
        derived = object.__new__(type(self))
        values: dict[str, Any] = {n: getattr(self, n) for n in ("name", "_measured", "_repetitions", "_estimated")}
        for name in ("models", "benchmarks", "scores"):
            values[name] = tables[name].reset_index(drop=True) if name in tables else getattr(self, name)
        if self._measured is not None:
            cells = pd.MultiIndex.from_frame(values["scores"][["model", "benchmark"]])
            kept = pd.MultiIndex.from_frame(self._measured[["model", "benchmark"]]).isin(cells)
            several = kept.sum() > len(cells)
            values["_measured"] = self._measured[kept].reset_index(drop=True) if several else None
        for name, value in values.items():
            object.__setattr__(derived, name, value)
        return derived

    def _positions(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the row and the column of every score in the matrix."""
        return positions(self.scores, self.models["model"], self.benchmarks["benchmark"])

    def select(
        self,
        models: Names = None,
        families: Names = None,
        benchmarks: Names = None,
        kinds: Names = None,
        suites: Names = None,
        code: bool | None = None,
    ) -> Self:
        """Keep only the models and benchmarks that meet every condition given.

        Models that are left without a score are kept: a model whose scores are hidden is still a model.

        Parameters
        ----------
        models, families, kinds : str or iterable of str, optional
            Which models to keep, by name, family, and kind (``base``, ``instruct``).
        code : bool, optional
            Keep only models of families specialised in code, or only the others.
        benchmarks, suites : str or iterable of str, optional
            Which benchmarks to keep, by name and suite.

        Returns
        -------
        Evals
            In the order of the tables, whatever the order of the names given.

        Raises
        ------
        EvalsError
            A name is unknown (the nearest is suggested), or nothing is left.

        Examples
        --------
        >>> from bayescale.evals import load_evals
        >>> load_evals("base-llms").select(families="Llama-2", benchmarks=["MMLU", "GSM8K"]).n_scores
        6
        """
        kept_models = rows_of(self.models, model=models, family=families, kind=kinds)
        if code is not None:
            kept_models &= self.models["code"].to_numpy() == code
        kept_benchmarks = rows_of(self.benchmarks, benchmark=benchmarks, suite=suites)
        for what, kept in (("models", kept_models), ("benchmarks", kept_benchmarks)):
            if not kept.any():
                raise EvalsError(f"The selection leaves no {what} of {self.name}; give fewer conditions.")
        rows, columns = self._positions()
        return self._derive(
            models=self.models[kept_models],
            benchmarks=self.benchmarks[kept_benchmarks],
            scores=self.scores[kept_models[rows] & kept_benchmarks[columns]],
        )

    def with_families_of(self, column: str) -> Self:
        """Return the same scores with the families that a column of the models table says, such as ``organization``.

        Models without an entry there stay with their family. What was the family before is in the column
        ``generation``, unless the table has one.

        Raises
        ------
        EvalsError
            There is no such column of names.

        Examples
        --------
        >>> from bayescale.evals import load_evals
        >>> load_evals("frontier").with_families_of("organization").families[:2]
        ['01.AI', 'Alibaba']
        """
        if column == "family":
            return self
        if column not in self.models:
            raise EvalsError(suggest(column, self.models.columns, "column of models"))
        names = self.models[column].map(text)
        if pd.to_numeric(names, errors="coerce").notna().any():
            raise EvalsError(f"The column {column} of models holds numbers: families have names.")
        families = names.where(names != "", self.models["family"])
        if families.equals(self.models["family"]):
            return self
        before = {} if "generation" in self.models else {"generation": self.models["family"]}
        return self._derive(models=self.models.assign(family=families, **before))

    def mask(self, hidden: xr.DataArray | pd.DataFrame | Iterable[tuple[str, str]]) -> Self:
        """Hide scores, keeping all models and benchmarks.

        Parameters
        ----------
        hidden : xarray.DataArray, pandas.DataFrame or iterable of (model, benchmark)
            What to hide. A boolean matrix, with dims ``model`` and ``benchmark`` or with models as index and
            benchmarks as columns (cells that it leaves out are not hidden); or pairs of names, also as a DataFrame
            with the columns ``model`` and ``benchmark``. Cells without a score may be among them.

        Returns
        -------
        Evals

        Raises
        ------
        EvalsError
            A name is unknown, or `hidden` is none of these forms.

        Examples
        --------
        >>> from bayescale.evals import load_evals
        >>> evals = load_evals("base-llms")
        >>> evals.n_scores - evals.mask([("meta-llama/Llama-2-7b-hf", "MMLU")]).n_scores
        1
        >>> evals.mask(evals.matrix() > 0.5).matrix().max().item() <= 0.5
        True
        """
        matrix = hidden_cells(hidden, self.models["model"], self.benchmarks["benchmark"])
        return self._derive(scores=self.scores[~matrix[self._positions()]])

    def split(
        self,
        flops: float,
        benchmarks: Names = None,
        unknown: Literal["above", "below"] = "above",
    ) -> tuple[Self, Self]:
        """Split the scores by training compute: fit on the first part, check forecasts on the second.

        Parameters
        ----------
        flops : float
            Training compute in FLOP. Models above it are to be forecast.
        benchmarks : str or iterable of str, optional
            Hide the scores on these only. Default: on all.
        unknown : {"above", "below"}
            Where models of unknown compute belong.

        Returns
        -------
        seen, hidden : Evals
            Over the same models and benchmarks; every score is in exactly one of them.

        Raises
        ------
        EvalsError
            `flops` is no amount of training compute, or a benchmark is unknown.

        Examples
        --------
        >>> from bayescale.evals import load_evals
        >>> evals = load_evals("base-llms")
        >>> seen, hidden = evals.split(8.4e22)
        >>> seen.n_scores + hidden.n_scores == evals.n_scores
        True
        """
        models = above(self.models["flops"], flops, unknown)
        rows, columns = self._positions()
        hidden = models[rows] & rows_of(self.benchmarks, benchmark=benchmarks)[columns]
        return self._derive(scores=self.scores[~hidden]), self._derive(scores=self.scores[hidden])


# Names and masks as indices


def require(names: Iterable[str], valid: Iterable[str], what: str) -> None:
    """Raise an EvalsError for the first name that is not among the valid ones."""
    valid = set(valid)
    for name in names:
        if name not in valid:
            raise EvalsError(suggest(str(name), valid, what))


def rows_of(table: pd.DataFrame, **wanted: Names) -> np.ndarray:
    """Return, as a boolean array, which rows have one of the wanted values in every column; None means any value."""
    kept = np.ones(len(table), dtype=bool)
    for column, names in wanted.items():
        if names is not None:
            names = [names] if isinstance(names, str) else list(names)
            require(names, [v for v in table[column] if v], column)
            kept &= table[column].isin(names).to_numpy()
    return kept


def above(flops: pd.Series, limit: float, unknown: str) -> np.ndarray:
    """Return, as a boolean array, which models have more compute than the limit; `unknown` places the blanks."""
    if not isinstance(limit, Real):
        raise EvalsError(f"flops={shown(limit)} is not a number. Give plain FLOP, such as flops=8.4e22.")
    if not SMALLEST_FLOPS <= limit < np.inf:
        raise EvalsError(
            f"flops={limit:g} is not a plausible training compute. Give plain FLOP, not a log10 and not units of "
            "10^21: flops=8.4e22, for example (Llama-2 7B)."
        )
    if unknown not in ("above", "below"):
        raise EvalsError(f"unknown={unknown!r} is not possible; write 'above' or 'below'.")
    return (flops.fillna(np.inf if unknown == "above" else 0.0) > limit).to_numpy()


def positions(scores: pd.DataFrame, models: pd.Series, benchmarks: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and the column of every score in the matrix of models by benchmarks."""
    rows = pd.Index(models).get_indexer(pd.Index(scores["model"]))
    columns = pd.Index(benchmarks).get_indexer(pd.Index(scores["benchmark"]))
    return rows, columns


def hidden_cells(hidden: Any, models: pd.Series, benchmarks: pd.Series) -> np.ndarray:
    """Convert any accepted form of a mask to a boolean matrix, shape ``(model, benchmark)``."""
    dims = {"model", "benchmark"}
    if hasattr(hidden, "coords"):
        if set(hidden.dims) != dims or not dims <= set(hidden.coords):
            message = f"The matrix has the dims {hidden.dims}; it needs 'model' and 'benchmark', with their names."
            raise EvalsError(message)
        hidden = pd.DataFrame(hidden.transpose("model", "benchmark").to_pandas())
    if isinstance(hidden, pd.DataFrame) and not dims <= set(hidden.columns):
        # All names of the matrix, not only those of cells to hide: a misspelt one must not be passed over.
        require(hidden.index, models, "model")
        require(hidden.columns, benchmarks, "benchmark")
        if not all(map(pd.api.types.is_bool_dtype, hidden.dtypes)):
            raise EvalsError("The matrix of scores to hide must be boolean: True where a score is to be hidden.")
        rows, columns = np.nonzero(hidden.to_numpy(dtype=bool))
        hidden = pd.DataFrame({"model": hidden.index[rows], "benchmark": hidden.columns[columns]})
    if not isinstance(hidden, pd.DataFrame):
        pairs = [hidden] if isinstance(hidden, str) else list(hidden)
        if any(isinstance(p, str) or len(p) != 2 for p in pairs):
            message = "Give the scores to hide as pairs, mask([(model, benchmark), ...]), or as a boolean matrix."
            raise EvalsError(message)
        hidden = pd.DataFrame(pairs, columns=["model", "benchmark"])
    require(hidden["model"], models, "model")
    require(hidden["benchmark"], benchmarks, "benchmark")
    cells = np.zeros((len(models), len(benchmarks)), dtype=bool)
    cells[positions(hidden, models, benchmarks)] = True
    return cells
