"""Read table files of any origin: CSV with any separator, Excel, Parquet, and data frames.

Nothing is guessed where a wrong guess would shift columns: a row longer or shorter than the header is an error.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from bayescale.errors import EvalsError, MissingDependencyError
from bayescale.evals.tables import text

TEXT = (".csv", ".tsv")
EXCEL = (".xlsx", ".xls")
SUFFIXES = (*TEXT, *EXCEL, ".parquet")

# What a data frame is called in messages and in the column `source`.
FRAME = "the data frame"

_SEPARATORS = (",", ";", "\t", "|")
_MOST_LINES = 5
# The line below the header of a table in Markdown.
_RULER = re.compile(r"[\s|:]*-{3,}[\s|:-]*")


def tables_in(source: Path | pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame | EvalsError]]:
    """Yield the name and content of a table, or of every table in and below a folder; an error for a damaged one."""
    if isinstance(source, pd.DataFrame):
        yield FRAME, _with_plain_index(source)
        return
    for path in table_files(source):
        where = path.relative_to(source).as_posix() if source.is_dir() else path.name
        try:
            yield where, read_file(path)
        except MissingDependencyError:
            raise
        except EvalsError as error:
            yield where, error


def table_files(source: Path) -> list[Path]:
    """List the table files in and below a folder, without the hidden copies that Excel makes; or the file itself."""
    if not source.is_dir():
        return [source]
    files = sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES)
    return [p for p in files if not p.name.startswith((".", "~$"))]


def read_file(path: Path) -> pd.DataFrame:
    """Read a table; raise `EvalsError` with the remedy if it is damaged or of another format."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise EvalsError(
            f"{path.name} is no table in CSV, TSV, Excel or Parquet: its name ends in {path.suffix or 'nothing'!r}. "
            "Save it as CSV. For results in JSON there are `lm-eval`, `lighteval`, `inspect` and `every-eval-ever`."
        )
    try:
        if suffix in TEXT:
            return _read_text(path)
        if suffix in EXCEL:
            return _read_excel(path)
        return _with_plain_index(pd.read_parquet(path))
    except EvalsError:
        raise
    except ImportError as error:
        what, extra = ("Excel files", "excel") if suffix in EXCEL else ("Parquet", "parquet")
        raise MissingDependencyError(
            f"Reading {what} needs another package: pip install 'bayescale[{extra}]'. Or save the table as CSV."
        ) from error
    except (OSError, ValueError, csv.Error) as error:
        raise EvalsError(f"Cannot read {path.name}: {error}") from error


def _read_text(path: Path) -> pd.DataFrame:
    content = _decode(path)
    first, *others = sorted(_SEPARATORS, key=lambda s: s != "\t") if path.suffix.lower() == ".tsv" else _SEPARATORS
    tables = {separator: _rows(content, separator) for separator in (first, *others)}
    if not tables[first]:
        raise EvalsError(f"{path.name} is empty.")
    if any(_RULER.fullmatch(line) for line in content.splitlines()[1:3]):
        raise EvalsError(f"{path.name} is a table in Markdown: save it as CSV, without the line of dashes.")
    # The usual separator counts unless the header has none of it, or only another one gives rows of one length.
    several = [s for s, rows in tables.items() if len(rows[0][1]) > 1]
    regular = [s for s in several if not _wrong_lengths(tables[s])]
    rows = tables[next(iter([*regular, *several, first]))]
    return _frame(path.name, rows)


def _decode(path: Path) -> str:
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        # utf-8-sig removes the byte-order mark that spreadsheets write.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise EvalsError(f"{path.name} line {line} is not UTF-8 text: save the file as 'CSV UTF-8'.") from error


def _rows(content: str, separator: str) -> list[tuple[int, list[str]]]:
    """Split text into rows of cells without surrounding blanks, each with its line; blank rows are left out."""
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=separator)
    rows, before = [], 0
    for cells in reader:
        line, before = before + 1, reader.line_num
        if any(cell.strip() for cell in cells):
            rows.append((line, [cell.strip() for cell in cells]))
    return rows


def _trimmed(cells: list[str]) -> list[str]:
    """Remove blank cells at the end, which are of no column."""
    n = next((i for i in range(len(cells), 0, -1) if cells[i - 1]), 0)
    return cells[:n]


def _wrong_lengths(rows: list[tuple[int, list[str]]]) -> list[str]:
    """Describe the rows that have fewer cells than the header, or filled cells beyond it."""
    n = len(_trimmed(rows[0][1]))
    return [
        f"line {line} has {max(len(_trimmed(cells)), min(len(cells), n))} cells, the header {n}"
        for line, cells in rows[1:]
        if len(cells) < n or any(cells[n:])
    ]


def _frame(name: str, rows: list[tuple[int, list[str]]]) -> pd.DataFrame:
    header = _trimmed(rows[0][1])
    if wrong := _wrong_lengths(rows):
        more = f"; and {len(wrong) - _MOST_LINES} more" if len(wrong) > _MOST_LINES else ""
        raise EvalsError(
            f"{name}: {'; '.join(wrong[:_MOST_LINES])}{more}. Columns would shift: add the missing separators, or put "
            'quotes "" around a cell that contains one.'
        )
    frame = pd.DataFrame([cells[: len(header)] for _, cells in rows[1:]], columns=_unique(header), dtype="str")
    return _with_named_rows(frame)


def _unique(header: list[str]) -> list[str]:
    """Number the repetitions of a name, as pandas does: a blank one becomes ``Unnamed: position``."""
    names: list[str] = []
    for i, name in enumerate(header):
        unique = name = name or f"Unnamed: {i}"
        k = 0
        while unique in names:
            k += 1
            unique = f"{name}.{k}"
        names.append(unique)
    return names


def _with_named_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Drop a first column without a name that only counts the rows; else it names the models, if no column does.

    Spreadsheets and pandas write such columns.
    """
    first = str(frame.columns[0]) if len(frame.columns) else ""
    if not first.startswith("Unnamed: 0") or not len(frame):
        return frame
    cells = [text(cell).removesuffix(".0") for cell in frame[first]]
    if any(cells == [str(i + start) for i in range(len(frame))] for start in (0, 1)):
        return frame.drop(columns=first)
    return frame if "model" in map(str.lower, frame.columns) else frame.rename(columns={first: "model"})


def _read_excel(path: Path) -> pd.DataFrame:
    sheets = {n: t for n, t in pd.read_excel(path, sheet_name=None, keep_default_na=False).items() if len(t)}
    if not sheets:
        raise EvalsError(f"{path.name} is empty.")
    if len(sheets) > 1:
        names = ", ".join(map(repr, sheets))
        raise EvalsError(f"{path.name} has several sheets ({names}): save the one to import as a file of its own.")
    table = next(iter(sheets.values()))
    header = ["" if str(c).startswith("Unnamed: ") else str(c).strip() for c in table.columns]
    return _with_named_rows(table.set_axis(_unique(header), axis="columns"))


def _with_plain_index(table: pd.DataFrame) -> pd.DataFrame:
    """Make a column of an index that names the rows; an index without a name is called ``model``."""
    if not isinstance(table.index, pd.RangeIndex) and not pd.api.types.is_integer_dtype(table.index):
        names = [n if n is not None else "model" for n in table.index.names]
        table = table.rename_axis(names).reset_index()
    return table.set_axis(_unique([str(c).strip() for c in table.columns]), axis="columns").reset_index(drop=True)
