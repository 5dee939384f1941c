"""Taking evals apart: the methods of `Evals` that keep some of its rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import pandas as pd

from bayescale.errors import EvalsError
from bayescale.evals import cells
from bayescale.evals.cells import Names

if TYPE_CHECKING:
    import xarray as xr


class Parts:
    """Selecting, masking and splitting, for a value that has the three tables as attributes."""

    models: pd.DataFrame
    benchmarks: pd.DataFrame
    scores: pd.DataFrame
    name: str

    def _derive(self, **tables: pd.DataFrame) -> Self:
        """Replace tables by parts of them, which need no second validation."""
        derived = object.__new__(type(self))
        for name in ("models", "benchmarks", "scores", "name", "_arrival"):
            object.__setattr__(derived, name, tables.get(name, getattr(self, name)))
        for name, table in tables.items():
            object.__setattr__(derived, name, table.reset_index(drop=True))
        return derived

    def _positions(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of every score in the matrix."""
        return cells.positions(self.scores, self.models["model"], self.benchmarks["benchmark"])

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
        kept_models = cells.chosen(self.models, model=models, family=families, kind=kinds)
        if code is not None:
            kept_models &= self.models["code"].to_numpy() == code
        kept_benchmarks = cells.chosen(self.benchmarks, benchmark=benchmarks, suite=suites)
        for what, kept in (("models", kept_models), ("benchmarks", kept_benchmarks)):
            if not kept.any():
                raise EvalsError(f"The selection leaves no {what} of {self.name}; ask for less at once.")
        rows, columns = self._positions()
        return self._derive(
            models=self.models[kept_models],
            benchmarks=self.benchmarks[kept_benchmarks],
            scores=self.scores[kept_models[rows] & kept_benchmarks[columns]],
        )

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
        matrix = cells.hidden_cells(hidden, self.models["model"], self.benchmarks["benchmark"])
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
        models = cells.above(self.models["flops"], flops, unknown)
        rows, columns = self._positions()
        hidden = models[rows] & cells.chosen(self.benchmarks, benchmark=benchmarks)[columns]
        return self._derive(scores=self.scores[~hidden]), self._derive(scores=self.scores[hidden])
