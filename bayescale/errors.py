"""Every error and warning of the package: one family, each also a builtin that callers already catch."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BayescaleError(Exception):
    """Base of all errors raised on purpose by bayescale; the message says what is wrong, where, and what to do."""


class EvalsError(BayescaleError, ValueError):
    """The evaluation tables, or a selection from them, are not usable."""


class SpecError(BayescaleError, ValueError):
    """A model specification is wrong: an unknown key, prior, covariate or value."""


class FitError(BayescaleError, RuntimeError):
    """Sampling could not start or could not finish."""


class ForecastError(BayescaleError, ValueError):
    """A forecast was asked for something that the posterior does not hold."""


class EfficiencyError(BayescaleError, ValueError):
    """The posterior has no such efficiency: another covariate than compute, no family offsets, an unknown family."""


class EmergenceError(BayescaleError, ValueError):
    """The benchmark, the family or the spec does not have this curve, threshold or uplift."""


class ExplainedVarianceError(BayescaleError, ValueError):
    """The explained variance is not defined: an unknown benchmark or model, or a target that is not random."""


class DesignError(BayescaleError, ValueError):
    """The design problem is not valid: an unknown model or benchmark, a budget that buys no model, a missing cost."""


class BacktestError(BayescaleError, ValueError):
    """A backtest was asked for tasks or methods that do not exist, or that leave nothing to do."""


class ReportError(BayescaleError, ValueError):
    """A report was asked for that would be too large, or rest on too few draws."""


class CompareError(BayescaleError, ValueError):
    """Specs that cannot be compared."""


class PosteriorFileError(BayescaleError, OSError):
    """A posterior file cannot be read: missing, damaged, foreign, or of a newer format."""


class OutputError(BayescaleError, OSError):
    """A file that was asked for cannot be written."""


class MissingDependencyError(BayescaleError, ImportError):
    """An optional library is not installed; the message says how to install it."""


class BayescaleWarning(UserWarning):
    """Base of all warnings issued by bayescale."""


class ConvergenceWarning(BayescaleWarning):
    """The sampler did not converge, so what is computed from this posterior may be wrong."""


class EvalsWarning(BayescaleWarning):
    """The tables are usable, and hold something that the user should know of."""


class BacktestWarning(BayescaleWarning):
    """A backtest goes on without something: a fit that failed, or kept forecasts that are damaged."""


class ForecastWarning(BayescaleWarning):
    """The forecast stands on weak ground, for example on few effective draws."""


def suggest(name: str, known: Iterable[str], what: str) -> str:
    """Say that `name` is unknown, with the nearest known names, or all of them when they are few.

    Examples
    --------
    >>> suggest("Lama-3", ["Llama-3", "Qwen2"], "family")
    "There is no family 'Lama-3'. Did you mean 'Llama-3'? Known: Llama-3, Qwen2."
    """
    names = sorted(known)
    lower = {n.lower(): n for n in names}
    near = [lower[n] for n in difflib.get_close_matches(name.lower(), list(lower), n=3, cutoff=0.5)]
    message = f"There is no {what} {name!r}."
    if near:
        message += f" Did you mean {' or '.join(repr(n) for n in near)}?"
    if names and (len(names) <= 12 or not near):
        message += f" Known: {', '.join(names)}."
    return message


def percentage_hint(value: float) -> str:
    """Ask whether a score outside [0, 1] was meant as a percentage; nothing to say of others.

    Examples
    --------
    >>> percentage_hint(86)
    ' It looks like a percentage: did you mean 0.86?'
    """
    return f" It looks like a percentage: did you mean {value / 100:g}?" if 1 < value <= 100 else ""
