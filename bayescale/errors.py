"""Every error and warning of the package: one family, each also a builtin that callers already catch."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Any


class BayescaleError(Exception):
    """Base of all errors raised on purpose by bayescale; the message says what is wrong, where, and what to do."""


class EvalsError(BayescaleError, ValueError):
    """The evaluation tables, or a selection from them, are not usable."""


class SpecError(BayescaleError, ValueError):
    """A model specification is wrong: an unknown key, prior, covariate or value."""


class FitError(BayescaleError, RuntimeError):
    """Sampling could not start or could not finish."""


class ForecastError(BayescaleError, ValueError):
    """A posterior cannot answer the question, be it a forecast, a derived quantity, a design or a report.

    For example: an unknown family, benchmark or model, implausible compute, or a quantity that its spec lacks.
    """


class EvaluationError(BayescaleError, ValueError):
    """A backtest or a comparison of specs is not possible: unknown tasks or methods, other evals, nothing to do."""


class FileError(BayescaleError, OSError):
    """A file cannot be written, or a posterior file not be read: missing, damaged, foreign, or of a newer format."""


class MissingDependencyError(BayescaleError, ImportError):
    """An optional library is not installed; the message says how to install it."""


class BayescaleWarning(UserWarning):
    """Base of all warnings issued by bayescale."""


class ConvergenceWarning(BayescaleWarning):
    """The sampler did not converge, so what is computed from this posterior may be wrong."""


class EvalsWarning(BayescaleWarning):
    """The tables are usable, but contain something that the user should know."""


class BacktestWarning(BayescaleWarning):
    """A backtest continues without a failed fit or a damaged cache file."""


class ForecastWarning(BayescaleWarning):
    """The forecast is unreliable, for example because of few effective draws."""


class ExtrapolationWarning(ForecastWarning):
    """The forecast lies more than a decade of compute, or a year, beyond the models of the data."""


_LONGEST = 80  # characters of a name in a message


def suggest(name: str, options: Iterable[str], what: str) -> str:
    """Return the message for an unknown `name`, with the closest valid names, or all of them if they are few.

    `what` is the kind of name, such as ``"family"``, or kind and place, such as ``"family in the fitted data"``.

    Examples
    --------
    >>> suggest("Lama-3", ["Llama-3", "Qwen2"], "family")
    "There is no family 'Lama-3'. Did you mean 'Llama-3'? Known: Llama-3, Qwen2."
    >>> suggest("Lama-3", ["Llama-3", "Qwen2"], "family in the fitted data")
    "Family 'Lama-3' is not in the fitted data. Did you mean 'Llama-3'? Known: Llama-3, Qwen2."
    """
    names = sorted(options)
    # Short ones: the search takes the square of their length.
    lower = {n.lower()[:_LONGEST]: n for n in names}
    near = [lower[n] for n in difflib.get_close_matches(name.lower()[:_LONGEST], list(lower), n=3, cutoff=0.5)]
    near, known = ([_short(n) for n in listed] for listed in (near, names))
    name = _short(name)
    kind, _, place = what.partition(" in ")
    several = [part.strip() for part in name.split(",")]
    if len(several) > 1 and all(part in names for part in several):
        near = several
    message = f"{kind[:1].upper()}{kind[1:]} {name!r} is not in {place}." if place else f"There is no {what} {name!r}."
    if near:
        joined = (" and " if near is several else " or ").join(repr(n) for n in near)
        message += f" Did you mean {joined}{', each by itself' * (near is several)}?"
    if names and (len(names) <= 12 or not near):
        message += f" Known: {', '.join(known)}."
    return message


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."


def require_name(name: object, options: Collection[str], what: str) -> None:
    """Raise `ForecastError` with the message of `suggest` unless `name` is one of `options`."""
    require_names([name], options, what)


def require_names(
    names: Iterable[object], options: Collection[str], what: str, error: type[BayescaleError] = ForecastError
) -> None:
    """Raise `error` with the messages of `suggest` for all names, the first five of them, that are not `options`."""
    if unknown := list(dict.fromkeys(str(name) for name in names if name not in options)):
        messages = [suggest(name, options, what) for name in unknown[:5]]
        more = [f"And {len(unknown) - 5} more that are unknown."] if len(unknown) > 5 else []
        raise error("\n".join([*messages, *more]))


def as_number(name: str, value: Any) -> float:
    """Return the value of an argument as a float, or raise `ForecastError`."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ForecastError(f"{name}={shown(value)} is not a number.") from None


def shown(value: object, most: int = 60) -> str:
    """Return a value as a message shows it: its `repr`, cut where it is long, on one line.

    Examples
    --------
    >>> shown("a" * 100, most=20)
    "'aaaaaaaaaaaaaaaa..."
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an integer of thousands of digits has no `repr`
        text = f"<{type(value).__name__}>"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def percentage_hint(value: float) -> str:
    """Return a hint if a score outside [0, 1] looks like a percentage; empty otherwise.

    Examples
    --------
    >>> percentage_hint(86)
    ' It looks like a percentage: did you mean 0.86?'
    """
    return f" It looks like a percentage: did you mean {value / 100:g}?" if 1 < value <= 100 else ""
