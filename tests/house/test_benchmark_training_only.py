"""The comparison of forms on training models: no score that the backtest hides may be seen or asked for."""

from __future__ import annotations

import numpy as np
import pytest

from bayescale.evaluation.backtest import load_tasks, make_folds
from benchmarks.training_only import HIDDEN, TASKS, inner, read_spec


def test_only_scores_of_training_models_are_asked_for_and_none_of_them_is_seen() -> None:
    for fold in make_folds(load_tasks(TASKS)):
        here = inner(fold)
        key = ["model", "benchmark"]
        trained = set(fold.evals.scores[key].itertuples(index=False, name=None))
        asked = set(here.cells[key].itertuples(index=False, name=None))
        assert asked <= trained
        assert not asked & set(here.evals.scores[key].itertuples(index=False, name=None))
        assert set(here.cells["task"]) == {task.name for task in fold.tasks}


def test_the_models_asked_for_are_the_larger_quarter_and_keep_the_benchmarks_that_may_be_seen() -> None:
    (fold,) = make_folds(load_tasks(["post_training"]))
    here = inner(fold)
    targets = {b for task in fold.tasks for b in task.targets}
    scores = fold.evals.scores
    scored = set(scores["model"][scores["benchmark"].isin(targets)])
    flops = fold.evals.models.set_index("model")["flops"].fillna(np.inf)
    asked = set(here.cells["model"])
    assert len(asked) == int(HIDDEN * len(scored))
    assert flops[list(asked)].min() >= flops[list(scored - asked)].max()
    seen = here.evals.scores
    assert set(seen["benchmark"][seen["model"].isin(asked)]) <= set(fold.tasks[0].seen)
    assert asked & set(seen["model"])


def test_a_spec_with_a_number_has_so_many_factors() -> None:
    assert read_spec("default:3").factors == 3
    assert read_spec("default:3").name == "default:3"
    assert read_spec("default").factors == "auto"
    with pytest.raises(ValueError, match="invalid literal"):
        read_spec("default:many")
