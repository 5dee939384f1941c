"""The benchmark of hidden compute: each figure is hidden once, variants of a run together, and scores stay."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayescale import load_evals
from benchmarks.hidden_compute import PARTS, found, hide, split, table


def test_every_disclosed_figure_is_hidden_once_and_variants_of_a_run_together() -> None:
    evals = load_evals("frontier")
    models = evals.models
    part = split(models, 1)
    assert ((part >= 0) == models["flops"].notna()).all()
    assert set(part) == {-1, *range(PARTS)}
    together = models[part >= 0].assign(part=part[part >= 0]).groupby(["organization", "flops"])["part"].nunique()
    assert (together == 1).all()
    rows = np.flatnonzero(part == 0)
    hidden = hide(evals, rows)
    assert hidden.models["flops"].isna().sum() == models["flops"].isna().sum() + len(rows)
    pd.testing.assert_frame_equal(hidden.scores, evals.scores)


def test_coverage_and_errors_are_those_of_the_draws(posterior) -> None:  # type: ignore[no-untyped-def]
    """Compute that a posterior knows is covered where the statement has an error of 0.1, and not half a decade away."""
    models, rows = posterior.evals.models.assign(flops_log10_sd=0.1), np.array([3, 4])
    exact = found(posterior, models, rows, 1)
    assert exact["coverage with error"].all()
    assert exact["error"].max() < 1e-6
    moved = found(posterior, models.assign(flops=models["flops"] * 10**0.5), rows, 1)
    assert not moved["coverage with error"].any()
    np.testing.assert_allclose(table(moved).loc["all", "median error"], 0.5, atol=1e-3)
