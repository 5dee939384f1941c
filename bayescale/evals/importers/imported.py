"""The result of an import: tables, a record of what was taken and skipped, and the merge with existing tables."""

from __future__ import annotations

import dataclasses
import math
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.errors import EvalsError, EvalsWarning
from bayescale.evals.evals import Evals
from bayescale.evals.importers.base import SAME_ITEMS
from bayescale.evals.tables import TABLES, cell_text, coerce, read_tables, tables_error, write_table

TEMPLATE = "models_to_fill"

TO_FILL = tuple(c.name for c in TABLES["models"] if c.name != "code")

_KEYS = {"models": ["model"], "benchmarks": ["benchmark"], "scores": ["model", "benchmark"]}

# Runs that agree on a score may differ in these columns: that is no conflict.
_PROVENANCE = {"source", "stderr", "n_shot", "version", "note"}

# A message longer than a screen hides the first lines, which matter most.
_MOST_SHOWN = 20

_CONFLICT = ["table", "row", "column", "kept", "offered"]


@dataclass(frozen=True, eq=False, repr=False)
class Imported:
    """Tables made from the output of a tool.

    Attributes
    ----------
    tool : str
        ``lm-eval``, ``inspect``, ``wide`` or ``epoch``.
    models, benchmarks, scores : pandas.DataFrame
        In the form of `Evals`; unknown families and compute are blank. Scores may have the further columns
        ``stderr`` (standard error as the tool reports it), ``n_shot`` and ``version``.
    taken : pandas.DataFrame
        Columns ``benchmark``, ``name`` (in the tool), ``by`` (why it is this benchmark: ``mapping``, ``alias``,
        ``name``; ``new`` if no shipped benchmark has this name), ``scores`` (how many).
    skipped : pandas.DataFrame
        Columns ``source``, ``model``, ``what``, ``reason``; one row for everything that was not taken.
    notes : tuple of str
        Things to check: item counts that differ from the shipped ones, unknown floors, mixed prompts.
    conflicts : pandas.DataFrame
        After merging: columns ``table``, ``row``, ``column``, ``kept``, ``offered``.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayescale as bs
    >>> pd.DataFrame({"model": ["mine-7b", "mine-70b"], "MMLU": [0.44, 0.70]}).to_csv("wide.csv", index=False)
    >>> imported = bs.import_evals("wide", "wide.csv")
    >>> imported
    Imported from wide: 2 scores of 2 models on 1 benchmarks; skipped: 0; models to fill in: 2
    >>> imported.taken[["benchmark", "by"]].values.tolist()
    [['MMLU', 'name']]
    """

    tool: str
    models: pd.DataFrame
    benchmarks: pd.DataFrame
    scores: pd.DataFrame
    taken: pd.DataFrame
    skipped: pd.DataFrame
    notes: tuple[str, ...] = ()
    conflicts: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=_CONFLICT, dtype="str"))

    @property
    def to_fill(self) -> pd.DataFrame:
        """Models that lack a family, which is required, or compute: neither given nor implied by size and tokens.

        Unknown compute is allowed: it is estimated with everything else, and such a model is less informative.
        """
        size_known = self.models["params_b"].notna() & self.models["tokens_t"].notna()
        lacking = (self.models["family"] == "") | (self.models["flops"].isna() & ~size_known)
        return self.models[lacking].reset_index(drop=True)

    def evals(self, name: str = "evals") -> Evals:
        """Convert the tables to `Evals`; raises `EvalsError` with all problems, such as models without a family.

        Examples
        --------
        >>> import pandas as pd
        >>> import bayescale as bs
        >>> pd.DataFrame({"model": ["mine-7b", "mine-70b"], "MMLU": [0.44, 0.70]}).to_csv("wide.csv", index=False)
        >>> facts = pd.DataFrame({"model": ["mine-7b", "mine-70b"], "family": "mine", "flops": [8e22, 8e23]})
        >>> bs.import_evals("wide", "wide.csv", models=facts).evals("mine").families
        ['mine']
        """
        return Evals(self.models, self.benchmarks, self.scores, name)

    def write(self, folder: str | Path, into: bool = False) -> Imported:
        """Write the tables, and ``models_to_fill.csv`` with the models of `to_fill`.

        Parameters
        ----------
        folder : str or pathlib.Path
            For ``models.csv``, ``benchmarks.csv`` and ``scores.csv``, which `read_evals` reads; made if needed.
        into : bool
            Merge with existing tables: rows are added and blanks are filled. Existing values are never overwritten;
            where the import has another value, the existing one is kept, with an `EvalsWarning` of the conflicts.

        Returns
        -------
        Imported
            The tables that were written; after a merge the complete ones, with `conflicts`.

        Raises
        ------
        EvalsError
            There are tables in the folder and `into` is false, or they cannot be read.

        Examples
        --------
        >>> import pandas as pd
        >>> import bayescale as bs
        >>> pd.DataFrame({"model": ["mine-7b", "mine-70b"], "MMLU": [0.44, 0.70]}).to_csv("wide.csv", index=False)
        >>> facts = pd.DataFrame({"model": ["mine-7b", "mine-70b"], "family": "mine", "flops": [8e22, 8e23]})
        >>> written = bs.import_evals("wide", "wide.csv", models=facts).write("my-tables")
        >>> bs.read_evals("my-tables").model_names
        ['mine-7b', 'mine-70b']
        """
        path = Path(folder)
        there = [f"{name}.csv" for name in TABLES if (path / f"{name}.csv").exists()]
        written = self
        if there and not into:
            raise EvalsError(
                f"The folder {str(folder)!r} already has tables ({', '.join(there)}). Merge with them, into=True or "
                "--into on the command line, or give another folder."
            )
        if there:
            tables, conflicts = merge_tables(read_existing(path), {name: getattr(self, name) for name in TABLES})
            written = dataclasses.replace(
                self, models=tables["models"], benchmarks=tables["benchmarks"], scores=tables["scores"],
                conflicts=conflicts,
            )  # fmt: skip
        path.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            write_table(path, name, getattr(written, name))
        template = written.to_fill[[c for c in TO_FILL if c in written.models]]
        if len(template):
            write_table(path, TEMPLATE, template)
        else:
            (path / f"{TEMPLATE}.csv").unlink(missing_ok=True)
        if len(written.conflicts):
            warnings.warn(written._conflict_text(str(folder)), EvalsWarning, stacklevel=2)
        return written

    def _conflict_text(self, folder: str) -> str:
        lines = [
            f"  {r.table}, {r.row}, {r.column}: {r.kept} is kept, {r.offered} is not"
            for r in self.conflicts.head(_MOST_SHOWN).itertuples()
        ]
        if len(self.conflicts) > _MOST_SHOWN:
            lines.append(f"  ... and {len(self.conflicts) - _MOST_SHOWN} more, in `conflicts`")
        return "\n".join([f"{len(self.conflicts)} conflict(s) with the tables in {folder!r}:", *lines])

    def __repr__(self) -> str:
        fill = len(self.to_fill)
        return (
            f"Imported from {self.tool}: {len(self.scores)} scores of {len(self.models)} models on "
            f"{len(self.benchmarks)} benchmarks; skipped: {len(self.skipped)}; models to fill in: {fill}"
        )


# Merging with tables that exist


def read_existing(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the tables of a folder without defaults: blanks stay blank, also those of required columns."""
    raw, problems = read_tables(folder)
    tables = {name: table for name, table in raw.items() if table is not None}
    for name, table in tables.items():
        problems += coerce(name, table).problems
    if problems:
        raise tables_error(problems, files=True, where=str(folder))
    for name, table in tables.items():
        table.columns = table.columns.str.strip()
        for column in table:
            table[column] = table[column].str.strip()
        for column in (c.name for c in TABLES[name] if c.dtype == "number" and c.name in table):
            # Python's own parser is exact to the last bit.
            table[column] = [float(cell) if cell else math.nan for cell in table[column]]
    return {name: table.reset_index(drop=True) for name, table in tables.items()}


def merge_tables(
    old: dict[str, pd.DataFrame], new: dict[str, pd.DataFrame]
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Add the rows of the new tables to the old ones and fill blanks; return the tables and the conflicts."""
    conflicts: list[tuple[Any, ...]] = []
    merged = {name: _merge(name, old[name], new[name], conflicts) for name in TABLES}
    return merged, pd.DataFrame(conflicts, columns=_CONFLICT, dtype="str")


def _merge(name: str, old: pd.DataFrame, new: pd.DataFrame, conflicts: list[tuple[Any, ...]]) -> pd.DataFrame:
    keys = _KEYS[name]
    columns = list(dict.fromkeys([*old.columns, *new.columns]))
    rows: dict[tuple[str, ...], dict[Any, Any]] = {}
    for row in old.to_dict("records"):
        rows.setdefault(tuple(row[k] for k in keys), row)
    for offered in new.to_dict("records"):
        key = tuple(offered[k] for k in keys)
        kept = rows.setdefault(key, offered)
        differing = {c for c in offered if _differ(c, kept.get(c), offered[c])} - _PROVENANCE
        conflicts += [
            (name, " on ".join(key), c, cell_text(kept[c]), cell_text(offered[c])) for c in sorted(differing, key=str)
        ]
        if name == "scores" and differing:
            continue
        kept |= {c: v for c, v in offered.items() if _blank(kept.get(c)) and not _blank(v)}
    table = pd.DataFrame(list(rows.values()), columns=columns)
    for c in columns:
        is_number = any(f[c].dtype == float for f in (old, new) if c in f)
        table[c] = table[c].astype(float) if is_number else table[c].astype(object).fillna("").astype("str")
    return table


def _blank(value: Any) -> bool:
    return value is None or value == "" or value != value


def _differ(column: Any, kept: Any, offered: Any) -> bool:
    if _blank(kept) or _blank(offered):
        return False
    if isinstance(kept, float) and isinstance(offered, float):
        return not math.isclose(kept, offered, rel_tol=SAME_ITEMS if column == "items" else 1e-9, abs_tol=1e-12)
    return bool(kept != offered)
