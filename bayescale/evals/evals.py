"""Observed benchmark scores of language models, as one validated and immutable value."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale import _display
from bayescale._files import storable
from bayescale._identity import stored_identity
from bayescale.errors import EvalsError, EvalsWarning, suggest
from bayescale.evals.csv_files import write_table
from bayescale.evals.selection import SelectionMixin, require
from bayescale.evals.tables import (
    SMALLEST_FLOPS,
    TABLES,
    Problem,
    counting,
    errors_only,
    has_file_lines,
    json_value,
    measurements,
    not_a_table,
    tables_error,
    training_flops,
)
from bayescale.evals.validation import find_notes, note, validate_tables

if TYPE_CHECKING:
    import xarray as xr

NEXT = 'bs.fit(bs.load_spec("default"), evals)'

# Version of the form that `Evals.to_json` writes.
FORMAT = 2
_MOST_FAMILIES = 8


@dataclass(frozen=True, eq=False, repr=False)
class Evals(SelectionMixin):
    """Observed benchmark scores of language models, with facts about the models and the benchmarks.

    The tables are validated once, when the value is made. It does not change after that: every method returns a new
    value. The three tables are copies of the arguments; do not modify them. Two `Evals` with the same `identity`
    contain the same data.

    Parameters
    ----------
    models : pandas.DataFrame
        One row per model. ``model`` (name), ``family``; and optionally ``kind`` (``base`` or ``instruct``; default
        ``base``), ``code`` (bool), ``params_b`` (10^9 parameters), ``tokens_t`` (10^12 training tokens), ``flops``
        (training FLOP), ``flops_log10_sd`` (standard deviation of log10 `flops`), ``released``. A blank is an unknown
        value. Where `flops` is blank and parameters and tokens are given, it becomes 6 x parameters x tokens (Kaplan
        et al. 2020, section 2.1; Hoffmann et al. 2022, appendix F); a given value is left as it is.
    benchmarks : pandas.DataFrame
        One row per benchmark. ``benchmark`` (name); and optionally ``title``, ``metric``, ``items`` (number of test
        items; blank if the score is no proportion), ``floor`` (score of a guesser; default 0), ``ceiling`` (default
        1), ``testlet`` (shared by variants of one benchmark), ``suite``, ``source``.
    scores : pandas.DataFrame
        One row per measurement. ``model``, ``benchmark``, ``score`` in [0, 1]; and optionally ``source``, and how it
        was measured: ``harness``, ``shots``, ``setting``, ``stderr``, ``n``. Of several rows on one model and benchmark
        the first counts: `scores` keeps that one, and `measurements` all. They must differ in a column other than the
        score; exact repetitions are dropped, with an `EvalsWarning`.
    name : str
        Name in messages and plots; not part of the identity.

    Other columns, such as ``organization`` of the models, are kept as text; a spec types those that are its covariates.

    Raises
    ------
    EvalsError
        There are errors in the tables: the message lists them (see `bayescale.evals.validation`), and its attribute
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
    # All rows of the scores; None where no model and benchmark has several.
    _measured: pd.DataFrame | None = field(default=None, init=False)
    # What the constructor dropped, and the models whose compute it estimated; the tables no longer show it.
    _repetitions: tuple[Problem, ...] = field(default=(), init=False)
    _estimated: frozenset[str] = field(default=frozenset(), init=False)

    def __post_init__(self) -> None:
        if not storable(self.name):
            raise EvalsError(f"The name of the evals, {self.name!r}, holds a character that no file does.")
        given = self._tables()
        files = any(map(has_file_lines, given.values()))
        tables, problems = validate_tables(given)
        # There a table that is None is one that could not be read, which has its error already.
        problems += [not_a_table(name, table) for name, table in given.items() if table is None]
        if errors := errors_only(problems):
            raise tables_error(errors, files, self.name)
        for name, table in tables.items():
            object.__setattr__(self, name, table.frame)
        first = counting(self.scores)
        if not first.all():
            object.__setattr__(self, "_measured", self.scores)
            object.__setattr__(self, "scores", self.scores[first].reset_index(drop=True))
        if problems:
            repeated = "\n".join(f"  {p.describe(files)}" for p in problems)
            warnings.warn(f"Dropped from {self.name}, as repetitions:\n{repeated}", EvalsWarning, stacklevel=3)
        models = self.models
        estimate = training_flops(models["params_b"], models["tokens_t"])
        estimate = estimate.where(models["flops"].isna() & (estimate >= SMALLEST_FLOPS))
        models["flops"] = models["flops"].fillna(estimate)
        object.__setattr__(self, "_repetitions", tuple(problems))
        object.__setattr__(self, "_estimated", frozenset(models["model"][estimate.notna()]))

    # Contents

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
        """Names of the families, those with most models first."""
        counts = self.models["family"].value_counts()
        return sorted(self.families, key=lambda name: -counts[name])

    @property
    def n_scores(self) -> int:
        """Number of observed scores; also ``len(evals)``."""
        return len(self.scores)

    @property
    def measurements(self) -> pd.DataFrame:
        """All measurements, of which there may be several for one model and benchmark; `scores` has the first of each.

        Columns ``model``, ``benchmark``, ``score``; ``source`` (who states it), ``harness``, ``shots`` (examples in the
        prompt) and ``setting`` (text, blank where nothing is stated), and the three in words, ``how``; ``stderr`` and
        ``n`` (NaN where unknown); ``counts``, True for the rows in `scores`. Importers put a full run in the usual
        setting first; the rules of the shipped tables are in ``data/README.md``.

        Examples
        --------
        >>> from bayescale.evals import load_evals
        >>> rows = load_evals("frontier").select("o1-2024-12-17", benchmarks="GPQA Diamond").measurements
        >>> rows[["setting", "counts"]].values.tolist()
        [['effort high', True], ['effort medium', False]]
        """
        return measurements(self._tables()["scores"])

    def __len__(self) -> int:
        return self.n_scores

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the unusual but allowed: families with one model, benchmarks with few scores, estimated compute."""
        notes = [*self._repetitions, *find_notes(self.models, self.benchmarks, self.scores)]
        if estimated := [m for m in self.model_names if m in self._estimated]:
            ending = "compute estimated as 6 x parameters x tokens"
            kinds = f"model has {ending}", f"models have {ending}"
            notes.append(note("models", "flops", estimated, *kinds, "give flops if you know it better"))
        return tuple(f"{n.message[0].upper()}{n.message[1:]}; {n.remedy}." for n in notes)

    def matrix(self, value: str = "score") -> xr.DataArray:
        """Arrange one column of the scores as a matrix of models by benchmarks.

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
        import xarray as xr

        columns = self.scores.columns.drop(["model", "benchmark"])
        if value not in columns:
            raise EvalsError(suggest(value, columns, "column of scores"))
        number = value == "score"
        blank: Any = np.nan if number else ""
        shape = (len(self.models), len(self.benchmarks))
        cells = np.full(shape, blank, dtype=np.float64 if number else object)
        cells[self._positions()] = self.scores[value].to_numpy()
        coords = {
            "model": np.array(self.model_names, dtype=str),
            "benchmark": np.array(self.benchmark_names, dtype=str),
            "family": ("model", np.array(self.models["family"].tolist(), dtype=str)),
        }
        return xr.DataArray(cells, coords=coords, dims=("model", "benchmark"), name=value)

    def summary(self) -> pd.DataFrame:
        """Summarise the scores of each benchmark.

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
        facts = self.benchmarks.set_index("benchmark")[["items", "floor"]]
        scores = self.scores.groupby("benchmark")["score"].agg(["count", "min", "median", "max"])
        table = scores.reindex(facts.index).rename(columns={"count": "scores"}).join(facts)
        return table.assign(scores=table["scores"].fillna(0).astype(int))

    def add(self, model: str, family: str, scores: Mapping[str, float], **columns: Any) -> Evals:
        """Return evals with one more model.

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
            pd.concat([self._tables()["scores"].astype(object), rows], ignore_index=True),
            self.name,
        )
        object.__setattr__(added, "_repetitions", (*self._repetitions, *added._repetitions))
        object.__setattr__(added, "_estimated", self._estimated | added._estimated)
        return added

    # Files and JSON

    def to_directory(self, path: str | Path) -> Path:
        """Write the tables as CSV files that `read_evals` reads back to the last bit, and return the directory.

        Parameters
        ----------
        path : str or pathlib.Path
            Directory for ``models.csv``, ``benchmarks.csv`` and ``scores.csv``; made if needed. Files of these names
            are replaced, each in one step.

        Raises
        ------
        OSError
            It cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from bayescale.evals import load_evals, read_evals
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     read_evals(load_evals("instruct-llms").to_directory(folder)).n_scores
        637
        """
        directory = Path(path)
        directory.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            write_table(directory, name, self._tables()[name])
        return directory

    def to_json(self) -> str:
        """Convert the tables to one string of JSON, with floats exact to the last bit; see `from_json`.

        Examples
        --------
        >>> from bayescale.evals import load_evals
        >>> Evals.from_json(load_evals("base-llms").to_json()).name
        'base-llms'
        """
        content = {
            name: {column: [json_value(v) for v in values.tolist()] for column, values in table.items()}
            for name, table in self._tables().items()
        }
        # Version 1 allows one row per model and benchmark; what it can read stays as it was.
        version = 1 if self._measured is None else FORMAT
        return json.dumps({"format": version, "name": self.name, **content}, allow_nan=False)

    @classmethod
    def from_wide(
        cls, frame: pd.DataFrame, models: pd.DataFrame | None = None, mapping: Any = None, name: str = "evals"
    ) -> Evals:
        """Make evals of a table with a row per model and a column per benchmark.

        Parameters
        ----------
        frame : pandas.DataFrame
            Scores from 0 to 1, the models in the index or in the column ``model``; columns of the models such as
            ``family`` and ``flops`` may stand beside them.
        models, mapping
            As for `import_evals`; benchmarks that do not ship need a mapping. `import_evals` says what was skipped.
        name : str

        Returns
        -------
        Evals

        Raises
        ------
        EvalsError
            Nothing could be taken, or a model lacks its family.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"family": "mine", "MMLU": [0.44, 0.70]}, index=["mine-7b", "mine-70b"])
        >>> Evals.from_wide(frame).benchmark_names
        ['MMLU']
        """
        from bayescale.evals.importers import import_evals

        return import_evals("wide", frame, mapping=mapping, models=models).evals(name)

    @classmethod
    def from_json(cls, text: str) -> Evals:
        """Make evals of the JSON that `to_json` returns.

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
        try:
            content = json.loads(text)
            version = int(content["format"])
            tables = {table: pd.DataFrame(content[table]) for table in TABLES if version <= FORMAT}
            name = str(content["name"])
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise EvalsError(f"This is not the JSON of an Evals ({type(error).__name__}: {error}).") from error
        if version > FORMAT:
            raise EvalsError(f"These evals have format {version}, newer than {FORMAT}: install a newer bayescale.")
        return cls(**tables, name=name)

    @property
    def identity(self) -> str:
        """SHA-256 of the content, as 64 hexadecimal digits; independent of the name and of the order of the rows."""
        texts = []
        tables = self._tables()
        if self._measured is not None:
            # The order of the rows says which of them counts.
            tables["counting"] = self.scores
        for name, table in tables.items():
            columns = sorted(map(str, table.columns))
            rows = zip(*(map(json_value, table[c].tolist()) for c in columns), strict=True)
            texts.append(json.dumps([name, columns, sorted(map(json.dumps, rows))]))
        return stored_identity(*texts)

    def _tables(self) -> dict[str, pd.DataFrame]:
        return {
            "models": self.models,
            "benchmarks": self.benchmarks,
            "scores": self.scores if self._measured is None else self._measured,
        }

    def __repr__(self) -> str:
        return _display.wrapped(self._text())

    def _repr_html_(self) -> str:
        return _display.as_html(self._text(), self.summary(), "number of scores per benchmark, and their range")

    @property
    def headline(self) -> str:
        """Name and sizes in one line."""
        share = self.n_scores / max(len(self.models) * len(self.benchmarks), 1)
        of = f"{len(self.models)} models of {len(self.families)} families, {len(self.benchmarks)} benchmarks"
        measured = "" if self._measured is None else f", {len(self._measured)} measurements"
        return f"Evals {self.name!r}: {of}, {self.n_scores} scores ({share:.0%} of the matrix observed){measured}"

    def _text(self) -> str:
        noted = [f"{n} note{'s' * (n > 1)}: see evals.notes" for n in [len(self.notes)] if n]
        return "\n".join([self.headline, *details(self), *noted, f"Next: {NEXT}"])


def details(evals: Evals) -> list[str]:
    """Return lines that describe the families and the range of training compute."""
    sizes = evals.models["family"].value_counts()
    shown = ", ".join(f"{family} ({n})" for family, n in sizes.head(_MOST_FAMILIES).items())
    more = f", and {len(sizes) - _MOST_FAMILIES} more" if len(sizes) > _MOST_FAMILIES else ""
    flops = evals.models["flops"].dropna()
    span = f"{flops.min():.2g} to {flops.max():.2g} FLOP; " if len(flops) else ""
    return [f"families: {shown}{more}", f"training compute: {span}unknown for {len(evals.models) - len(flops)} models"]
