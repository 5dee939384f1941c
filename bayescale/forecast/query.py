"""Forecast queries: families and covariates of new models, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale.errors import ForecastError, percentage_hint, suggest
from bayescale.evals.tables import SMALLEST_FLOPS, training_flops
from bayescale.model.data import design
from bayescale.model.spec import COVARIATE_COLUMNS

if TYPE_CHECKING:
    from bayescale.model.data import ModelData
    from bayescale.model.spec import Spec

NEW_FAMILY = "new family"
"""Name of a new family: its offsets are drawn from the population of families."""

LARGEST = {"flops": 1e32, "params_b": 1e6, "tokens_t": 1e6}


@dataclass(frozen=True)
class ForecastQuery:
    """New models to forecast: labels, families (index -1: a new one), centred covariates, and figures as given.

    Covariates are (model, covariate), or (S, model, covariate) where they differ from draw to draw.
    """

    labels: list[str]
    families: list[str]
    family_index: np.ndarray
    covariates: np.ndarray
    figures: dict[str, np.ndarray]

    def part(self, models: slice) -> ForecastQuery:
        """Return the query for some of the models, by position."""
        return ForecastQuery(
            labels=self.labels[models],
            families=self.families[models],
            family_index=self.family_index[models],
            covariates=self.covariates[..., models, :],
            figures={name: values[models] for name, values in self.figures.items()},
        )


def read_query(spec: Spec, data: ModelData, family: Any, figures: Mapping[str, Any]) -> ForecastQuery:
    """Check and broadcast the arguments of a forecast.

    Raises
    ------
    ForecastError
        For an unknown family, or figures that are missing, not plausible or of different lengths.
    """
    if family is None:
        raise ForecastError("Say which family: family='Llama-3', or family=bayescale.NEW_FAMILY for one never seen.")
    known = data.coords["family"]
    columns = {name: _numbers(name, value) for name, value in figures.items() if value is not None}
    names = [family] if isinstance(family, str) else list(family) if isinstance(family, Iterable) else [family]
    if not all(isinstance(name, str) for name in names):
        raise ForecastError(f"family={family!r} is not the name of a family, nor a list of names.")
    size = max([len(names), *(len(v) for v in columns.values())])
    for what, length in {"family": len(names), **{k: len(v) for k, v in columns.items()}}.items():
        if length not in (1, size):
            raise ForecastError(f"{what} has {length} values where {size} are needed: give one, or one per model.")
    families = [str(f) for f in (names * size if len(names) == 1 else names)]
    for name in families:
        if name != NEW_FAMILY and name not in known:
            message = suggest(name, known, "family")
            raise ForecastError(f"{message} For a family never seen use NEW_FAMILY (on the command line --new-family).")
    filled = {name: np.broadcast_to(v, (size,)).astype(float) for name, v in columns.items()}
    filled = _complete(filled)
    raw = []
    for covariate in spec.base_covariates:
        column, unit = COVARIATE_COLUMNS[covariate]
        if column not in filled:
            raise ForecastError(_what_is_needed(spec))
        raw.append(np.log10(filled[column] * unit))
    centred = np.stack(raw, axis=1) - data.centre
    shown = [COVARIATE_COLUMNS[c][0] for c in spec.base_covariates]
    return ForecastQuery(
        labels=_labels(families, {name: filled[name] for name in shown}),
        families=families,
        family_index=np.array([known.index(f) if f != NEW_FAMILY else -1 for f in families]),
        covariates=np.stack(design(centred, spec.covariates), axis=1),
        figures=filled,
    )


def _numbers(name: str, value: Any) -> np.ndarray:
    try:
        values = np.atleast_1d(np.asarray(value, dtype=float))
    except (TypeError, ValueError):
        raise ForecastError(f"{name}={value!r} is not a number.") from None
    if values.ndim != 1 or values.size == 0:
        raise ForecastError(f"{name} must be one number or a list of numbers.")
    for v in values:
        if not np.isfinite(v) or v <= 0:
            raise ForecastError(f"{name}={v:g} must be a positive number.")
        if name == "flops" and v < SMALLEST_FLOPS:
            as_log = f"{10**v:.3g}" if v < 40 else f"{v * 1e21:.3g}"
            raise ForecastError(
                f"flops={v:g} is far below any language model's training compute. Training compute is in FLOP, not in "
                f"log10 or units of 10^21: did you mean flops={as_log}?"
            )
        if v > LARGEST[name]:
            unit = {"flops": "FLOP", "params_b": "10^9 parameters", "tokens_t": "10^12 tokens"}[name]
            raise ForecastError(f"{name}={v:g} is beyond anything plausible; it is in {unit}.")
    return values


def _complete(figures: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Fill in the third of compute, parameters and tokens from two (`training_flops`)."""
    filled = dict(figures)
    if "flops" not in filled and {"params_b", "tokens_t"} <= filled.keys():
        filled["flops"] = training_flops(filled["params_b"], filled["tokens_t"])
    elif "tokens_t" not in filled and {"params_b", "flops"} <= filled.keys():
        filled["tokens_t"] = filled["flops"] / training_flops(filled["params_b"], 1.0)
    elif "params_b" not in filled and {"tokens_t", "flops"} <= filled.keys():
        filled["params_b"] = filled["flops"] / training_flops(1.0, filled["tokens_t"])
    return filled


def _what_is_needed(spec: Spec) -> str:
    if spec.compute_alone:
        return "Say how much training compute: flops=4e25, or params_b= and tokens_t= together."
    return (
        f"The spec {spec.name!r} predicts from {' and '.join(spec.base_covariates)}: give params_b= and tokens_t=, or "
        "one of them with flops=."
    )


def _labels(families: Sequence[str], figures: Mapping[str, np.ndarray]) -> list[str]:
    units = {"flops": "FLOP", "params_b": "B", "tokens_t": "T tokens"}
    labels: list[str] = []
    for i, family in enumerate(families):
        sizes = ", ".join(f"{values[i]:.3g} {units[name]}" for name, values in figures.items())
        label = f"{family}, {sizes}"
        labels.append(label if label not in labels else f"{label} (#{i + 1})")
    return labels


def read_given(
    given: Mapping[str, float], query: ForecastQuery, benchmarks: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the benchmarks and the scores of `given`.

    Raises
    ------
    ForecastError
        For more than one model, an unknown benchmark, or a score outside [0, 1].
    """
    if not isinstance(given, Mapping):
        raise ForecastError(f"given={given!r} must map benchmarks to scores, such as given={{'MMLU': 0.86}}.")
    if len(query.labels) != 1:
        raise ForecastError(
            f"given= holds the scores of one model, but {len(query.labels)} are forecast. Forecast one at a time, or "
            "add the known models to the data (evals.add) and fit again."
        )
    for name, score in given.items():
        if name not in benchmarks:
            raise ForecastError(suggest(str(name), benchmarks, "benchmark"))
        try:
            value = float(score)
        except (TypeError, ValueError):
            raise ForecastError(f"given: the score of {name}, {score!r}, is not a number.") from None
        if not 0 <= value <= 1:
            raise ForecastError(
                f"given: the score of {name}, {value:g}, is not between 0 and 1.{percentage_hint(value)}"
            )
    index = np.array([benchmarks.index(name) for name in given], dtype=int)
    return index, np.array([float(s) for s in given.values()])
