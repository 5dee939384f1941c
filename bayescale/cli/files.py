"""Files of results: check before the work starts that they can be written, write tables, name what was written."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bayescale._files import unwritable
from bayescale._intervals import interval_columns
from bayescale.cli import show
from bayescale.errors import FileError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def check_targets(*paths: Path | None, plot: Path | None = None) -> None:
    """Check that files can be written, and that a figure has an ending that Matplotlib knows; None is skipped."""
    for path in filter(None, (*paths, plot)):
        try:
            if path.is_dir():
                raise FileError(f"Cannot write {str(path)!r}: it is a folder. Give the name of a file.")
            if not path.parent.is_dir():
                raise FileError(f"Cannot write {path.name}: there is no folder {str(path.parent)!r}. Create it first.")
            if path.exists() and not (os.access(path, os.W_OK) and path.stat().st_mode & 0o222):
                raise FileError(f"Cannot write {str(path)!r}: it is read-only. Allow it, or give another name.")
            # Permissions alone are not enough: a file system may be read-only or full.
            if path.is_file() or not path.exists():
                with tempfile.TemporaryFile(dir=os.path.realpath(path.parent)):
                    pass
        except FileError:
            raise
        except OSError as error:
            raise unwritable(path, error) from error
    if plot:
        from matplotlib.figure import Figure

        if plot.suffix.lstrip(".").lower() not in Figure().canvas.get_supported_filetypes():
            reason = "its ending is not a format for figures. Use .png, .pdf or .svg."
            raise FileError(f"Cannot draw {plot.name!r}: {reason}")


def file_names(names: Iterable[str], form: str) -> dict[str, str]:
    """Return a different file name for each name, by a form such as ``"{}.nc"``, that every file system takes.

    Examples
    --------
    >>> file_names(["family_sd HalfNormal(1)", "a/b", "a b"], "{}.nc")
    {'family_sd HalfNormal(1)': 'family_sd_HalfNormal_1.nc', 'a/b': 'a_b.nc', 'a b': 'a_b_.nc'}
    """
    taken: dict[str, str] = {}
    for name in names:
        label = re.sub(r"[^\w.+-]+", "_", name).strip("_")[:60] or "_"
        while form.format(label) in taken.values():
            label += "_"
        taken[name] = form.format(label)
    return taken


def make_folder(path: Path) -> None:
    """Create a folder for results unless it exists."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise FileError(f"Cannot create the folder {str(path)!r}: a file has this name. Choose another name.") from None
    except OSError as error:
        raise unwritable(path, error) from error


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a CSV file atomically."""
    from bayescale.evals.csv_files import export_csv

    export_csv(interval_columns(table), path)


def write_results(table: pd.DataFrame, csv: Path | None, draw: Callable[[], Figure | Axes], plot: Path | None) -> None:
    """Write a table and its figure where files are given, and print their names; before anything else is printed."""
    if csv:
        write_table(table, csv)
    if plot:
        from bayescale.cli import figures

        figures.save(draw(), plot)
    written(csv, plot)


def write_folder(
    folder: Path, tables: Mapping[str, pd.DataFrame], draw: Callable[[], Mapping[str, Figure | Axes]], *others: str
) -> None:
    """Write tables, then figures, to a folder by their names; print these and the names of other files in it."""
    from bayescale.cli import figures

    for name, table in tables.items():
        write_table(table, folder / name)
    plotted = draw()
    for name, figure in plotted.items():
        figures.save(figure, folder / name)
    show.step(f"Wrote {', '.join([*tables, *plotted, *others])} to {shlex.quote(str(folder))}.")


def written(*paths: Path | None) -> None:
    """Print the names of the files that were written; None is skipped."""
    for path in filter(None, paths):
        show.step(f"Wrote {path}.")
