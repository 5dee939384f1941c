"""The value that everything starts from: which model scored what on which benchmark."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale.errors import EvalsError, EvalsWarning, suggest
from bayescale.evals import describe, packing
from bayescale.evals.cells import require
from bayescale.evals.compute import training_flops
from bayescale.evals.csvfile import write_table
from bayescale.evals.problems import Problem, errors_only, sum_up, tables_error
from bayescale.evals.selection import Parts
from bayescale.evals.tables import SMALLEST_FLOPS, TABLES, read_from_file
from bayescale.evals.validation import find_notes, inspect

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False, repr=False)
class Evals(Parts):
    """Observed benchmark scores of language models, with what is known of the models and the benchmarks.

    Validated once, when made; after that it does not change, and every method returns a new value. The three tables
    are copies of what was given and are not to be modified. Two `Evals` hold the same data if their `identity` is the
    same.

    Parameters
    ----------
    models : pandas.DataFrame
        One row per model. ``model`` (name), ``family``; and optionally ``kind`` (``base`` or ``instruct``; default
        ``base``), ``code`` (bool), ``params_b`` (10^9 parameters), ``tokens_t`` (10^12 training tokens), ``flops``
        (training FLOP), ``flops_log10_sd`` (standard deviation of log10 `flops`), ``released``. A blank is an unknown
        figure. Where `flops` is blank and parameters and tokens are known, it becomes 6 x parameters x tokens (Kaplan
        et al. 2020, section 2.1; Hoffmann et al. 2022, appendix F); a given value is left as it is.
    benchmarks : pandas.DataFrame
        One row per benchmark. ``benchmark`` (name); and optionally ``title``, ``metric``, ``items`` (number of test
        items; blank if the score is no proportion), ``floor`` (score of a guesser; default 0), ``ceiling`` (default
        1), ``testlet`` (shared by variants of one benchmark), ``suite``, ``source``.
    scores : pandas.DataFrame
        One row per observed score. ``model``, ``benchmark``, ``score`` in [0, 1]; and optionally ``source``. Exact
        repetitions are dropped, with an `EvalsWarning`.
    name : str
        What to call the data in print. Not part of its identity.

    Other columns are kept as text.

    Raises
    ------
    EvalsError
        The tables hold errors: the message lists them (see `bayescale.evals.validation`), and its attribute
        ``problems`` has them as values.

    Examples
    --------
    >>> import pandas as pd
    >>> models = pd.DataFrame({"model": ["a-7b", "a-70b"], "family": "A", "flops": [8.4e22, 8.4e23]})
    >>> benchmarks = pd.DataFrame({"benchmark": ["MMLU"], "items": [14042], "floor": [0.25]})
    >>> scores = pd.DataFrame({"model": ["a-7b", "a-70b"], "benchmark": "MMLU", "score": [0.44, 0.70]})
    >>> evals = Evals(models, benchmarks, scores, name="mine")
    >>> evals.matrix().sel(model="a-70b", benchmark="MMLU").item()
    0.7
    """

    models: pd.DataFrame
    benchmarks: pd.DataFrame
    scores: pd.DataFrame
    name: str = "evals"
    _arrival: tuple[Problem, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        given = self._tables()
        files = any(map(read_from_file, given.values()))
        tables, problems = inspect(given)
        if errors := errors_only(problems):
            raise tables_error(errors, files, self.name)
        for name, table in tables.items():
            object.__setattr__(self, name, table.frame)
        if problems:
            repeated = "\n".join(f"  {p.describe(files)}" for p in problems)
            warnings.warn(f"Dropped from {self.name}, as repetitions:\n{repeated}", EvalsWarning, stacklevel=3)
        object.__setattr__(self, "_arrival", (*problems, *self._fill_flops()))

    def _fill_flops(self) -> list[Problem]:
        models = self.models
        estimate = training_flops(models["params_b"], models["tokens_t"])
        estimate = estimate.where(estimate >= SMALLEST_FLOPS)
        missing = np.flatnonzero(models["flops"].isna() & estimate.notna()).tolist()
        models["flops"] = models["flops"].fillna(estimate)
        message, remedy = "training compute taken as 6 x parameters x tokens", "give flops if it is known better"
        return [Problem("models", i + 2, "flops", models["model"].iloc[i], message, remedy, "note") for i in missing]

    # What is in it

    @property
    def model_names(self) -> list[str]:
        """Names of the models, in the order of the table."""
        return self.models["model"].tolist()

    @property
    def benchmark_names(self) -> list[str]:
        """Names of the benchmarks, in the order of the table."""
        return self.benchmarks["benchmark"].tolist()

    @property
    def families(self) -> list[str]:
        """Names of the families, in order of first appearance."""
        return list(dict.fromkeys(self.models["family"]))

    @property
    def largest_families(self) -> list[str]:
        """Names of the families, those with most models first, in order of first appearance among equals."""
        counts = self.models["family"].value_counts()
        return sorted(self.families, key=lambda name: -counts[name])

    @property
    def n_scores(self) -> int:
        """Number of observed scores; also ``len(evals)``."""
        return len(self.scores)

    def __len__(self) -> int:
        return self.n_scores

    @property
    def notes(self) -> tuple[str, ...]:
        """What is allowed and worth knowing: families with one model, benchmarks with few scores, filled-in compute."""
        models = set(self.models["model"])
        arrival = [p for p in self._arrival if p.column != "flops" or p.value in models]
        return sum_up([*arrival, *find_notes(self.models, self.benchmarks, self.scores)])

    def matrix(self, value: str = "score") -> xr.DataArray:
        """Lay one column of the scores out as a matrix.

        Parameters
        ----------
        value : str
            Column of `scores`: ``"score"``, ``"source"`` or a column of your own.

        Returns
        -------
        xarray.DataArray
            Dims ``(model, benchmark)``, with the coordinate ``family`` along ``model``; NaN (for text: ``""``) where
            nothing was observed.

        Raises
        ------
        EvalsError
            There is no such column.

        Examples
        --------
        >>> from bayescale.evals import load_evals
        >>> load_evals("base-llms").matrix().dims
        ('model', 'benchmark')
        """
        return describe.matrix(self, value)

    def summary(self) -> pd.DataFrame:
        """Describe each benchmark.

        Returns
        -------
        pandas.DataFrame
            Index ``benchmark``; columns ``scores`` (how many), ``min``, ``median``, ``max``, ``items``, ``floor``.

        Examples
        --------
        >>> from bayescale.evals import load_evals
        >>> int(load_evals("base-llms").summary().loc["MMLU", "items"])
        14042
        """
        return describe.summary(self)

    def add(self, model: str, family: str, scores: Mapping[str, float], **columns: Any) -> Evals:
        """Add one more model.

        Parameters
        ----------
        model, family : str
            Its name, which must be new, and its family, which may be new.
        scores : mapping of str to float
            Its scores in [0, 1] by benchmark; may be empty.
        **columns
            Other columns of the models: ``flops`` (FLOP), ``params_b`` (10^9), ``tokens_t`` (10^12), ``kind``, ...

        Returns
        -------
        Evals

        Raises
        ------
        EvalsError
            A benchmark or column is unknown, or a value is not allowed.

        Examples
        --------
        >>> from bayescale.evals import load_evals
        >>> evals = load_evals("base-llms").add("Llama-3-400B", "Llama-3", {"MMLU": 0.86}, flops=4e25)
        >>> evals.model_names[-1]
        'Llama-3-400B'
        """
        for name in columns:
            if name not in self.models:
                raise EvalsError(suggest(name, self.models.columns, "column of models"))
        require(scores, self.benchmark_names, "benchmark")
        row = pd.DataFrame({"model": [model], "family": [family]} | {k: [v] for k, v in columns.items()})
        rows = pd.DataFrame({"model": model, "benchmark": list(scores), "score": list(scores.values())}, dtype=object)
        added = Evals(
            pd.concat([self.models.astype(object), row], ignore_index=True),
            self.benchmarks,
            pd.concat([self.scores.astype(object), rows], ignore_index=True),
            self.name,
        )
        object.__setattr__(added, "_arrival", (*self._arrival, *added._arrival))
        return added

    # In and out

    def to_directory(self, path: str | Path) -> Path:
        """Write the tables as CSV files that `read_evals` reads back to the last bit.

        Parameters
        ----------
        path : str or pathlib.Path
            Directory for ``models.csv``, ``benchmarks.csv`` and ``scores.csv``; made if needed. Files of these names
            are replaced, each in one step.

        Returns
        -------
        pathlib.Path
            The directory.

        Raises
        ------
        OSError
            It cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from bayescale.evals import load_evals, read_evals
        >>> evals = load_evals("base-llms")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     read_evals(evals.to_directory(folder)).identity == evals.identity
        True
        """
        directory = Path(path)
        directory.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            write_table(directory, name, getattr(self, name))
        return directory

    def to_json(self) -> str:
        """Pack everything into one string of JSON, floats exact to the last bit; see `from_json`.

        Examples
        --------
        >>> from bayescale.evals import load_evals
        >>> Evals.from_json(load_evals("base-llms").to_json()).name
        'base-llms'
        """
        return packing.pack(self._tables(), self.name)

    @classmethod
    def from_json(cls, text: str) -> Evals:
        """Unpack what `to_json` packed.

        Raises
        ------
        EvalsError
            The text is damaged, foreign, or of a newer format.

        Examples
        --------
        >>> from bayescale.evals import load_evals
        >>> evals = load_evals("base-llms")
        >>> Evals.from_json(evals.to_json()).identity == evals.identity
        True
        """
        tables, name = packing.unpack(text)
        return cls(**tables, name=name)

    @property
    def identity(self) -> str:
        """SHA-256 of the content, as 64 hexadecimal digits; the same whatever the name and the order of the rows."""
        return packing.identity(self._tables())

    def _tables(self) -> dict[str, pd.DataFrame]:
        return {"models": self.models, "benchmarks": self.benchmarks, "scores": self.scores}

    def __repr__(self) -> str:
        return describe.as_text(self)

    def _repr_html_(self) -> str:
        return describe.as_html(self)
