"""Files of results: check before the work starts that they can be written, write tables, name what was written."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bayescale._files import atomic_write, unwritable
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
        if path.is_dir():
            raise FileError(f"Cannot write {str(path)!r}: it is a folder. Give the name of a file.")
        if not path.parent.is_dir():
            raise FileError(f"Cannot write {path.name}: there is no folder {str(path.parent)!r}. Create it first.")
        try:
            # Permissions alone are not enough: a file system may be read-only or full.
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            raise unwritable(path, error) from error
    if plot:
        from matplotlib.figure import Figure

        if plot.suffix.lstrip(".").lower() not in Figure().canvas.get_supported_filetypes():
            reason = "its ending is not a format for figures. Use .png, .pdf or .svg."
            raise FileError(f"Cannot draw {plot.name!r}: {reason}")


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
    with atomic_write(path, keep_suffix=True) as temporary:
        interval_columns(table).to_csv(temporary, index=False)


def write_results(table: pd.DataFrame, csv: Path | None, draw: Callable[[], Figure | Axes], plot: Path | None) -> None:
    """Write a table and its figure where files are given, and print their names."""
    if csv:
        write_table(table, csv)
    if plot:
        from bayescale.cli import figures

        figures.save(draw(), plot)
    written(csv, plot)


def write_folder(
    folder: Path, tables: Mapping[str, pd.DataFrame], plotted: Mapping[str, Figure | Axes], *others: str
) -> None:
    """Write tables and figures to a folder by their names, and print these and the names of other files in it."""
    from bayescale.cli import figures

    for name, table in tables.items():
        write_table(table, folder / name)
    for name, figure in plotted.items():
        figures.save(figure, folder / name)
    show.step(f"Wrote {', '.join([*tables, *plotted, *others])} to {shlex.quote(str(folder))}.")


def written(*paths: Path | None) -> None:
    """Print the names of the files that were written; None is skipped."""
    for path in filter(None, paths):
        show.step(f"Wrote {path}.")
