"""CSV files: the three tables, read and written to the last bit, and tables of results, safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from bayescale._files import atomic_write
from bayescale.evals.tables import LINE, TABLES, Problem

# What a spreadsheet takes for a formula, behind any number of apostrophes.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def read_table(directory: Path, name: str) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Read ``name.csv`` as text; the index, named ``"line"``, contains the line on which a row begins.

    The table is None when the file cannot be read as one. The problems are those of the file: missing, not UTF-8, rows
    of the wrong length.
    """
    path = directory / f"{name}.csv"
    try:
        # utf-8-sig reads plain UTF-8 as well, and removes the byte-order mark that spreadsheets write.
        content = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        needed = ", ".join(f"{t}.csv" for t in TABLES)
        return None, [Problem(name, None, None, None, f"there is no such file in {directory}", f"needed: {needed}")]
    except OSError as error:
        return None, [Problem(name, None, None, None, f"cannot be read: {error}", "make it a readable file")]
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        return None, [Problem(name, line, None, None, "this is not UTF-8 text", "save the file as UTF-8")]

    rows: list[list[str]] = []
    lines: list[int] = []
    problems: list[Problem] = []
    # The standard library's reader counts lines, which pandas does not.
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    header: list[str] = []
    before = 0
    try:
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = cells
            elif len(cells) != len(header):
                message = f"the row has {len(cells)} cells, the header {len(header)}"
                remedy = 'add the missing commas, or put "quotes" around a cell that contains a comma'
                problems.append(Problem(name, line, None, None, message, remedy))
            else:
                rows.append([cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell for cell in cells])
                lines.append(line)
    except csv.Error as error:
        remedy = 'look for an unbalanced " from there on'
        return None, [*problems, Problem(name, before + 1, None, None, f"cannot be read as CSV ({error})", remedy)]
    if not header:
        remedy = f"write a header: {','.join(c.name for c in TABLES[name])}"
        return None, [Problem(name, None, None, None, "the file is empty", remedy)]
    return pd.DataFrame(rows, columns=header, index=pd.Index(lines, name=LINE, dtype="int64"), dtype="str"), problems


def read_tables(directory: Path) -> tuple[dict[str, pd.DataFrame | None], list[Problem]]:
    """Read the three files of a directory; a table that cannot be read is None and has its problem in the list."""
    if not directory.is_dir():
        message = "it is a file" if directory.exists() else "there is no such directory"
        remedy = "name a directory with models.csv, benchmarks.csv and scores.csv"
        return dict.fromkeys(TABLES), [Problem("", None, None, str(directory), message, remedy)]
    results = {name: read_table(directory, name) for name in TABLES}
    return {name: table for name, (table, _) in results.items()}, [p for _, ps in results.values() for p in ps]


def write_table(directory: Path, name: str, table: pd.DataFrame) -> None:
    """Write ``name.csv`` atomically, so that `read_table` gives back every value to the last bit."""
    with (
        atomic_write(directory / f"{name}.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(zip(*([_no_formula(cell_text(v)) for v in table[c]] for c in table.columns), strict=True))


def export_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table of results atomically, compressed by the suffix of `path`; spreadsheets run nothing in it.

    Texts that a spreadsheet would take for a formula begin with an apostrophe, which it does not show, and which
    `read_table` removes.
    """
    texts = table.columns[[not (is_numeric_dtype(t) or is_bool_dtype(t)) for t in table.dtypes]]
    safe = table.assign(**{str(name): table[name].map(_no_formula) for name in texts}).rename(columns=_no_formula)
    with atomic_write(path, keep_suffix=True) as temporary:
        safe.to_csv(temporary, index=False)


def _no_formula(value: Any) -> Any:
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def cell_text(value: Any) -> str:
    """Format a value as a CSV cell: blank for an unknown number, floats exact to the last bit."""
    if isinstance(value, str):
        return value
    if not isinstance(value, float):
        return "true" if value else "false"
    if math.isnan(value):
        return ""
    # 14042 rather than 14042.0: it reads back as the same number.
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))
