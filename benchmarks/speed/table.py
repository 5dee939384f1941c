"""Tables of ratios from the measurements on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.speed.pieces import AT_ONCE

BASELINE = "nutpie"
# Effective draws that a reported fit needs: 100 a chain (`bayescale.inference.convergence`).
ENOUGH = 400
BY_CHAINS = {f"jax_{n}_at_once_us": f"JAX, {n} chains at once, µs a chain" for n in AT_ONCE}


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Return all tables by title, from the pieces in a folder."""
    pieces = [json.loads(path.read_text()) for path in sorted(folder.glob("*--*--*.json"))]
    of = {kind: [p for p in pieces if p["kind"] == kind] for kind in {p["kind"] for p in pieces}}
    means = {p.with_suffix("").name: dict(np.load(p)) for p in folder.glob("sample--*.npz")}
    routes = route_table(of.get("sample", []), of.get("warm", []), means)
    gradients = gradient_table(of.get("gradient", []), of.get("gradient-jax", []))
    steps, kinds = operation_tables(of.get("operations", []))
    return {
        "targets": target_table(pieces, routes),
        "routes": routes,
        "cost of a gradient": gradients,
        "beyond the gradient": steps,
        "operations": kinds,
    }


def route_table(
    samples: list[dict[str, Any]], warm: list[dict[str, Any]], means: dict[str, dict[str, np.ndarray]]
) -> pd.DataFrame:
    """Return one row per size and route; `means` has the means of expected scores and their MCSE by piece.

    Rates use the smaller of bulk and tail ESS. Compiling and warm-up are paid once, so rates that include them depend
    on the number of draws: ``ess_a_second_in_all`` is that of the fit as it was sampled, and its ratio is given where
    both routes took the same number of draws; ``seconds_to_400`` is for a fit that ends with `ENOUGH` effective draws.
    ``off`` is the largest difference of a mean from the package's in joint Monte Carlo standard errors, and
    ``beyond_3`` the share of scores where it exceeds three.
    """
    again = {(p["size"], p["route"]): p["compile_s"] for p in warm}
    rows = []
    for p in samples:
        here, there = (means.get(f"sample--{p['size']}--{route}") for route in (p["route"], BASELINE))
        off = np.array([np.nan])
        if here is not None and there is not None and p["route"] != BASELINE:
            off = np.abs(here["mean"] - there["mean"]) / np.hypot(here["mcse"], there["mcse"])
        least = min(p["bulk_ess"], p["tail_ess"])
        warm_up = p["warm_up"] * p["sample_s"]
        from_disk = again.get((p["size"], p["route"]), np.nan)
        enough = warm_up + (p["sample_s"] - warm_up) * ENOUGH / least
        # JAX keeps nothing on disk, and compiles again.
        compiling = {"": p["compile_s"], "_from_disk": p["compile_s"] if np.isnan(from_disk) else from_disk}
        rows.append(
            {
                "size": p["size"],
                "route": p["route"],
                "compile_s": p["compile_s"],
                "compile_cpu_s": p["compile_cpu_s"],
                "warm_compile_s": from_disk,
                "sample_s": p["sample_s"],
                "sample_cpu_s": p["sample_cpu_s"],
                "draws": p["draws"],
                "steps_a_draw": p["steps_a_draw"],
                # All threads together: the cost of a gradient including the sampler's share of a step.
                "us_a_gradient": p["sample_cpu_s"] / (p["steps_a_draw"] * p["draws"] / (1 - p["warm_up"])) * 1e6,
                "rhat": p["rhat"],
                "bulk_ess": p["bulk_ess"],
                "tail_ess": p["tail_ess"],
                "ess_a_second": least / p["sample_s"],
                **{f"seconds_to_400{when}": s + enough for when, s in compiling.items()},
                **{f"ess_a_second_in_all{when}": least / (s + p["sample_s"]) for when, s in compiling.items()},
                "ess_a_cpu_second": least / p["sample_cpu_s"],
                "peak_gib": p["peak_gib"],
                "off": float(np.max(off)),
                "beyond_3": float(np.mean(off > 3)) if np.isfinite(off).all() else np.nan,
            }
        )
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    own = table[table["route"] == BASELINE].set_index("size").reindex(table["size"]).set_axis(table.index)
    for name in ("ess_a_second", "ess_a_cpu_second"):
        table[f"{name}_ratio"] = own[name] / table[name]
    for in_all, to_400 in (
        ("ess_a_second_in_all", "seconds_to_400"),
        ("ess_a_second_in_all_from_disk", "seconds_to_400_from_disk"),
    ):
        table[f"{in_all}_ratio"] = (own[in_all] / table[in_all]).where(own["draws"] == table["draws"])
        table[f"{to_400}_ratio"] = table[to_400] / own[to_400]
    return table


def gradient_table(pieces: list[dict[str, Any]], by_jax: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per size: microseconds of the package and by JAX, ordered by cells."""
    names = ["size", "models", "benchmarks", "cells", "parameters"]
    names += ["compile_s", "package_us", "peak_gib"]
    table = pd.DataFrame([{n: p[n] for n in names} for p in pieces], columns=names).sort_values("cells")
    for name in ("jax_us", *BY_CHAINS):
        table[name] = table["size"].map({p["size"]: p[name] for p in by_jax}).astype(float)
    table["ns_a_cell"] = 1000 * table["package_us"] / table["cells"]
    return table.reset_index(drop=True)


def operation_tables(pieces: list[dict[str, Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the cost of a leapfrog step beyond the gradient by metric, and the gradient by kind of operation."""
    if not pieces:
        return pd.DataFrame(), pd.DataFrame()
    piece = pieces[0]
    steps = [
        {"metric": name, "us_a_step": piece[name]["us_a_step"], "gradient_us": piece["gradient_us"]}
        for name in ("low-rank metric", "diagonal metric")
    ]
    kinds = pd.DataFrame(piece["operations"])
    kinds["share"] = kinds["us"] / kinds["us"].sum()
    table = pd.DataFrame(steps)
    return table.assign(beyond_us=table["us_a_step"] - table["gradient_us"]), kinds


def target_table(pieces: list[dict[str, Any]], routes: pd.DataFrame) -> pd.DataFrame:
    """Return each target beside its measurement, NaN where there is none."""
    by_kind = {p["kind"]: p for p in pieces}
    cold, warm, cast = (by_kind.get(kind, {}) for kind in ("fit-cold", "fit-warm", "forecasts"))
    given = [s for label, s in cast.get("forecast_s", {}).items() if "given" in label]
    here = routes[routes["size"] == "base-llms"].set_index("route") if not routes.empty else pd.DataFrame()

    def ratio(names: list[str], column: str) -> float:
        there = [here[f"{column}_ratio"].get(n, np.nan) for n in names] if not here.empty else []
        return float(np.nanmin(there)) if np.isfinite(there).any() else np.nan

    others = [n for n in here.index if n not in (BASELINE,)] if not here.empty else []
    rows = [
        *(
            (f"{what}, {label}: {other}", target, ratio(names, f"{column}{when}"))
            for what, column in (
                ("effective draws a second of a default fit", "ess_a_second_in_all"),
                ("time to 400 effective draws", "seconds_to_400"),
            )
            for label, when in (("compiled from disk", "_from_disk"), ("compiled without caches", ""))
            for other, target, names in (
                ("times PyMC's own NUTS", ">= 3", ["pymc"]),
                ("times the best other route", ">= 1.5", others),
            )
        ),
        ("default fit, new process, caches on disk, s", "<= 60", warm.get("from_process_start_s", np.nan)),
        ("default fit, new process, no caches, s", "<= 60", cold.get("from_process_start_s", np.nan)),
        ("R-hat of that fit", "<= 1.01", cold.get("rhat", np.nan)),
        ("effective draws of that fit", ">= 400", cold.get("ess", np.nan)),
        ("compiling for other cells, s", "0", cold.get("second_compile_s", np.nan)),
        ("forecast with known scores, s", "<= 0.2", max(given, default=np.nan)),
        ("10,000 models, 400 draws, s", "<= 5", cast.get("many_s", np.nan)),
        ("10,000 models, 400 draws, peak GiB", "<= 2", cast.get("many_peak_gib", np.nan)),
    ]
    return pd.DataFrame(rows, columns=["what", "target", "measured"])


# Columns of each table that the page shows, with their headings.
SHOWN = {
    "targets": {"what": "what", "target": "target", "measured": "measured"},
    "routes": {
        "size": "scores",
        "route": "route",
        "compile_s": "compiling, s",
        "warm_compile_s": "from disk, s",
        "steps_a_draw": "gradients a draw",
        "us_a_gradient": "µs a gradient",
        "draws": "draws",
        "bulk_ess": "bulk ESS",
        "tail_ess": "tail ESS",
        "seconds_to_400": "s to 400 ESS",
        "seconds_to_400_from_disk": "compiled from disk",
        "ess_a_second_ratio": "slower by, sampling",
        "ess_a_second_in_all_ratio": "the fit with compiling",
        "ess_a_second_in_all_from_disk_ratio": "the fit compiled from disk",
        "ess_a_cpu_second_ratio": "slower by, processor time of sampling",
        "peak_gib": "peak GiB",
        "off": "largest z of a mean",
        "beyond_3": "share beyond 3",
    },
    "cost of a gradient": {
        "size": "scores",
        "models": "models",
        "benchmarks": "benchmarks",
        "cells": "cells",
        "parameters": "parameters",
        "package_us": "package, µs",
        "ns_a_cell": "ns a cell",
        "jax_us": "JAX, µs",
        **BY_CHAINS,
        "peak_gib": "peak GiB",
    },
    "beyond the gradient": {
        "metric": "metric",
        "us_a_step": "µs a leapfrog step",
        "gradient_us": "of which gradient",
        "beyond_us": "beyond it",
    },
    "operations": {"operation": "operation", "nodes": "nodes", "us": "µs", "share": "share"},
}


def markdown(by_title: dict[str, pd.DataFrame]) -> str:
    """Return all tables as Markdown, to three significant digits."""
    parts = []
    for title, table in by_title.items():
        if table.empty:
            continue
        shown = SHOWN[title]
        head = f"| {' | '.join(shown.values())} |\n|{' --- |' * len(shown)}"
        rows = [f"| {' | '.join(_cell(v) for v in row)} |" for row in table[list(shown)].itertuples(index=False)]
        parts.append("\n".join([f"\n### {title.capitalize()}\n", head, *rows]))
    return "\n".join(parts) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not np.isfinite(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.3g}"
