"""What an `Evals` says of itself: the matrix, the summary, and the text shown at a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale import notebook
from bayescale.errors import EvalsError, suggest
from bayescale.evals.cells import positions

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.evals.evals import Evals

NEXT = 'bs.fit(bs.load_spec("default"), evals)'
_MOST_FAMILIES = 8


def matrix(evals: Evals, value: str) -> xr.DataArray:
    """Lay one column of the scores out as models by benchmarks; see `Evals.matrix`."""
    import xarray as xr

    columns = evals.scores.columns.drop(["model", "benchmark"])
    if value not in columns:
        raise EvalsError(suggest(value, columns, "column of scores"))
    number = value == "score"
    blank: Any = np.nan if number else ""
    shape = (len(evals.models), len(evals.benchmarks))
    cells = np.full(shape, blank, dtype=np.float64 if number else object)
    cells[positions(evals.scores, evals.models["model"], evals.benchmarks["benchmark"])] = evals.scores[
        value
    ].to_numpy()
    coords = {
        "model": np.array(evals.model_names, dtype=str),
        "benchmark": np.array(evals.benchmark_names, dtype=str),
        "family": ("model", np.array(evals.models["family"].tolist(), dtype=str)),
    }
    return xr.DataArray(cells, coords=coords, dims=("model", "benchmark"), name=value)


def summary(evals: Evals) -> pd.DataFrame:
    """Describe each benchmark; see `Evals.summary`."""
    facts = evals.benchmarks.set_index("benchmark")[["items", "floor"]]
    scores = evals.scores.groupby("benchmark")["score"].agg(["count", "min", "median", "max"])
    table = scores.reindex(facts.index).rename(columns={"count": "scores"}).join(facts)
    return table.assign(scores=table["scores"].fillna(0).astype(int))


def headline(evals: Evals) -> str:
    """Name and size on one line."""
    models, benchmarks = len(evals.models), len(evals.benchmarks)
    share = evals.n_scores / max(models * benchmarks, 1)
    return (
        f"Evals {evals.name!r}: {models} models of {len(evals.families)} families, {benchmarks} benchmarks, "
        f"{evals.n_scores} scores ({share:.0%} of the matrix observed)"
    )


def details(evals: Evals) -> list[str]:
    """The lines below the headline: families, compute, notes."""
    sizes = evals.models["family"].value_counts(sort=True)
    shown = ", ".join(f"{family} ({n})" for family, n in sizes.head(_MOST_FAMILIES).items())
    more = f", and {len(sizes) - _MOST_FAMILIES} more" if len(sizes) > _MOST_FAMILIES else ""
    flops = evals.models["flops"].dropna()
    known = f"{flops.min():.2g} to {flops.max():.2g} FLOP; " if len(flops) else ""
    lines = [
        f"families: {shown}{more}",
        f"training compute: {known}unknown for {len(evals.models) - len(flops)} models",
    ]
    notes = len(evals.notes)
    return lines + ([f"notes: {notes}, in evals.notes"] if notes else [])


def as_text(evals: Evals) -> str:
    """What a prompt shows."""
    return "\n".join([headline(evals), *(f"  {line}" for line in details(evals)), f"  next: {NEXT}"])


def as_html(evals: Evals) -> str:
    """What a notebook shows: the same words, and the summary of the benchmarks."""
    text = "\n".join([headline(evals), *details(evals), f"Next: {NEXT}"])
    return notebook.as_html(text, summary(evals), "scores per benchmark: how many, and their range")
