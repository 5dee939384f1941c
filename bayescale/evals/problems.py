"""What can be wrong with a row, and the error that tells of all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bayescale.errors import EvalsError

# A message longer than a screen hides the first lines, which matter most; the rest is on `TablesError.problems`.
MOST_SHOWN = 50


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or worth saying, about one place in the tables.

    Attributes
    ----------
    table : str
        ``"models"``, ``"benchmarks"`` or ``"scores"``; empty when the directory itself is meant.
    row : int or None
        Line in the CSV file, the header being line 1; row ``i`` of a DataFrame counts as line ``i + 2``. None when
        the table as a whole is meant.
    column : str or None
        The column, or None when the whole row is meant.
    value : object
        The value found there.
    message, remedy : str
        What is wrong, and what to do.
    severity : {"error", "note"}
        A note leaves the tables usable.
    earlier : int or None
        For something that is there twice: the row, counted as above, of the first.

    Examples
    --------
    >>> print(Problem("scores", 12, "score", 57.3, "looks like a percentage", "divide by 100"))
    scores.csv line 12, column score: 57.3 — looks like a percentage; divide by 100
    """

    table: str
    row: int | None
    column: str | None
    value: Any
    message: str
    remedy: str
    severity: Literal["error", "note"] = "error"
    earlier: int | None = None

    def __str__(self) -> str:
        return self.describe(files=True)

    def describe(self, files: bool) -> str:
        """One line of text; with `files` the place is a line of a CSV file, else a position in a DataFrame."""
        place = f"{self.table}.csv" if files and self.table else self.table or "directory"
        if self.row is not None:
            place += f" line {self.row}" if files else f".iloc[{self.row - 2}]" if self.row > 1 else ""
        if self.column is not None:
            place += f", column {self.column}"
        earlier = ""
        if self.earlier is not None:
            earlier = f" (line {self.earlier})" if files else f" (.iloc[{self.earlier - 2}])"
        return f"{place}: {_shown(self.value)}{self.message}{earlier}; {self.remedy}"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and not value:
        return "blank — "
    return f"{value:.15g} — " if isinstance(value, float) else f"{str(value)!r} — "


class TablesError(EvalsError):
    """The tables hold errors; `problems` has every one of them.

    Attributes
    ----------
    problems : tuple of Problem
        All errors, also those that the message has no room for.
    """

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


def errors_only(problems: Iterable[Problem]) -> list[Problem]:
    """The problems that make the tables unusable."""
    return [p for p in problems if p.severity == "error"]


def tables_error(problems: Sequence[Problem], files: bool, where: str = "the tables") -> TablesError:
    """Make the one error that lists every problem on its own line, up to `MOST_SHOWN`."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"{count} in {where}:"]
    lines += [f"  {p.describe(files)}" for p in problems[:MOST_SHOWN]]
    if len(problems) > MOST_SHOWN:
        lines.append(f"  ... and {len(problems) - MOST_SHOWN} more: see the attribute `problems` of this error")
    return TablesError("\n".join(lines), problems)


def sum_up(notes: Iterable[Problem]) -> tuple[str, ...]:
    """Gather notes that say the same of several values into one sentence each."""
    gathered: dict[tuple[str, str], list[str]] = {}
    for note in notes:
        gathered.setdefault((note.message, note.remedy), []).append(str(note.value))
    return tuple(f"{message} ({remedy}): {', '.join(values)}" for (message, remedy), values in gathered.items())
