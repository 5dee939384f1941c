"""Forecast queries: families and covariates of new models, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bayescale.errors import ForecastError, as_number, percentage_hint, require_names, shown, suggest
from bayescale.evals import tables
from bayescale.evals.tables import SMALLEST_FLOPS, text, training_flops
from bayescale.model.compute import MAKER
from bayescale.model.covariates import SIZES
from bayescale.model.data import design

if TYPE_CHECKING:
    from bayescale.inference.draws import Draws
    from bayescale.model.compute import ComputePredictors
    from bayescale.model.covariates import CovariateColumn
    from bayescale.model.data import ModelData
    from bayescale.model.spec import Spec

NEW_FAMILY = tables.NEW_FAMILY
"""Name of a new family: its offsets are drawn from the population of families."""

# Plausible compute (FLOP), parameters and training tokens.
SMALLEST = {"flops": SMALLEST_FLOPS, "params": 1e5, "tokens": 1e6}
LARGEST = {"flops": 1e30, "params": 1e15, "tokens": 1e18}
# About the most of any model that was released until 2026 (Epoch AI's estimates, and statements of makers).
LARGEST_KNOWN = {"flops": 5e26, "params": 1e13, "tokens": 1e14}
# Relative difference of stated compute from 6 x parameters x tokens that estimates of compute explain.
AGREEMENT = 0.1
UNITS = {"flops": "FLOP", "params": "parameters", "tokens": "training tokens"}
# The column of the models table behind each argument, and its unit.
COLUMNS = {covariate.removeprefix("log10_"): column for covariate, column in SIZES.items()}


class UndisclosedCompute(NamedTuple):
    """What is known of new models whose compute nobody states, for `at_predicted_compute`.

    `regressors` are (model, compute predictor), `maker` (model,) the index of a maker, -1 for a new one, `whole`
    (model,) whether all that predicts compute is known, `measured` (model, base covariate) the other covariates.
    """

    regressors: np.ndarray
    maker: np.ndarray
    whole: np.ndarray
    measured: np.ndarray


@dataclass(frozen=True)
class ComputeNoise:
    """Noise of compute that nobody states, standard normals: of one new maker (S, 1), and of each model (S, model).

    That of the maker is zero where makers do not predict compute.
    """

    maker: np.ndarray
    model: np.ndarray

    @classmethod
    def drawn(cls, draws: Draws, models: int, rng: np.random.Generator) -> ComputeNoise:
        """Draw the noise of this many models."""
        makers = bool(draws.maker_compute.shape[1])
        maker = rng.standard_normal((draws.size, 1)) if makers else np.zeros((draws.size, 1))
        return cls(maker, rng.standard_normal((draws.size, models)))


@dataclass(frozen=True)
class ForecastQuery:
    """New models to forecast: labels, families (index -1: a new one), centred covariates and what was said of them.

    Covariates are (model, covariate), or (S, model, covariate) where they differ from draw to draw. Facts are by column
    of the models table, in its units: numbers, dates as text, flags. Where compute is not stated, `undisclosed` says
    from what it is drawn, and its covariate is NaN until it is.
    """

    labels: list[str]
    families: list[str]
    family_index: np.ndarray
    covariates: np.ndarray
    facts: dict[str, np.ndarray]
    undisclosed: UndisclosedCompute | None = None

    def part(self, models: slice) -> ForecastQuery:
        """Return the query for some of the models, by position."""
        return ForecastQuery(
            labels=self.labels[models],
            families=self.families[models],
            family_index=self.family_index[models],
            covariates=self.covariates[..., models, :],
            facts={name: values[models] for name, values in self.facts.items()},
        )


def read_query(spec: Spec, data: ModelData, family: Any, facts: Mapping[str, Any]) -> ForecastQuery:
    """Check and broadcast the arguments of a forecast.

    `facts` are ``flops``, ``params`` and ``tokens``, and the other columns that the spec names; None is not given.
    """
    if spec.family_column == MAKER and family is None and facts.get(MAKER) is not None:
        family = facts[MAKER]
    if family is None:
        raise ForecastError("Say which family: family='Llama-3', or family=bayescale.NEW_FAMILY for one never seen.")
    fitted = data.coords["family"]
    given = {name: value for name, value in facts.items() if value is not None}
    predictors = data.predictors
    columns = {c.name: c for c in (*data.columns, *(predictors.columns if predictors else ())) if c.kind != "size"}
    names = [family] if isinstance(family, str) else list(family) if isinstance(family, Iterable) else [family]
    makers = _said_makers(spec, predictors, names, given)
    require_names(given, [*COLUMNS, *columns], f"covariate in the spec {spec.name!r}")
    sizes = {name: _numbers(name, value) for name, value in given.items() if name in COLUMNS}
    read = {name: read_column(columns[name], value) for name, value in given.items() if name in columns}
    if not all(isinstance(name, str) for name in names):
        raise ForecastError(f"family={family!r} is not the name of a family, nor a list of names.")
    lengths = {"family": len(names), **{name: len(v) for name, v in (sizes | read).items()}}
    count = max(lengths.values())
    for what, length in lengths.items():
        if length not in (1, count):
            raise ForecastError(f"{what} has {length} values where {count} are needed: give one, or one per model.")
    families = [str(f) for f in (names * count if len(names) == 1 else names)]
    for name in families:
        if name != NEW_FAMILY and name not in fitted:
            message = suggest(name, fitted, "family")
            raise ForecastError(f"{message} For a family never seen use NEW_FAMILY (on the command line --new-family).")
    filled = _complete({name: np.broadcast_to(v, (count,)).astype(float) for name, v in sizes.items()})
    values = {c.name: np.log10(filled[c.source] * c.unit) for c in data.columns if c.source in filled} | read
    drawn = {"log10_flops"} - values.keys() if predictors else set()
    if missing := [column for column in data.columns if column.name not in values.keys() | drawn]:
        raise ForecastError(_what_is_needed(spec, missing))
    unknown = dict.fromkeys(drawn, np.full(count, np.nan))
    centred = np.stack(
        [np.broadcast_to(c.standardised((values | unknown)[c.name]), (count,)) for c in data.columns], axis=1
    )
    undisclosed = None
    if predictors and drawn:
        sized = {
            f"log10_{name}": np.log10(filled[col] * unit) for name, (col, unit) in COLUMNS.items() if col in filled
        }
        known = {name: np.broadcast_to(value, (count,)) for name, value in (values | sized).items()}
        if lacking := [c for c in predictors.columns if c.known.all() and c.name not in known]:
            raise ForecastError(_what_is_needed(spec, lacking))
        regressors, whole = predictors.of(known, count)
        undisclosed = UndisclosedCompute(regressors, _makers(predictors, makers.get(MAKER), count), whole, centred)
    told = filled | {name: np.broadcast_to(_as_said(columns[name], given[name]), (count,)) for name in read}
    return ForecastQuery(
        labels=_labels(families, {c.source: told[c.source] for c in data.columns if c.source in told}),
        families=families,
        family_index=np.array([fitted.index(f) if f != NEW_FAMILY else -1 for f in families]),
        covariates=np.stack(design(centred, data.terms), axis=1),
        facts=told | {name: np.array(_per_model(value, count)) for name, value in makers.items()},
        undisclosed=undisclosed,
    )


def with_compute(draws: Draws, query: ForecastQuery, rng: np.random.Generator) -> ForecastQuery:
    """Draw compute that is not stated, given date, maker and size (`bayescale.model.compute`)."""
    if query.undisclosed is None:
        return query
    return at_predicted_compute(draws, query, ComputeNoise.drawn(draws, len(query.labels), rng))


def at_predicted_compute(draws: Draws, query: ForecastQuery, noise: ComputeNoise) -> ForecastQuery:
    """Set compute that is not stated to where this noise puts it around its prediction."""
    told = query.undisclosed
    if told is None:
        return query
    new_maker = draws.maker_compute_sd[:, None] * noise.maker
    mean, sd = draws.predicted_compute(told.regressors, told.maker, told.whole, new_maker)
    measured = np.broadcast_to(told.measured, (draws.size, *told.measured.shape)).copy()
    measured[..., draws.data.column("log10_flops")] = mean + sd * noise.model
    return replace(query, covariates=np.stack(design(measured, draws.data.terms), axis=-1), undisclosed=None)


def _per_model(value: Any, count: int) -> list[str]:
    cells = [str(cell) for cell in _several(value)]
    if len(cells) not in (1, count):
        raise ForecastError(f"{MAKER} has {len(cells)} values where {count} are needed: give one, or one per model.")
    return cells * count if len(cells) == 1 else cells


def _said_makers(
    spec: Spec, predictors: ComputePredictors | None, families: list[Any], given: dict[str, Any]
) -> dict[str, Any]:
    """Take the makers out of what was given; families of makers say them, too."""
    said = given.pop(MAKER, None) if spec.family_column == MAKER or (predictors and predictors.makers) else None
    if predictors is None or not predictors.makers:
        return {}
    if said is None and spec.family_column == MAKER:
        said = [name if name in predictors.makers else NEW_FAMILY for name in families]
    return {} if said is None else {MAKER: said}


def _makers(predictors: ComputePredictors, value: Any, count: int) -> np.ndarray:
    """Return the index of each model's maker, -1 for one that the data do not have."""
    if value is None:
        return np.full(count, -1)
    cells = _per_model(value, count)
    for cell in cells:
        if cell not in (*predictors.makers, NEW_FAMILY):
            message = suggest(cell, predictors.makers, MAKER)
            raise ForecastError(f"{message} For a maker never seen leave {MAKER}= out.")
    return np.array([predictors.makers.index(cell) if cell != NEW_FAMILY else -1 for cell in cells])


def read_column(column: CovariateColumn, value: Any) -> np.ndarray:
    """Check one value or several of a column of dates, numbers or flags; return them as numbers."""
    cells = _several(value)
    try:
        return np.array([column.read(cell) for cell in cells])
    except (TypeError, ValueError) as error:
        how = {"date": "a date such as '2026-12'", "flag": "True or False"}.get(column.kind, "a number")
        raise ForecastError(
            f"{column.name}={value!r}: {error}. Give {how}, or a list with one for each model."
        ) from None


def read_value(name: str, column: CovariateColumn, value: Any) -> float:
    """Check the one value of an argument; return log10 of a size in base units, or a number."""
    values = np.log10(_numbers(name, value)) if column.kind == "size" else read_column(column, value)
    if len(values) != 1:
        raise ForecastError(f"{name}={value!r}: give one value.")
    return float(values[0])


def _several(value: Any) -> list[Any]:
    return [value] if np.ndim(value) == 0 else list(value) or [""]


def _as_said(column: CovariateColumn, value: Any) -> np.ndarray:
    """Return what was said of a column for labels and tables: dates as text, numbers, flags."""
    cells = _several(value)
    if column.kind == "date":
        return np.array([text(cell).removesuffix(" 00:00:00") for cell in cells])
    return np.array([column.read(cell) for cell in cells], dtype=bool if column.kind == "flag" else float)


def _numbers(name: str, value: Any) -> np.ndarray:
    try:
        values = np.atleast_1d(np.asarray(value, dtype=float))
    except (TypeError, ValueError, OverflowError):
        raise ForecastError(f"{name}={shown(value)} is not a number, or beyond anything plausible.") from None
    if values.ndim != 1 or values.size == 0:
        raise ForecastError(f"{name} must be one number or a list of numbers.")
    for v in values:
        if not np.isfinite(v) or v <= 0:
            raise ForecastError(f"{name}={v:g} must be a positive number.")
        if v < SMALLEST[name]:
            raise ForecastError(_too_small(name, v))
        if v > LARGEST[name]:
            raise ForecastError(
                f"{name}={v:g} is beyond anything plausible: more than {LARGEST[name]:.0e} {UNITS[name]}, some "
                f"{LARGEST[name] / LARGEST_KNOWN[name]:.0e} times those of any model. {name}= is a plain number."
            )
    return values


def _too_small(name: str, value: float) -> str:
    if name == "flops":
        unit, meant = "log10 or units of 10^21", 10**value if value < 40 else value * 1e21
    else:
        unit, meant = ("billions", value * 1e9) if name == "params" else ("trillions", value * 1e12)
    return (
        f"{name}={value:g} is far below any language model's. {name}= is a plain number of {UNITS[name]}, not in "
        f"{unit}: did you mean {name}={meant:.3g}?"
    )


def _complete(sizes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return sizes by column of the models table, the third from two (`training_flops`), and check them."""
    filled = {column: sizes[name] / unit for name, (column, unit) in COLUMNS.items() if name in sizes}
    flops, params, tokens = (filled.get(column) for column, _ in COLUMNS.values())
    if flops is not None and params is not None and tokens is not None:
        _require_agreement(flops, params, tokens)
    elif flops is None and params is not None and tokens is not None:
        filled["flops"] = training_flops(params, tokens)
    elif flops is not None and tokens is None and params is not None:
        filled["tokens_t"] = flops / training_flops(params, 1.0)
    elif flops is not None and params is None and tokens is not None:
        filled["params_b"] = flops / training_flops(1.0, tokens)
    for name, (column, unit) in COLUMNS.items():
        plain = filled.get(column, np.ones(0)) * unit
        for value in plain[(plain < SMALLEST[name] * 0.999) | (plain > LARGEST[name] * 1.001)]:
            raise ForecastError(
                f"{' and '.join(sizes)} make {value:.3g} {UNITS[name]}, which is no language model's (compute is about "
                "6 x parameters x tokens). Correct one of them."
            )
    return filled


def _require_agreement(flops: np.ndarray, params: np.ndarray, tokens: np.ndarray) -> None:
    """Raise `ForecastError` for compute that is not that of parameters and tokens."""
    implied = training_flops(params, tokens)
    wrong = np.flatnonzero(np.abs(np.log(flops / implied)) > np.log1p(AGREEMENT))
    if wrong.size:
        lines = [
            f"flops={flops[i]:.3g} contradicts params={params[i] * 1e9:.3g} and tokens={tokens[i] * 1e12:.3g}, which "
            f"take 6 x parameters x tokens = {implied[i]:.3g} FLOP."
            for i in wrong[:5]
        ]
        raise ForecastError("\n".join([*lines, "Leave one of the three out."]))


def _what_is_needed(spec: Spec, missing: Sequence[CovariateColumn]) -> str:
    if columns := [f"{column.name}=" for column in missing if column.kind != "size"]:
        return (
            f"The spec {spec.name!r} predicts from {', '.join(spec.base_covariates)}: say {' and '.join(columns)}, too "
            "(on the command line --set NAME=VALUE)."
        )
    if spec.compute_alone:
        return "Say how much training compute: flops=4e25, or params= and tokens= together."
    return (
        f"The spec {spec.name!r} predicts from {' and '.join(spec.base_covariates)}: give params= and tokens=, or "
        "one of them with flops=."
    )


def _labels(families: Sequence[str], facts: Mapping[str, np.ndarray]) -> list[str]:
    labels: list[str] = []
    for i, family in enumerate(families):
        label = ", ".join([family, *(said(name, values[i]) for name, values in facts.items())])
        labels.append(label if label not in labels else f"{label} (#{i + 1})")
    return labels


def as_scores(given: Any) -> dict[str, Any]:
    """Return known scores as a dictionary, from a mapping, a pandas Series by benchmark, or None for none."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    if hasattr(given, "to_dict") and hasattr(given, "index"):
        return dict(given.to_dict())
    raise ForecastError(f"given={shown(given)} must map benchmarks to scores, such as given={{'MMLU': 0.86}}.")


def said(name: str, value: Any) -> str:
    """Return the words of one fact of a model, by column of the models table.

    Examples
    --------
    >>> said("flops", 4e25), said("released", "2026-12"), said("reasoning", np.True_)
    ('4e+25 FLOP', 'released 2026-12', 'reasoning')
    """
    units = {"flops": "FLOP", "params_b": "B", "tokens_t": "T tokens"}
    if isinstance(value, bool | np.bool_):
        return name if value else f"not {name}"
    return f"{value:.3g} {units[name]}" if name in units else f"{name} {value:{'' if isinstance(value, str) else 'g'}}"


def read_given(
    given: Mapping[str, float], query: ForecastQuery, benchmarks: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Check known scores of one model; return the index of their benchmarks, and the scores."""
    if len(query.labels) != 1:
        raise ForecastError(
            f"given= holds the scores of one model, but {len(query.labels)} are forecast. Forecast one at a time, or "
            "add the known models to the data (evals.add) and fit again."
        )
    require_names(given, benchmarks, "benchmark")
    for name, score in given.items():
        value = as_number(f"given[{name!r}]", score)
        if not 0 <= value <= 1:
            message = f"given: the score of {name}, {value:g}, is not between 0 and 1."
            raise ForecastError(message + percentage_hint(value))
    index = np.array([benchmarks.index(name) for name in given], dtype=int)
    return index, np.array([float(s) for s in given.values()])
