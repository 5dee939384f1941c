"""Write figures into README and tutorial: their tables hold what backtests and the demo wrote, and nothing else.

    python benchmarks/accuracy.py [FOLDER ...]

A folder is that of `bayescale backtest -o FOLDER`. Their scores.csv and predictions.csv are summed up in
docs/accuracy.csv, of which the tables are made; rows of groups of tasks that no folder has stay, so mark those of an
earlier form first. Without a folder the tables are made anew. The forecast of the hidden model is docs/forecast.csv, a
copy of what `bayescale demo` writes.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from bayescale.evaluation.backtest import load_tasks
from bayescale.evaluation.backtest.metrics import geometric_mean, relative_mse, relative_mse_intervals

ROOT = Path(__file__).resolve().parents[1]
SUMMARY, FORECAST = ROOT / "docs" / "accuracy.csv", ROOT / "docs" / "forecast.csv"
PAGES = ROOT / "README.md", ROOT / "docs" / "tutorial" / "first-forecast.md"
REFERENCE = "pc_3"
# Lower ends of the intervals of the hidden model moved by up to 0.0035 with other random numbers (HumanEval's, which
# are whole items, by one of 164).
NEAR = 0.004
# Groups of tasks that show a method nothing but facts of a model, and those that show its plain scores.
FACTS = {
    "largest_out": "larger models of a family",
    "future": "models after May 2024",
    "rolling_6m": "models of the next six months",
    "rolling_12m": "models of the next twelve months",
}
SCORES = {
    "all": "all tasks that are averaged",
    "emergent": "emergent abilities",
    "post_training": "post-training",
    "leaderboard_v2": "Open LLM Leaderboard v2",
    "agent": "agents",
}
METHODS = {
    "default": "**`bayescale`, spec `default`**",
    "dated": "**`bayescale`, spec `dated`**",
    "pc_3": "`pc_3`, the paper's default",
    "pc_2": "`pc_2`",
    "family_compute": "compute, an intercept for each family",
    "last_sibling": "score of the last sibling",
    "rank_two": "completion of logits at rank two",
    "best_so_far": "best score so far",
    "date_trend": "trend over dates",
    "factor_date": "one factor, trend over dates",
}
COLUMNS = [
    "pool", "method", "scores", "relative_mse", "lower", "upper", "mae", "common", "mae_common", "crps", "log_score",
    "coverage_50", "coverage_90", "rhat", "form",
]  # fmt: skip
# Figures of an earlier form of the model, which no folder holds any more, are marked in the column `form`.
FORM = {
    "first": "the model's first form, the default of version 0.1; the present form was chosen afterwards, on training "
    "models",
    "apart": "the form with a prior of each kind of noise (`noise_shares: false`); the present form was chosen "
    "afterwards, on training models",
    "": "the specs as they ship",
}


def summarise(folder: Path) -> pd.DataFrame:
    """Sum up a backtest: a row for each pool of tasks and method, with the columns `COLUMNS`."""
    scores, cells = pd.read_csv(folder / "scores.csv"), pd.read_csv(folder / "predictions.csv")
    tasks = [task for task in load_tasks() if task.name in set(cells["task"])]
    pools = {"all": [t.name for t in tasks if t.averaged]}
    for task in tasks:
        pools.setdefault(task.group, []).append(task.name)
    parts = []
    for pool, names in pools.items():
        here = cells[cells["task"].isin(names) & cells["method"].isin(METHODS)]
        if pool not in FACTS | SCORES or here.empty:
            continue
        rows = scores[scores["task"] == pool].rename(columns={"spec_or_method": "method", "n_test": "scores"})
        rows = rows[rows["method"].isin(METHODS)].set_index("method").assign(pool=pool)
        if pool in SCORES and REFERENCE in set(here["method"]):
            ratio = geometric_mean(relative_mse(here, REFERENCE), names)["to_reference"].rename("relative_mse")
            rows = rows.join(ratio).join(relative_mse_intervals(here, names, REFERENCE))
        error = here.assign(error=(here["mean"] - here["score"]).abs())
        common = error.pivot_table(index=["task", "model", "benchmark"], columns="method", values="error").dropna()
        parts.append(rows.assign(common=len(common), mae_common=common.mean()).reset_index())
    return pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)


def tables(summary: pd.DataFrame, forecast: pd.DataFrame) -> dict[str, str]:
    """Return the Markdown tables of the pages, by name."""
    made = {"facts": _facts(summary), "scores": _scores(summary), "groups": _groups(summary)}
    return {"form": _forms(summary), "hidden": _hidden(forecast.dropna(subset="observed")), **made}


def _forms(summary: pd.DataFrame) -> str:
    """Say of which form of the model the figures are, and name the groups that are of another than the first one."""
    by_pool = summary.assign(form=summary["form"].astype(object).fillna("")).groupby("pool", sort=False)["form"].max()
    usual, *others = by_pool.value_counts().index
    titles = FACTS | SCORES
    said = [f"Figures are of {FORM[usual]}."]
    for form in others:
        named = ", ".join(titles[pool] for pool in by_pool.index[by_pool == form])
        said.append(f"Those of {named} are of {FORM[form]}.")
    return " ".join(said)


def _hidden(table: pd.DataFrame) -> str:
    lines = ["| benchmark | median | 90% interval | score |", "| --- | --- | --- | --- |"]
    for row in table.itertuples():
        interval = f"{row.lower:.2f} to {row.upper:.2f}"
        lines.append(_line([str(row.benchmark), f"{row.median:.2f}", interval, f"{row.observed:.2f}"]))
    score, lower, upper = (table[name] for name in ("observed", "lower", "upper"))
    inside = score.between(lower, upper)
    at_end = np.minimum((score - lower).abs(), (upper - score).abs()) < NEAR
    low, high = (inside & ~at_end).sum(), (inside | at_end).sum()
    below = (score < table["median"]).sum()
    points = 100 * (table["median"] - score).mean()
    lie = "lies" if at_end.sum() == 1 else "lie"
    counts = (
        f"{low} to {high} of {len(table)} scores lie in their 90% interval: {at_end.sum()} {lie} so near its end "
        f"(within {100 * NEAR:g} points) that another run of the sampler may put them on its other side. {below} of "
        f"{len(table)} lie below the median, on average by {points:.0f} points."
    )
    return "\n".join([*lines, "", counts])


def _rows(summary: pd.DataFrame, pool: str) -> pd.DataFrame:
    rows = summary[summary["pool"] == pool].set_index("method")
    return rows.reindex([name for name in METHODS if name in rows.index])


def _facts(summary: pd.DataFrame) -> str:
    lines = [
        "| forecasts of | method | scores | MAE | MAE on the scores that all forecast | CRPS | in 50% | in 90% |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for pool, title in FACTS.items():
        for method, row in _rows(summary, pool).iterrows():
            common = f"{row['mae_common']:.3f} ({row['common']:.0f})" if row["common"] > 0 else "-"
            cells = [title, METHODS[str(method)], f"{row['scores']:.0f}", _number(row["mae"], 3), common]
            lines.append(_line([*cells, _number(row["crps"], 3), *_coverage(row)]))
            title = ""
    return "\n".join(lines)


def _scores(summary: pd.DataFrame) -> str:
    lines = [
        "| method | MSE relative to `pc_3` (90% interval over models) | CRPS | log score | in 50% | in 90% |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for method, row in _rows(summary, "all").iterrows():
        ratio = _number(row["relative_mse"], 2)
        if pd.notna(row["lower"]) and method != REFERENCE:
            ratio += f" ({row['lower']:.2f} to {row['upper']:.2f})"
        scores = _number(row["crps"], 3), _number(row["log_score"], 2)
        lines.append(_line([METHODS[str(method)], ratio, *scores, *_coverage(row)]))
    return "\n".join(lines)


def _groups(summary: pd.DataFrame) -> str:
    lines = [
        "| tasks | scores | MSE of `default` relative to `pc_3` | in 50% | in 90% |",
        "| --- | --- | --- | --- | --- |",
    ]
    for pool, title in SCORES.items():
        for _, row in _rows(summary, pool).query("method == 'default'").iterrows():
            lines.append(_line([title, f"{row['scores']:.0f}", _number(row["relative_mse"], 2), *_coverage(row)]))
    return "\n".join(lines)


def _coverage(row: pd.Series) -> list[str]:
    return [_number(row["coverage_50"], 0, "%"), _number(row["coverage_90"], 0, "%")]


def _number(value: float, decimals: int, unit: str = "") -> str:
    if pd.isna(value):
        return "-"
    return f"{100 * value:.{decimals}f}%" if unit else f"{value:.{decimals}f}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def put(text: str, made: dict[str, str]) -> str:
    """Return a page with the tables between its marks, such as ``<!-- accuracy: facts -->`` and ``<!-- end -->``."""
    for name, table in made.items():
        begin, end = f"<!-- accuracy: {name} -->\n", "\n<!-- end -->"
        text = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _, t=begin + table + end: t, text, flags=re.S)
    return text


def main(folders: list[str]) -> None:
    """Sum up the backtests of the folders, and write the tables."""
    if folders:
        summary = pd.concat([summarise(Path(folder)) for folder in folders], ignore_index=True)
        before = pd.read_csv(SUMMARY)
        summary = pd.concat([summary, before[~before["pool"].isin(summary["pool"])]], ignore_index=True)
        summary.to_csv(SUMMARY, index=False, float_format="%.6g")
    for page in PAGES:
        page.write_text(put(page.read_text("utf-8"), tables(*map(pd.read_csv, (SUMMARY, FORECAST)))), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
