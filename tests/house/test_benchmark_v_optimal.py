"""The paper's search for models: the sets that the paper prints, and its criterion by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from simulate import simulate

import bayescale as bs
from bayescale.evaluation.backtest import load_tasks, make_folds
from benchmarks.v_optimal import v_optimal_families


def test_the_papers_search_finds_its_published_sets() -> None:
    # Printed in ryoungj/ObsScaling, model_subset_selection_eval.ipynb; models up to 8.4e22 FLOP of its families.
    fold = make_folds(load_tasks(["post_training"]))[0]
    below = [m for m in fold.participants if m not in fold.test_models]
    evals = bs.load_evals("base-llms")
    family = evals.models.set_index("model")["family"]
    published = {
        4: {"Phi", "MPT", "StarCoder2"},
        8: {"Llama-2", "Llama", "Phi", "MPT", "DeepSeek-Coder"},
        12: {"Llama-2", "Llama", "Qwen1.5", "Phi", "MPT", "StarCoder2", "DeepSeek-Coder"},
    }
    for budget, families in published.items():
        chosen = v_optimal_families(evals, budget, below)
        assert len(chosen) == budget
        assert set(family[chosen]) == families


def test_the_papers_criterion_by_hand() -> None:
    evals = simulate(models=14, missing=0.0, families=5)[0]
    chosen = v_optimal_families(evals, 9, components=2)
    scores = evals.matrix().to_pandas()
    centred = (scores - scores.mean()).to_numpy()
    places = centred @ np.linalg.svd(centred)[2][:2].T
    family = evals.models["family"].to_numpy()
    traces = {}
    for k in range(1, 6):
        for some in combinations(evals.families, k):
            rows = np.isin(family, some)
            if rows.sum() <= 9:
                traces[some] = np.trace(places.T @ places @ np.linalg.inv(places[rows].T @ places[rows]))
    best = min(traces, key=lambda some: traces[some])
    assert set(chosen) == set(evals.models["model"][np.isin(family, best)])


def test_models_with_a_missing_score_are_not_chosen_by_the_paper() -> None:
    evals = simulate(models=14, missing=0.0, families=5)[0]
    gone = evals.models["model"][0]
    assert gone not in v_optimal_families(evals.mask([(gone, "bench-1")]), 14, components=2)


def test_what_the_papers_search_cannot_do_says_why() -> None:
    evals = simulate(models=14, missing=0.0, families=5)[0]
    with pytest.raises(ValueError, match="at most 1 models has 2 components"):
        v_optimal_families(evals, 1, components=2)
    with pytest.raises(ValueError, match="6 components need as many"):
        v_optimal_families(evals, 8, components=6)
    with pytest.raises(ValueError, match="Model 'x' is not in the data"):
        v_optimal_families(evals, 8, ["x"])
    with pytest.raises(ValueError, match=r"subsets of up to 30: more than"):
        v_optimal_families(bs.load_evals("base-llms"), 8, most_families=30)
