"""Completion of the matrix of scores at low rank, without compute, dates or families."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayescale.evaluation.backtest.baselines.baseline import (
    Baseline,
    Forecasts,
    PredictionProblem,
    from_logit,
    scatter,
    to_logit,
)

# Ridge penalties among which cross-validation chooses, in units of the standardised logit's variance.
_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
_FOLDS, _ROUNDS, _TOLERANCE = 5, 200, 1e-6
# Below this number of training models the forecast error cannot be estimated.
_FEWEST = 5


@dataclass(frozen=True)
class MatrixCompletion(Baseline):
    """Low-rank completion of the scores of all models on the visible benchmarks and the target.

    Scores are taken to logits and standardised by benchmark; the matrix is the product of two of `rank` columns, by
    alternating ridge regressions (Hastie, Mazumder, Lee & Zadeh 2015, JMLR 16:3367), whose penalty is chosen by
    cross-validation over the models that have a score on the target. Draws add the errors of that cross-validation. In
    the manner of BenchPress (Zeng & Papailiopoulos 2026, arXiv:2606.24020), which completes logits at rank two. Models
    without a visible score are left out.
    """

    rank: int = 2

    def forecast(self, problem: PredictionProblem, rng: np.random.Generator) -> Forecasts | None:
        """Complete the matrix; see `Baseline`."""
        visible = [b for b in problem.task.seen if b != problem.benchmark]
        rows = [*problem.training.index, *problem.test.index]
        seen = problem.observed.loc[rows, visible].to_numpy(float)
        count, scored = len(problem.training), np.isfinite(seen).any(axis=1)
        served = scored[count:]
        if scored[:count].sum() < _FEWEST or not served.any():
            return None
        target = np.append(problem.training["score"].to_numpy(float), np.full(len(problem.test), np.nan))
        scores = np.column_stack([target, seen])[scored]
        logits, known = to_logit(scores), int(scored[:count].sum())

        folds = rng.permutation(known) % _FOLDS
        errors = np.empty((len(_PENALTIES), known))
        for fold in range(_FOLDS):
            hidden = logits.copy()
            hidden[:known][folds == fold, 0] = np.nan
            for i, penalty in enumerate(_PENALTIES):
                completed = complete(hidden, self.rank, penalty)[:known, 0]
                errors[i, folds == fold] = (logits[:known, 0] - completed)[folds == fold]
        best = int((errors**2).mean(axis=1).argmin())
        mean = from_logit(complete(logits, self.rank, _PENALTIES[best])[known:, 0])
        return Forecasts(served, mean, scatter(mean, errors[best], self.draws, rng))


def complete(table: np.ndarray, rank: int, penalty: float) -> np.ndarray:
    """Complete a table (row, column), NaN where unknown, by constants of its columns and two factors of `rank` columns.

    Columns are standardised over what is known of them; every row and column has a value. Constants and factors
    minimise the squared errors plus `penalty` times the factors' squared norms, by ridge regressions of one factor on
    the other in turn.

    Examples
    --------
    >>> complete(np.array([[1.0, 2.0], [2.0, 4.0], [4.0, np.nan]]), rank=1, penalty=1e-6).round(2)
    array([[1., 2.],
           [2., 4.],
           [4., 8.]])
    """
    known = np.isfinite(table)
    centre, scale = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    filled = np.where(known, (table - centre) / scale, 0.0)
    rank = min(rank, *table.shape)
    _, size, basis = np.linalg.svd(filled, full_matrices=False)
    weights = basis[:rank].T * size[:rank] / np.sqrt(len(table))
    constant, product = np.zeros(table.shape[1]), np.zeros_like(filled)
    penalties = np.append(0.0, np.full(rank, penalty))
    for _ in range(_ROUNDS):
        rows = _ridge(np.where(known, filled - constant, 0.0), known, weights, penalties[1:])
        with_one = np.column_stack([np.ones(len(rows)), rows])
        constant, weights = np.split(_ridge(filled.T, known.T, with_one, penalties), [1], axis=1)
        constant = constant[:, 0]
        last, product = product, constant + rows @ weights.T
        if np.abs(product - last).max() < _TOLERANCE:
            break
    return centre + scale * product


def _ridge(table: np.ndarray, known: np.ndarray, design: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """Regress each row of a table on `design` (column, term), over the columns that are known of it."""
    gram = np.einsum("rc,ck,cl->rkl", known, design, design) + np.diag(penalties)
    return np.linalg.solve(gram, (table @ design)[..., None])[..., 0]
