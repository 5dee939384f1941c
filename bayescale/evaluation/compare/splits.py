"""Cross-validation splits that hide whole models or whole families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import xarray as xr

from bayescale.errors import EvaluationError
from bayescale.evals import Evals

HeldOut = Literal["model", "family"]
PLURAL: dict[str, str] = {"model": "models", "family": "families"}


@dataclass(frozen=True, eq=False)
class Split:
    """One fold: the visible scores, and the models whose scores are all hidden.

    Attributes
    ----------
    left_out : {"model", "family"}
    evals : Evals
        The visible scores, over the same models and benchmarks as all folds, which share one compiled model.
    models : tuple of str
    """

    left_out: HeldOut
    evals: Evals
    models: tuple[str, ...]


def make_splits(evals: Evals, left_out: HeldOut, folds: int) -> list[Split]:
    """Split the models, or the families, of `evals` into `folds` parts of similar numbers of scores.

    Parameters
    ----------
    evals : Evals
    left_out : {"model", "family"}
        With ``"family"``, all models of a family are in the same fold.
    folds : int
        At least 2, and at most as many as there are models, or families, with scores.

    Raises
    ------
    EvaluationError
        When there are fewer models or families than folds.

    Examples
    --------
    >>> import bayescale as bs
    >>> splits = make_splits(bs.load_evals("base-llms"), "family", 5)
    >>> sum(len(split.models) for split in splits) == len(set(bs.load_evals("base-llms").scores["model"]))
    True
    """
    from sklearn.model_selection import GroupKFold  # type: ignore[import-untyped]

    check_held_out((left_out,), folds)
    scores = evals.scores["model"]
    groups = scores if left_out == "model" else scores.map(evals.models.set_index("model")["family"])
    if groups.nunique() < folds:
        raise EvaluationError(
            f"folds={folds}: only {groups.nunique()} {PLURAL[left_out]} have scores. Take fewer folds, at least 2, or "
            f"leave {left_out!r} out of leave_out."
        )
    matrix = evals.matrix()
    splits = []
    for _, hidden in GroupKFold(folds).split(scores, groups=groups):
        hidden_models = tuple(m for m in evals.model_names if m in set(scores.iloc[hidden]))
        mask = xr.zeros_like(matrix, dtype=bool)
        mask.loc[{"model": list(hidden_models)}] = True
        splits.append(Split(left_out, evals.mask(mask), hidden_models))
    return splits


def check_held_out(leave_out: Sequence[str], folds: int) -> None:
    """Raise `EvaluationError` for an unknown unit to leave out, or fewer than two folds."""
    units = get_args(HeldOut)
    for unit in leave_out:
        if unit not in units:
            raise EvaluationError(f"leave_out: {unit!r} is none of {', '.join(units)}.")
    if leave_out and folds < 2:
        raise EvaluationError(f"folds={folds}: cross-validation needs at least 2.")
