"""Splits for cross-validation that hide whole models or whole families, as a forecast finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import xarray as xr

from bayescale.errors import CompareError
from bayescale.evals import Evals

HeldOut = Literal["model", "family"]
PLURAL: dict[str, str] = {"model": "models", "family": "families"}


@dataclass(frozen=True, eq=False)
class Split:
    """One fold: what is seen, and the models whose scores are all hidden.

    Attributes
    ----------
    by : {"model", "family"}
    evals : Evals
        Over the same models and benchmarks as all folds, so that one compiled model serves them all.
    models : tuple of str
    """

    by: HeldOut
    evals: Evals
    models: tuple[str, ...]


def make_splits(evals: Evals, by: HeldOut, folds: int) -> list[Split]:
    """Cut the models of `evals` into `folds` parts of like numbers of scores; families stay whole for ``by="family"``.

    Parameters
    ----------
    evals : Evals
    by : {"model", "family"}
        Siblings of a hidden model are seen, or hidden with it.
    folds : int
        At least 2, and at most as many as there are models, or families, with scores.

    Raises
    ------
    CompareError
        When there are too few of them.

    Examples
    --------
    >>> import bayescale as bs
    >>> splits = make_splits(bs.load_evals("base-llms"), "family", 5)
    >>> sum(len(split.models) for split in splits) == len(set(bs.load_evals("base-llms").scores["model"]))
    True
    """
    from sklearn.model_selection import GroupKFold  # type: ignore[import-untyped]

    check_held_out((by,), folds)
    scores = evals.scores["model"]
    groups = scores if by == "model" else scores.map(evals.models.set_index("model")["family"])
    if groups.nunique() < folds:
        raise CompareError(
            f"folds={folds}: only {groups.nunique()} {PLURAL[by]} have scores. Take fewer folds, at least 2, or leave "
            f"{by!r} out of leave_out."
        )
    matrix = evals.matrix()
    splits = []
    for _, hidden in GroupKFold(folds).split(scores, groups=groups):
        away = tuple(m for m in evals.model_names if m in set(scores.iloc[hidden]))
        mask = xr.zeros_like(matrix, dtype=bool)
        mask.loc[{"model": list(away)}] = True
        splits.append(Split(by, evals.mask(mask), away))
    return splits


def check_held_out(leave_out: Sequence[str], folds: int) -> None:
    """Raise `CompareError` for something that cannot be left out, or less than two folds."""
    known = get_args(HeldOut)
    for by in leave_out:
        if by not in known:
            raise CompareError(f"leave_out: {by!r} is none of {', '.join(known)}.")
    if leave_out and folds < 2:
        raise CompareError(f"folds={folds}: cross-validation needs at least 2.")
