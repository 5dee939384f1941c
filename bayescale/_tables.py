"""Tables of results: data frames that print few digits, so that they fit a terminal. Importing it imports pandas."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bayescale._display import WIDTH, format_number


class Table(pd.DataFrame):
    """A data frame that prints three significant digits; its values are exact, and constants are in ``attrs``.

    Examples
    --------
    >>> Table({"median": [1 / 3]})
       median
    0   0.333
    """

    @property
    def _constructor(self) -> type[Table]:
        return Table

    def __repr__(self) -> str:
        # All columns, with names as long as fit: pandas would leave out columns, the numbers among them.
        for longest in (50, 36, 28, 20):
            with pd.option_context(
                "display.float_format", format_number, "display.max_columns", None,
                "display.width", 10_000, "display.max_colwidth", longest,
            ):  # fmt: skip
                text = super().__repr__()
            if max(map(len, text.splitlines())) <= WIDTH:
                return text
        with pd.option_context("display.float_format", format_number):
            return super().__repr__()

    def _repr_html_(self) -> str | None:
        with pd.option_context("display.float_format", format_number):
            html: str | None = super()._repr_html_()  # type: ignore[misc]
            return html

    def to_string(self, *args: Any, **settings: Any) -> Any:
        with pd.option_context("display.float_format", format_number):
            return super().to_string(*args, **settings)
