"""Plot the cost of a gradient over the number of observed cells."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter


def draw(table: pd.DataFrame, path: Path) -> None:
    """Plot microseconds over cells on log axes: package, and a line proportional to cells."""
    figure, ax = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    ax.plot(table["cells"], table["package_us"], "o", label="package")
    cells = np.array([table["cells"].min(), table["cells"].max()])
    rate = float(np.exp(np.mean(np.log(table["package_us"] / table["cells"]))))
    ax.plot(cells, rate * cells, color="0.6", lw=1, zorder=0, label=f"{1000 * rate:.0f} ns a cell")
    # Labels alternate between left and right because the smallest tables lie close together.
    for row, (side, offset) in zip(table.itertuples(), cycle([("right", (-6, 6)), ("left", (7, -9))])):
        at = (row.cells, row.package_us)
        ax.annotate(row.size, at, xytext=offset, textcoords="offset points", ha=side, fontsize=8)
    ax.set(xscale="log", yscale="log", xlabel="observed scores (cells)", ylabel="time of one gradient (µs)")
    ax.set_xlim(cells[0] / 3, cells[1] * 1.5)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axis.set_minor_formatter(NullFormatter())
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
