"""The three tables as one string, and their identity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bayescale._identity import stored_identity
from bayescale.errors import EvalsError
from bayescale.evals.columns import TABLES

FORMAT = 1


def pack(tables: Mapping[str, pd.DataFrame], name: str) -> str:
    """Make JSON of the tables: one list per column, null for an unknown number, floats exact to the last bit."""
    content = {
        table: {column: [_plain(v) for v in values.tolist()] for column, values in tables[table].items()}
        for table in TABLES
    }
    return json.dumps({"format": FORMAT, "name": name, **content}, allow_nan=False)


def unpack(text: str) -> tuple[dict[str, pd.DataFrame], str]:
    """Undo `pack`; EvalsError if the text is damaged, foreign, or of a newer format."""
    try:
        content = json.loads(text)
        version = int(content["format"])
        if version <= FORMAT:
            return {table: pd.DataFrame(content[table]) for table in TABLES}, str(content["name"])
    except (ValueError, TypeError, KeyError) as error:
        raise EvalsError(f"This is not the JSON of an Evals ({type(error).__name__}: {error}).") from error
    raise EvalsError(
        f"These evals are of format {version}, and this bayescale reads up to {FORMAT}: install a newer one."
    )


def identity(tables: Mapping[str, pd.DataFrame]) -> str:
    """SHA-256 of the content in a canonical order of columns and rows, as 64 hexadecimal digits."""
    texts = []
    for table in TABLES:
        columns = sorted(map(str, tables[table].columns))
        rows = zip(*(map(_plain, tables[table][c].tolist()) for c in columns), strict=True)
        texts.append(json.dumps([table, columns, sorted(map(json.dumps, rows))]))
    return stored_identity(*texts)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        # Adding zero turns -0.0 into 0.0, so that equal numbers have one spelling.
        return None if value != value else value + 0.0
    return value
