"""One table as a CSV file: read with the line number of every row, written whole or not at all."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale._files import atomic_write
from bayescale.evals.columns import LINE, TABLES
from bayescale.evals.problems import Problem

Raw = dict[str, pd.DataFrame | None]


def read_table(directory: Path, name: str) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Read ``name.csv`` as text.

    Returns
    -------
    table : pandas.DataFrame or None
        All cells are strings; the index, named ``"line"``, holds the line on which a row begins. None when the file
        cannot be read as a table.
    problems : list of Problem
        What is wrong with the file as a file: missing, not UTF-8, rows of the wrong length.
    """
    path = directory / f"{name}.csv"
    try:
        # utf-8-sig also reads plain UTF-8; spreadsheets write the byte-order mark that it takes away.
        text = path.read_bytes().decode("utf-8-sig")
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
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
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
                remedy = 'add the missing commas, or put "quotes" around a cell that holds a comma'
                problems.append(Problem(name, line, None, None, message, remedy))
            else:
                rows.append(cells)
                lines.append(line)
    except csv.Error as error:
        remedy = 'look for an unbalanced " from there on'
        return None, [*problems, Problem(name, before + 1, None, None, f"cannot be read as CSV ({error})", remedy)]
    if not header:
        remedy = f"write a header: {','.join(c.name for c in TABLES[name])}"
        return None, [Problem(name, None, None, None, "the file is empty", remedy)]
    return pd.DataFrame(rows, columns=header, index=pd.Index(lines, name=LINE, dtype="int64"), dtype="str"), problems


def read_tables(directory: Path) -> tuple[Raw, list[Problem]]:
    """Read the three files of a directory; a table that cannot be read is None and has its problem in the list."""
    if not directory.is_dir():
        message = "it is a file" if directory.exists() else "there is no such directory"
        remedy = "name a directory with models.csv, benchmarks.csv and scores.csv"
        return dict.fromkeys(TABLES), [Problem("", None, None, str(directory), message, remedy)]
    raw: Raw = {}
    problems: list[Problem] = []
    for name in TABLES:
        raw[name], found = read_table(directory, name)
        problems += found
    return raw, problems


def write_table(directory: Path, name: str, table: pd.DataFrame) -> None:
    """Write ``name.csv`` so that `read_table` gives back every value to the last bit."""
    with (
        atomic_write(directory / f"{name}.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(zip(*(map(cell_text, table[c]) for c in table.columns), strict=True))


def cell_text(value: Any) -> str:
    """Write one value as it stands in a cell: blank for an unknown number, and every float exact to the last bit."""
    if isinstance(value, str):
        return value
    if not isinstance(value, float):
        return "true" if value else "false"
    if math.isnan(value):
        return ""
    # 14042 rather than 14042.0: it reads back as the same number.
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))
