"""The date at which the best model crosses a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale._display import Result
from bayescale._intervals import PROB, named, tails, with_interval
from bayescale.errors import ForecastError, as_number, require_name, require_names
from bayescale.forecast.predict import ModelNoise, new_model_scores
from bayescale.forecast.query import read_query, with_compute
from bayescale.inference.defaults import seed_or_new
from bayescale.model.drift import AHEAD, DATE

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from bayescale.inference.draws import Draws
    from bayescale.inference.posterior import PosteriorData

# Draws on which releases are simulated, and new models that are computed at once.
_DRAWS, _BLOCK = 1000, 40


@dataclass(frozen=True, eq=False, repr=False)
class Crossing(Result):
    """When the best model's expected score crosses a threshold; made by `Posterior.when`.

    In each draw of the posterior, makers go on releasing models at the pace of their last twelve months, each with
    compute, capability and noise drawn from the law; the best model so far is followed through them.

    Attributes
    ----------
    draws : xarray.Dataset
        ``year`` (draw,), the decimal year of the crossing, ``inf`` where it does not come until `until`; and ``best``
        (draw, date), the best expected score of the models released until then.
    benchmark : str
    above : float
    makers : tuple of str
        Families whose models are followed (makers, by a spec whose families are organizations).
    until : float
        Decimal year at which the simulation ends.
    posterior : PosteriorData
    random_seed : int

    Examples
    --------
    >>> crossing = posterior_of_dates.when("MMLU", 0.9, random_seed=1)
    >>> crossing.draws["best"].dims
    ('draw', 'date')
    """

    draws: xr.Dataset
    benchmark: str
    above: float
    makers: tuple[str, ...]
    until: float
    posterior: PosteriorData
    random_seed: int

    @property
    def last(self) -> float:
        """Decimal year of the latest model in the data."""
        return _last(self.posterior.draws)

    def probability(self, by: str | float) -> float:
        """Return the probability that the score is crossed by a date, such as ``"2026-12"`` (until its middle).

        Examples
        --------
        >>> bool(0 <= posterior_of_dates.when("MMLU", 0.9, random_seed=1).probability("2024-06") <= 1)
        True
        """
        year = _date_column(self.posterior).read(by)
        if year > self.until:
            raise ForecastError(f"by={by!r} lies beyond the simulation, which ends in {as_month(self.until)}.")
        return float((self.draws["year"] <= year).mean())

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise the date in one row.

        Returns
        -------
        pandas.DataFrame
            ``median, lower, upper`` (months; ``"after 2031-02"`` beyond the end of the simulation), ``by_end``, the
            probability that it comes until then, and ``best_observed``, the best score in the data. ``attrs`` has
            ``benchmark`` and ``above``.

        Examples
        --------
        >>> posterior_of_dates.when("MMLU", 0.9, random_seed=1).summary().columns.tolist()
        ['median', 'lower', 'upper', 'by_end', 'best_observed']
        """
        year = self.draws["year"].to_numpy()
        low, high = tails(prob)
        # Between a date and never lies never: no interpolation.
        ends = np.quantile(year, [0.5, low, high], method="higher")
        words = dict(zip(("median", "lower", "upper"), map(self._said, ends), strict=True))
        scores = self.posterior.evals.scores
        best = scores["score"][scores["benchmark"] == self.benchmark].max()
        row = {**words, "by_end": np.isfinite(year).mean(), "best_observed": best}
        return with_interval(pd.DataFrame([row]), prob, benchmark=self.benchmark, above=self.above)

    def plot(self, ax: Axes | None = None, *, prob: float = PROB) -> Axes:
        """Plot the best score over calendar time, with the models of the data.

        Examples
        --------
        >>> posterior_of_dates.when("MMLU", 0.9, random_seed=1).plot().get_ylabel()
        'MMLU score'
        """
        from bayescale.plots import draw_crossing

        return draw_crossing(self, ax=ax, prob=prob)

    def said(self, *, prob: float = PROB) -> str:
        """Say the date in words: median and interval, or not before when.

        Examples
        --------
        >>> posterior_of_dates.when("GPQA Diamond", 0.999, random_seed=1).said()
        'not before 2031-04 (95%)'
        """
        row = self.summary(prob=prob).iloc[0]
        if row["lower"].startswith("after"):
            return f"not before {row['lower'].removeprefix('after ')} ({tails(prob)[1]:.0%})"
        return f"{row['median']} [{row['lower']}, {row['upper']}]"

    def _said(self, year: float) -> str:
        return as_month(year) if np.isfinite(year) else f"after {as_month(self.until)}"

    def _text(self, prob: float = PROB) -> str:
        row = self.summary(prob=prob).iloc[0]
        whose = "the best model" if len(self.makers) > 1 else f"the best model of {self.makers[0]}"
        lines = [
            f"{self.benchmark} above {self.above:.0%}, expected score of {whose}: {self.said(prob=prob)}; "
            f"{named(prob)} interval.",
            f"Best score in the data {row['best_observed']:.3f}, latest model {as_month(self.last)}",
        ]
        if row["by_end"] < tails(prob)[1]:
            lines.append(
                f"Perhaps never: {1 - row['by_end']:.0%} of draws do not cross it until {as_month(self.until)}"
            )
        return "\n".join([*lines, "Next: crossing.probability(by='2027-01'), .summary(), .plot()"])


def as_month(year: float) -> str:
    """Return the month of a decimal year, as ``2026-03``.

    Examples
    --------
    >>> as_month(2026.21)
    '2026-03'
    """
    return _day(year).strftime("%Y-%m")


def _day(year: float) -> date:
    whole = int(np.floor(year))
    return date(whole, 1, 1) + timedelta(days=(year - whole) * (366 if whole % 4 == 0 else 365))


def when_crossed(
    posterior: PosteriorData,
    benchmark: str,
    above: float,
    organization: str | Sequence[str] | None,
    random_seed: int | None,
) -> Crossing:
    """Simulate releases until the best crosses a score; `Posterior.when` documents arguments and errors."""
    spec, data = posterior.spec, posterior.draws.data
    _require_dates(posterior)
    require_name(benchmark, data.coords["benchmark"], "benchmark in the fitted data")
    place = data.coords["benchmark"].index(benchmark)
    score = as_number("above", above)
    if not data.floor[place] < score < data.ceiling[place]:
        ends = f"{data.floor[place]:g} and {data.ceiling[place]:g}"
        raise ForecastError(f"above={score:g} does not lie between {ends}, chance and ceiling of {benchmark}.")
    posterior.convergence.warn_unless_converged("This date comes")
    seed = seed_or_new(random_seed)
    rng = np.random.default_rng(seed)
    draws = posterior.draws.thinned(_DRAWS)
    chosen = None if organization is None else [organization] if isinstance(organization, str) else list(organization)
    require_names(chosen or [], data.coords["family"], "family in the fitted data")
    family, new, flags = _releases(posterior, chosen)

    known = posterior.draws.data.years
    rows = np.flatnonzero(np.isfinite(known))
    if chosen:
        rows = rows[np.isin(data.family_index[rows], [data.coords["family"].index(name) for name in chosen])]
    seen = draws.fitted_scores(rows)[..., place]
    query = read_query(spec, data, family, {DATE: [f"{day:%Y-%m-%d}" for day in map(_day, new)], **flags})
    query = with_compute(draws, query, rng)
    parts = []
    for start in range(0, len(new), _BLOCK):
        part = query.part(slice(start, start + _BLOCK))
        noise = ModelNoise.drawn(draws, len(part.labels), rng)
        parts.append(new_model_scores(draws, part, noise)[..., place])
    dates = np.concatenate([known[rows], new])
    order = np.argsort(dates, kind="stable")
    best = np.maximum.accumulate(np.concatenate([seen, *parts], axis=1)[:, order], axis=1)
    crossed = best >= score
    year = np.where(crossed.any(axis=1), dates[order][crossed.argmax(axis=1)], np.inf)
    return Crossing(
        draws=_dataset(year, best, dates[order]),
        benchmark=benchmark,
        above=score,
        makers=tuple(dict.fromkeys(family)),
        until=_last(posterior.draws) + AHEAD,
        posterior=posterior,
        random_seed=seed,
    )


def _dataset(year: np.ndarray, best: np.ndarray, dates: np.ndarray) -> xr.Dataset:
    import xarray as xr

    # Models of one day are one place.
    last_of_day = np.append(dates[1:] > dates[:-1], True)
    return xr.Dataset(
        {"year": ("draw", year), "best": (("draw", "date"), best[:, last_of_day])}, {"date": dates[last_of_day]}
    )


def _releases(posterior: PosteriorData, chosen: list[str] | None) -> tuple[list[str], np.ndarray, dict[str, Any]]:
    """Return families, decimal years and other facts of the models that are to come, at the pace of the last year."""
    data, known = posterior.draws.data, posterior.draws.data.years
    last, names = _last(posterior.draws), data.coords["family"]
    recent = np.flatnonzero(known > last - 1)
    families, years, rows = [], [], []
    for index in range(len(names)) if chosen is None else map(names.index, chosen):
        mine = recent[data.family_index[recent] == index]
        if not len(mine) and chosen:  # who has been silent for a year may come once a year
            mine = np.flatnonzero((data.family_index == index) & np.isfinite(known))[-1:]
        if not len(mine):
            continue
        steps = np.arange(1, AHEAD * len(mine) + 1) / len(mine)
        families += [names[index]] * len(steps)
        years.append(last + steps)
        rows.append(np.resize(mine[np.argsort(known[mine])], len(steps)))
    facts: dict[str, Any] = {}
    row = np.concatenate(rows)
    for place, column in enumerate(data.columns):
        if column.name == DATE or column.kind == "size":
            continue
        values = data.covariates[row, place] * column.scale + column.centre
        facts[column.name] = [bool(value > 0.5) for value in values] if column.kind == "flag" else values.tolist()
    return families, np.concatenate(years), facts


def _require_dates(posterior: PosteriorData) -> None:
    spec, names = posterior.spec, [column.name for column in posterior.draws.data.columns]
    sizes = [column.name for column in posterior.draws.data.columns if column.kind == "size"]
    if DATE not in names:
        raise ForecastError(
            f"The spec {spec.name!r} knows no dates: fit one with the covariate {DATE}, such as 'dated'."
        )
    if sizes and (sizes != ["log10_flops"] or not spec.compute_from):
        raise ForecastError(
            f"The spec {spec.name!r} does not say how much compute models to come will have: fit one with "
            "compute_from, such as 'dated'."
        )


def _date_column(posterior: PosteriorData) -> Any:
    return posterior.draws.data.columns[posterior.draws.data.column(DATE)]


def _last(draws: Draws) -> float:
    return float(np.nanmax(draws.data.years))
