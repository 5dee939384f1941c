"""How scores were measured: settings of benchmarks, and several measurements of one model on one benchmark.

A measurement r of model m on benchmark b has the logit ::

    eta_r = eta_mb + h_bj + e_mb        h_bj ~ Normal(0, setting sd)        e_mb ~ Normal(0, psi_b)

eta_mb is the logit in the headline setting of the benchmark, that of most first rows. h is the effect of another
setting j, of every benchmark its own, and zero where nothing is stated. e, the benchmark's own noise, belongs to model
and benchmark: what makes a model do better on a benchmark than its capabilities say is there in every run, and ten runs
tell less of capabilities than ten benchmarks. Where there is one measurement, e is integrated out as ever
(`bayescale.model.curve.score_precision`); where there are several, it is a variable that they share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayescale.errors import ForecastError, require_names, suggest
from bayescale.model.curve import log_choose

if TYPE_CHECKING:
    from bayescale.evals import Evals


class Repeated(NamedTuple):
    """All measurements of cells that have several, benchmark by benchmark in slots.

    `cell` (cell, 2) has model and benchmark of each such cell. The others are (slot, benchmark): `place` of its cell in
    the matrix of models and benchmarks, laid out row by row; `of` its number among the cells; `setting` (-1 where there
    is no effect); and the arrays of a likelihood. Slots that are not `observed` are empty.
    """

    cell: np.ndarray
    place: np.ndarray
    of: np.ndarray
    setting: np.ndarray
    observed: np.ndarray
    observed_score: np.ndarray
    log_choose: np.ndarray

    @property
    def cells(self) -> dict[str, np.ndarray]:
        """The arrays of the likelihood, by the names of the model's data containers."""
        return {name: getattr(self, name) for name in ("observed", "observed_score", "log_choose")}


class Measurements(NamedTuple):
    """How the scores of a fit were measured.

    Attributes
    ----------
    headline : tuple of str
        The headline setting of each benchmark, "" where nothing is stated.
    benchmark, setting : tuple
        Of each effect: number of its benchmark, and its setting.
    of_cell : ndarray (model, benchmark)
        Effect of the score that counts, -1 without one.
    single : ndarray (model, benchmark)
        1, and 0 for cells with several measurements.
    repeated : Repeated or None
    """

    headline: tuple[str, ...]
    benchmark: tuple[int, ...]
    setting: tuple[str, ...]
    of_cell: np.ndarray
    single: np.ndarray
    repeated: Repeated | None

    def coords(self, models: list[str], benchmarks: list[str]) -> dict[str, list[str]]:
        """Return the labels of effects and of cells with several measurements, by the names of their dims."""
        labels = {"setting": [f"{benchmarks[b]}: {text}" for b, text in zip(self.benchmark, self.setting, strict=True)]}
        if self.repeated is not None:
            labels["repeated_cell"] = [f"{models[m]} on {benchmarks[b]}" for m, b in self.repeated.cell]
        return {name: values for name, values in labels.items() if values}

    def chosen(self, setting: str | Mapping[str, str] | None, benchmarks: list[str]) -> tuple[np.ndarray, list[str]]:
        """Return effect (-1: none) and name of a setting for each benchmark: by default, the headline settings.

        A name is for all benchmarks that were measured so; a mapping names the setting of single benchmarks.
        """
        numbers = {key: i for i, key in enumerate(zip(self.benchmark, self.setting, strict=True))}
        if isinstance(setting, str):
            known = {*self.headline, *self.setting} - {""}
            if setting not in known:
                raise ForecastError(suggest(setting, known, "setting of the fitted data"))
            asked = {b: setting for b, own in enumerate(self.headline) if own == setting or (b, setting) in numbers}
        else:
            require_names(setting or {}, benchmarks, "benchmark")
            asked = {benchmarks.index(name): text for name, text in (setting or {}).items()}
        for b, text in asked.items():
            own = [self.headline[b], *(of for at, of in numbers if at == b)]
            if text not in own:
                raise ForecastError(suggest(text, [name for name in own if name], f"setting of {benchmarks[b]}"))
        effect = np.array([numbers.get((b, asked.get(b, "")), -1) for b in range(len(benchmarks))])
        return effect, [asked.get(b, own) for b, own in enumerate(self.headline)]

    def effects_of(self, evals: Evals) -> np.ndarray:
        """Return the effect (model, benchmark) of each score that counts in some evals, -1 without one."""
        rows = evals.measurements
        rows = rows[rows["counts"]]
        numbers = {key: i for i, key in enumerate(zip(self.benchmark, self.setting, strict=True))}
        found = np.full((len(evals.model_names), len(evals.benchmark_names)), -1)
        m, b = (rows[name].map(_numbered(names)) for name, names in _axes(evals).items())
        found[m, b] = [numbers.get(key, -1) for key in zip(b, rows["how"], strict=True)]
        return found


def read_measurements(evals: Evals, items: np.ndarray) -> Measurements | None:
    """Read how the scores were measured; None where nothing is stated and every cell has one measurement."""
    rows = evals.measurements
    axes = _axes(evals)
    b = rows["benchmark"].map(_numbered(axes["benchmark"])).to_numpy()
    how, first = rows["how"].to_numpy(), rows["counts"].to_numpy()
    headline = [""] * len(items)
    for number in np.unique(b):
        # The first of those that are equally frequent.
        headline[number] = Counter(how[first & (b == number)].tolist()).most_common(1)[0][0]
    other = [(at, text) for at, text in zip(b, how, strict=True) if text not in ("", headline[at])]
    effects = sorted(dict.fromkeys(other))
    if first.all() and not effects:
        return None
    benchmark, setting = tuple(int(at) for at, _ in effects), tuple(str(text) for _, text in effects)
    plain = Measurements(tuple(headline), benchmark, setting, np.empty((0, 0)), np.empty((0, 0)), None)
    several = rows.duplicated(["model", "benchmark"], keep=False).to_numpy()
    single = np.ones((len(axes["model"]), len(items)))
    m = rows["model"].map(_numbered(axes["model"])).to_numpy()
    single[m[several], b[several]] = 0.0
    repeated = None
    if several.any():
        numbers = {key: i for i, key in enumerate(effects)}
        effect = np.array([numbers.get(key, -1) for key in zip(b, how, strict=True)])
        score = rows["score"].to_numpy(float)
        repeated = _repeated(m[several], b[several], score[several], effect[several], items)
    return plain._replace(of_cell=plain.effects_of(evals), single=single, repeated=repeated)


def _repeated(m: np.ndarray, b: np.ndarray, score: np.ndarray, effect: np.ndarray, items: np.ndarray) -> Repeated:
    """Lay measurements out in slots: those of one benchmark below each other, in its column."""
    slot = np.array([np.sum(b[:i] == at) for i, at in enumerate(b)])
    shape = (int(slot.max()) + 1, len(items))
    cells, of = np.unique(np.stack([m, b], axis=1), axis=0, return_inverse=True)
    hits = np.rint(score * items[b])

    def spread(values: np.ndarray, empty: float) -> np.ndarray:
        found = np.full(shape, empty, dtype=values.dtype)
        found[slot, b] = values
        return found

    return Repeated(
        cell=np.ascontiguousarray(cells),
        place=spread(m * len(items) + b, 0),
        of=spread(of.ravel(), 0),
        setting=spread(effect, -1),
        observed=spread(np.ones(len(m)), 0.0),
        observed_score=spread(hits / items[b], 0.5),
        log_choose=spread(log_choose(items[b], hits), 0.0),
    )


def _axes(evals: Evals) -> dict[str, list[str]]:
    return {"model": evals.model_names, "benchmark": evals.benchmark_names}


def _numbered(names: list[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(names)}
