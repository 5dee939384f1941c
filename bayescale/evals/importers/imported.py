"""The result of an import: tables, a record of what was taken and skipped, and the merge with existing tables."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale._display import wrapped
from bayescale.errors import EvalsError, EvalsWarning
from bayescale.evals.csv_files import write_table
from bayescale.evals.evals import Evals
from bayescale.evals.importers.base import shipped_models
from bayescale.evals.importers.merge import CONFLICT, fill_blanks, merge_tables, read_existing, read_template
from bayescale.evals.tables import TABLES, counting
from bayescale.evals.validation import find_implausible

TEMPLATE = "models_to_fill"

TO_FILL = tuple(c.name for c in TABLES["models"] if c.name != "code")

# A message longer than a screen hides the first lines, which matter most.
_MOST_SHOWN = 4


@dataclass(frozen=True, eq=False, repr=False)
class Imported:
    """Tables made from the output of a tool.

    Attributes
    ----------
    tool : str
        ``lm-eval``, ``lighteval``, ``inspect``, ``every-eval-ever``, ``wide``, ``long`` or ``epoch``.
    models, benchmarks, scores : pandas.DataFrame
        In the form of `Evals`; unknown families and compute are blank. Scores say how they were measured where the tool
        does: ``harness``, ``shots``, ``setting`` (quantisation, a chat template, an effort, a limit of samples),
        ``version`` of the task, ``stderr``, ``n`` (samples). Of several measurements of one model and benchmark the
        first counts: one of all samples, the one that the source prefers, with the number of examples that most models
        have, without a particular setting, the latest.
    taken : pandas.DataFrame
        Columns ``benchmark``, ``name`` (in the tool), ``by`` (why it is this benchmark: ``mapping``, ``alias``,
        ``name``; ``new`` if no shipped benchmark has this name), ``scores`` (how many).
    skipped : pandas.DataFrame
        Columns ``source`` (the file), ``model``, ``what``, ``reason`` and ``kind`` (the reason without its details);
        one row for everything that was not taken.
    notes : tuple of str
        Things to check: item counts that differ from the shipped ones, unknown floors, mixed prompts.
    conflicts : pandas.DataFrame
        After merging: columns ``table``, ``row``, ``column``, ``kept``, ``offered``.
    facts : dict
        What the user said about models, by model and column; a merge fills blanks of existing models with it.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayescale as bs
    >>> pd.DataFrame({"model": ["mine-7b", "mine-70b"], "MMLU": [0.44, 0.70]}).to_csv("wide.csv", index=False)
    >>> imported = bs.import_evals("wide", "wide.csv")
    >>> imported
    Imported from wide: 2 scores of 2 models on 1 benchmark; skipped: 0; models to fill in: 2
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
    conflicts: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=CONFLICT, dtype="str"))
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def to_fill(self) -> pd.DataFrame:
        """Models that lack a family, which is required, or compute: neither given nor implied by size and tokens.

        Unknown compute is allowed: it is estimated with everything else, and such a model is less informative. Models
        that ship are asked about only if they lack a family.
        """
        size_known = self.models["params_b"].notna() & self.models["tokens_t"].notna()
        unknown = self.models["flops"].isna() & ~size_known & ~self.models["model"].isin(shipped_models())
        lacking = (self.models["family"] == "") | unknown
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

        What is filled in in a ``models_to_fill.csv`` that is there stays.

        Parameters
        ----------
        folder : str or pathlib.Path
            For ``models.csv``, ``benchmarks.csv`` and ``scores.csv``, which `read_evals` reads; made if needed.
        into : bool
            Merge with existing tables, as `merge_into` does. Existing values are never overwritten; an `EvalsWarning`
            lists the conflicts.

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
        template = read_template(path, TEMPLATE)
        if there:
            written = self.merge_into(read_existing(path))
        path.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            write_table(path, name, getattr(written, name))
        to_fill = written.to_fill[[c for c in TO_FILL if c in written.models]]
        if len(to_fill := fill_blanks(to_fill, template, written.models)):
            write_table(path, TEMPLATE, to_fill)
        else:
            (path / f"{TEMPLATE}.csv").unlink(missing_ok=True)
        if len(written.conflicts):
            warnings.warn(written._conflict_text(str(folder)), EvalsWarning, stacklevel=2)
        return written

    def merge_into(self, tables: Mapping[str, pd.DataFrame] | Evals) -> Imported:
        """Add these tables to others, such as `load_evals("base-llms")`, and return the complete ones.

        Rows are added and blanks are filled. Where two facts differ, that of the other tables is kept, and the
        difference is in `conflicts`. A score that differs is a repeated measurement, which does not count, if it states
        another source, harness, number of examples or setting, and a conflict otherwise. Notes name the models and
        families that are there under several names.

        Examples
        --------
        >>> import pandas as pd
        >>> import bayescale as bs
        >>> pd.DataFrame({"model": ["mine-7b", "mine-70b"], "MMLU": [0.44, 0.70]}).to_csv("wide.csv", index=False)
        >>> evals = bs.load_evals("base-llms")
        >>> both = bs.import_evals("wide", "wide.csv").merge_into(evals)
        >>> len(both.scores) - len(evals)
        2
        """
        old = tables._tables() if isinstance(tables, Evals) else dict(tables)
        merged, conflicts = merge_tables(old, {name: getattr(self, name) for name in TABLES}, self.facts)
        added, cell = merged["scores"].iloc[len(old["scores"]) :], ["model", "benchmark"]
        known = pd.MultiIndex.from_frame(added[cell]).isin(pd.MultiIndex.from_frame(old["scores"][cell]))
        notes = [*self.notes, *implausible(*merged.values())]
        if known.any():
            notes.insert(0, f"scores that repeat a measurement of the other tables, which counts: {known.sum()}")
        return dataclasses.replace(
            self, models=merged["models"], benchmarks=merged["benchmarks"], scores=merged["scores"],
            conflicts=conflicts, notes=tuple(dict.fromkeys(notes)),
        )  # fmt: skip

    def _conflict_text(self, folder: str) -> str:
        lines = [
            f"  {r.table}, {r.row}, {r.column}: {r.kept} is kept, {r.offered} is not"
            for r in self.conflicts.head(_MOST_SHOWN).itertuples()
        ]
        if len(self.conflicts) > _MOST_SHOWN:
            lines.append(f"  ... and {len(self.conflicts) - _MOST_SHOWN} more, in `conflicts`")
        head = f"{len(self.conflicts)} conflict(s) with the tables in {folder!r}; edit them where the import is right:"
        return "\n".join([head, *lines])

    def __repr__(self) -> str:
        n = int(counting(self.scores).sum())
        further = len(self.scores) - n
        measured = f" and {_count(further, 'repeated measurement')}" if further else ""
        return wrapped(
            f"Imported from {self.tool}: {_count(n, 'score')}{measured} of {_count(len(self.models), 'model')} on "
            f"{_count(len(self.benchmarks), 'benchmark')}; skipped: {len(self.skipped)}; models to fill in: "
            f"{len(self.to_fill)}"
        )


def implausible(models: pd.DataFrame, benchmarks: pd.DataFrame, scores: pd.DataFrame) -> list[str]:
    """Describe what valid tables should hardly have, such as one model under two names."""
    return [f"{p.message}; {p.remedy}" for p in find_implausible(models, benchmarks, scores)]


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
