"""The paper's design: whole families of models, V-optimal on principal components, by exhaustive search.

`benchmarks/optimal_design.py` and notebook 07 compare `bayescale.suggest_models` with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations, islice
from math import comb

import numpy as np

from bayescale.errors import suggest
from bayescale.evals import Evals
from bayescale.evaluation.backtest.baselines.regression import principal_components

MOST_SUBSETS = 2_000_000
"""Largest number of subsets of families that is searched."""
_AT_ONCE = 50_000


def v_optimal_families(
    evals: Evals,
    budget: int,
    candidates: Iterable[str] | None = None,
    *,
    components: int = 3,
    most_families: int = 10,
) -> list[str]:
    """Choose whole families of models as Ruan, Maddison & Hashimoto (2024, arXiv:2405.10938, section 5) do.

    The choice is the subset of families with at most `budget` models that minimises ``trace(X'X (X_S'X_S)^-1)``: the
    mean variance of the fitted values of a linear regression over the candidates. X holds the principal components of
    the scores of all candidates (centred, not standardised), X_S those of the chosen models. The criterion has no
    intercept, no noise that differs between models, and no part of a family (ryoungj/ObsScaling, utils/selection.py);
    `suggest_models` has all three.

    Parameters
    ----------
    evals : Evals
        Scores of which the components are computed.
    budget : int
        Number of models, at most.
    candidates : iterable of str, optional
        Models to choose from, by default all; a family counts with those of its models that are candidates. Models
        with a missing score are left out, as in the paper.
    components : int
        Number of principal components.
    most_families : int
        Largest number of families in a subset.

    Returns
    -------
    list of str
        Names of the models, in the order of the data.

    Raises
    ------
    ValueError
        For unknown candidates, when no subset within the budget determines the components, or when there are too
        many subsets to search.
    """
    scores = evals.matrix().to_pandas()
    named = evals.model_names if candidates is None else list(candidates)
    if unknown := [name for name in named if name not in scores.index]:
        raise ValueError(suggest(unknown[0], evals.model_names, "model in the data"))
    complete = scores.loc[[name for name in evals.model_names if name in set(named)]].dropna()
    if len(complete) < components or complete.shape[1] < components:
        raise ValueError(
            f"{components} components need as many models without a missing score, and as many benchmarks; there are "
            f"{len(complete)} models and {complete.shape[1]} benchmarks."
        )
    values = complete.to_numpy(float)
    places, _ = principal_components(values, values, components)
    family = evals.models.set_index("model")["family"].loc[complete.index].to_numpy(str)
    names = list(dict.fromkeys(family))
    most = min(most_families, len(names))
    if (size := sum(comb(len(names), k) for k in range(1, most + 1))) > MOST_SUBSETS:
        raise ValueError(
            f"{len(names)} families have {size:,} subsets of up to {most}: more than the {MOST_SUBSETS:,} that are "
            "searched. Give fewer candidates, or a smaller most_families."
        )
    members = np.array([family == name for name in names])
    best, least = None, np.inf
    for subsets in _batches(len(names), most):
        traces = _traces(subsets, members, places, budget)
        if traces.min() < least:
            best, least = subsets[int(traces.argmin())], float(traces.min())
    if best is None:
        raise ValueError(
            f"No subset of whole families with at most {budget} models has {components} components: the smallest "
            f"family has {members.sum(axis=1).min()} models. Give a larger budget or fewer components."
        )
    return complete.index[best @ members].tolist()


def _batches(families: int, most: int) -> Iterator[np.ndarray]:
    """Yield all subsets of up to `most` families as rows of booleans, in batches."""
    subsets = (chosen for k in range(1, most + 1) for chosen in combinations(range(families), k))
    while part := list(islice(subsets, _AT_ONCE)):
        rows = np.zeros((len(part), families), dtype=bool)
        for row, chosen in zip(rows, part, strict=True):
            row[list(chosen)] = True
        yield rows


def _traces(subsets: np.ndarray, members: np.ndarray, places: np.ndarray, budget: int) -> np.ndarray:
    """Return the criterion of each subset, infinite for too many models or too few for the components."""
    sizes = subsets @ members.sum(axis=1)
    traces = np.full(len(subsets), np.inf)
    usable = (sizes <= budget) & (sizes >= places.shape[1])
    if not usable.any():
        return traces
    products = np.array([places[rows].T @ places[rows] for rows in members])
    chosen = np.einsum("sf,fij->sij", subsets[usable].astype(float), products)
    regular = np.linalg.cond(chosen) < 1 / np.finfo(float).eps
    whole = np.broadcast_to(products.sum(axis=0), (int(regular.sum()), *products.shape[1:]))
    values = np.full(len(chosen), np.inf)
    values[regular] = np.trace(np.linalg.solve(chosen[regular], whole), axis1=1, axis2=2)
    traces[usable] = values
    return traces
