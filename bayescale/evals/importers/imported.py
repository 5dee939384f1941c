"""What an import gives: the tables, an account of what was taken and what not, and what is still to be filled in."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bayescale.errors import EvalsError, EvalsWarning
from bayescale.evals.csvfile import write_table
from bayescale.evals.evals import Evals
from bayescale.evals.importers.merge import merge_tables, read_existing
from bayescale.evals.tables import TABLES

TEMPLATE = "models_to_fill"

_TO_FILL = ("model", "family", "kind", "params_b", "tokens_t", "flops", "flops_log10_sd", "released")

# A message longer than a screen hides the first lines, which matter most.
_MOST_SHOWN = 20


def _no_conflicts() -> pd.DataFrame:
    return pd.DataFrame(columns=["table", "row", "column", "kept", "offered"], dtype="str")


@dataclass(frozen=True, eq=False, repr=False)
class Imported:
    """Tables made of the output of a tool.

    Attributes
    ----------
    tool : str
        ``lm-eval``, ``inspect``, ``wide`` or ``epoch``.
    models, benchmarks, scores : pandas.DataFrame
        As `Evals` takes them; families and compute that nobody has said are blank. Scores may have the further columns
        ``stderr`` (standard error as the tool states it), ``n_shot`` and ``version``.
    taken : pandas.DataFrame
        Columns ``benchmark``, ``name`` (in the tool), ``by`` (why it is this benchmark: ``mapping``, ``alias``,
        ``name``; ``new`` if nothing that ships is called so), ``scores`` (how many).
    skipped : pandas.DataFrame
        Columns ``source``, ``model``, ``what``, ``reason``; one row for everything that was not taken.
    notes : tuple of str
        What is worth knowing: other item counts than those that ship, unknown floors, mixed prompts.
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
    conflicts: pd.DataFrame = field(default_factory=_no_conflicts)

    @property
    def to_fill(self) -> pd.DataFrame:
        """Models without a family, which is needed, or whose compute is unknown: neither stated nor size and tokens.

        Unknown compute is allowed: it is estimated with everything else, and tells less.
        """
        size_known = self.models["params_b"].notna() & self.models["tokens_t"].notna()
        lacking = (self.models["family"] == "") | (self.models["flops"].isna() & ~size_known)
        return self.models[lacking].reset_index(drop=True)

    def evals(self, name: str = "evals") -> Evals:
        """Make an `Evals` of the tables.

        Raises
        ------
        EvalsError
            Models lack a family, or something else is wrong; everything is listed.

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
            Merge with the tables that are there: rows are added and blanks are filled. What is there is never
            overwritten; where an import says otherwise, that is a conflict, and what is there is kept.

        Returns
        -------
        Imported
            What was written; after a merge the whole tables, with `conflicts`.

        Raises
        ------
        EvalsError
            There are tables in the folder and `into` is false, or they cannot be read.

        Warns
        -----
        EvalsWarning
            There are conflicts.

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
                f"There are tables in {str(folder)!r} already ({', '.join(there)}). To add to them, merge: into=True, "
                "or --into on the command line; or name another folder."
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
        template = written.to_fill[[c for c in _TO_FILL if c in written.models]]
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
