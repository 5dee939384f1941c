"""Covariates: columns of the models table, typed when a spec names them, centred and scaled."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from bayescale.errors import EvalsError, suggest
from bayescale.evals.tables import FLAGS, MOST_SHOWN, first_names, number, text

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["size", "date", "number", "flag"]

# Sizes enter as logarithms: the column of the models table behind each, and what turns it into base units (FLOP,
# parameters, tokens).
SIZES: dict[str, tuple[str, float]] = {
    "log10_flops": ("flops", 1.0),
    "log10_params": ("params_b", 1e9),
    "log10_tokens": ("tokens_t", 1e12),
}
# Columns of the models table that are no covariates: names, and sizes, which enter as logarithms.
NOT_COVARIATES = frozenset({"model", "family", "", "flops_log10_sd", *(column for column, _ in SIZES.values())})
UNITS: dict[Kind, str] = {"size": "decades", "date": "years", "number": "sds", "flag": "switches"}
"""What one unit of a covariate is in the model, by its kind; of a flag it is the step from false to true."""

_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")


class CovariateColumn(NamedTuple):
    """A measured covariate of a fit, which enters as ``(value - centre) / scale``.

    Values are log10 of base units of a size, decimal years of a date, 0 and 1 of a flag. Their centre is the mean of
    the known ones. One unit of a covariate is a decade of a size, a year, one sd of a number, or the step of a flag
    from false to true (a rare flag's sd would make a unit many such steps), so that a prior of slopes means much the
    same for all of them.

    Attributes
    ----------
    name, source : str
        Name in the spec, and the column of the models table.
    kind : {"size", "date", "number", "flag"}
    unit : float
        What turns the values of the table into base units; 1 but for sizes.
    centre, scale : float
    known : ndarray of bool (model,)
    """

    name: str
    source: str
    kind: Kind
    unit: float
    centre: float
    scale: float
    known: np.ndarray

    def standardised(self, value: Any) -> Any:
        """Return values in the model's units, around their centre."""
        return (value - self.centre) / self.scale

    def read(self, cell: Any) -> float:
        """Convert a date, number or flag to its value; raises `ValueError`, which says what is wanted."""
        reader, wrong = _READERS[self.kind]
        try:
            return reader(cell)
        except ValueError:
            raise ValueError(f"{text(cell)!r} is {wrong}") from None


def decimal_year(cell: Any) -> float:
    """Convert a date, a month such as ``2024-07`` or a year to decimal years, at its middle; or raise `ValueError`.

    Examples
    --------
    >>> round(decimal_year("2024-07-02"), 3), decimal_year("2023")
    (2024.501, 2023.5)
    """
    found = _DATE.fullmatch(re.split("[T ]", text(cell))[0])
    if not found:
        value = number(cell)
        if not 1950 <= value <= 2100:
            raise ValueError
        return value
    year, month, day = (int(part or 0) for part in found.groups())
    start = date(year, month or 1, day or 1).toordinal()
    end = date(year, month + 1, 1) if 0 < month < 12 else date(year + 1, 1, 1)
    middle = start + 0.5 if day else (start + end.toordinal()) / 2
    first, last = (date(y, 1, 1).toordinal() for y in (year, year + 1))
    return year + (middle - first) / (last - first)


def _flag(cell: Any) -> float:
    word = text(cell).lower().removesuffix(".0")
    if word not in FLAGS or not word:
        raise ValueError
    return float(FLAGS[word])


def _finite(cell: Any) -> float:
    value = number(cell)
    if not np.isfinite(value):
        raise ValueError
    return value


# How cells are read by the kind of their column, and what is wrong with those that cannot be. Of kinds that read a
# column equally well the first is taken: 0 and 1 are flags, and 2023 is a number.
_READERS: dict[Kind, tuple[Callable[[Any], float], str]] = {
    "flag": (_flag, "neither true nor false"),
    "number": (_finite, "no number"),
    "date": (decimal_year, "no date such as 2024-07-23 or 2024-07"),
}


def read_covariates(names: Sequence[str], models: pd.DataFrame) -> tuple[tuple[CovariateColumn, ...], np.ndarray]:
    """Read covariates from the models table: their columns, and their values (model, covariate), NaN where unknown.

    A free column is of the kind that most of its cells are: true and false (or 0 and 1), dates, or numbers. Values are
    centred and scaled.

    Raises
    ------
    EvalsError
        For columns that the table lacks or that no model has a value in, and for cells that are not of their column's
        kind, all of them at once.
    """
    problems: list[str] = []
    read = [_read_one(name, models, problems) for name in names]
    if problems:
        more = [f"... and {len(problems) - MOST_SHOWN} more"] * (len(problems) > MOST_SHOWN)
        raise EvalsError("\n".join([*problems[:MOST_SHOWN], *more]))
    columns = tuple(column for column, _ in read)
    return columns, np.column_stack([column.standardised(values) for column, values in read])


def _read_one(name: str, models: pd.DataFrame, problems: list[str]) -> tuple[CovariateColumn, np.ndarray]:
    """Read one covariate; what is wrong is added to `problems`."""
    before = len(problems)
    source, unit = SIZES.get(name, (name, 1.0))
    values = np.full(len(models), np.nan)
    kind: Kind = "size"
    if name in SIZES:
        with np.errstate(divide="ignore"):
            values = np.log10(models[source].to_numpy(float) * unit)
    elif (cells := _cells(name, models)) is None:
        columns = {*SIZES, "instruct", *map(str, models.columns)} - NOT_COVARIATES - {"kind"}
        problems.append(suggest(name, columns, "covariate in the models table"))
        return CovariateColumn(name, source, kind, unit, 0.0, 1.0, np.isfinite(values)), values
    else:
        kinds: tuple[Kind, ...] = ("date",) if name == "released" else tuple(_READERS)
        kind, (values, unread) = min(((k, _parsed(k, cells)) for k in kinds), key=lambda parsed: len(parsed[1][1]))
        if unread and not np.isfinite(values).any():
            such = f"Models table, column {name} holds words, such as {text(cells[unread[0]])!r}"
            problems.append(f"{such}: a covariate has numbers, dates, or true and false.")
        else:
            wrong = ((text(cells[row]), models["model"][row]) for row in unread)
            problems += [f"Models table, column {name}: {w!r} of {m} is {_READERS[kind][1]}." for w, m in wrong]
    known = np.isfinite(values)
    if not known.any() and len(problems) == before:
        problems.append(
            f"No model has a value for {name}: fill {source} in the models table, or use a spec with other covariates."
        )
    centre, spread = (float(f(values[known])) if known.any() else 0.0 for f in (np.mean, np.std))
    scale = spread if kind == "number" and spread > 0 else 1.0
    return CovariateColumn(name, source, kind, unit, centre, scale, known), values


def _cells(name: str, models: pd.DataFrame) -> list[Any] | None:
    """Return the cells of a free column, or None without it; `instruct` also stands in the column `kind`."""
    if name in models:
        return list(models[name])
    return list(models["kind"] == "instruct") if name == "instruct" else None


def _parsed(kind: Kind, cells: Sequence[Any]) -> tuple[np.ndarray, list[int]]:
    """Read cells as one kind: values, NaN where blank or unreadable, and the rows of those that are unreadable."""
    values, unread = np.full(len(cells), np.nan), []
    for row, cell in enumerate(cells):
        try:
            values[row] = _READERS[kind][0](cell) if text(cell) else np.nan
        except ValueError:
            unread.append(row)
    return values, unread


def unknown_values(column: CovariateColumn, models: Sequence[str]) -> str:
    """Return the sentence that refuses unknown values of a column for which the spec has no prior."""
    names = [name for name, known in zip(models, column.known, strict=True) if not known]
    remedy = f"Fill {column.source} in the models table, or leave these models out (evals.select)"
    if column.kind != "flag":
        prior = f"latent_covariate[{column.name}]: Normal(0, 1)"
        remedy += f", or give the spec a prior of unknown values, {prior}, in {UNITS[column.kind]} around the mean"
    return f"{column.name} is unknown for {len(names)} models: {first_names(names, MOST_SHOWN)}. {remedy}."
