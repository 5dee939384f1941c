"""Tables of a report from the folder that ``bayescale backtest`` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.errors import EvaluationError

# Columns of scores.csv with their headings and number formats.
COLUMNS = {
    "n_test": ("n", "{:.0f}"),
    "mse": ("MSE", "{:.4f}"),
    "mae": ("MAE", "{:.3f}"),
    "crps": ("CRPS", "{:.3f}"),
    "log_score": ("log score", "{:.2f}"),
    "coverage_50": ("in 50%", "{:.0%}"),
    "coverage_90": ("in 90%", "{:.0%}"),
    "width_90": ("width 90%", "{:.3f}"),
    "rhat": ("R-hat", "{:.3f}"),
}
METHOD = "spec_or_method"
NEEDED = {
    "scores.csv": [METHOD, "task", *COLUMNS],
    "predictions.csv": ["task", "method", "model", "benchmark", "score", "median", "q05", "q95"],
}


def read_results(folder: Path) -> dict[str, pd.DataFrame]:
    """Read ``scores.csv`` and ``predictions.csv``.

    Raises
    ------
    EvaluationError
        If a file or a column is missing, or nothing was forecast.
    """
    tables, problems = {}, []
    for name, columns in NEEDED.items():
        try:
            tables[name] = pd.read_csv(folder / name)
        except (OSError, ValueError) as error:
            reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
            problems.append(f"{name}: {reason}")
            continue
        missing = [column for column in columns if column not in tables[name]]
        if missing:
            problems.append(f"{name}: missing column{'s' * (len(missing) > 1)}: {', '.join(missing)}")
        elif tables[name].empty:
            problems.append(f"{name}: no rows")
    if problems:
        raise EvaluationError(
            f"{str(folder)!r} is not a folder of `bayescale backtest`: {'; '.join(problems)}. Write it with: bayescale "
            f"backtest -o {folder}"
        )
    return tables


def held(tables: dict[str, pd.DataFrame], method: str) -> dict[str, str]:
    """Return how often a method's intervals covered hidden scores, and its error, over all tasks."""
    mine = tables["predictions.csv"].query("method == @method")
    inside = mine["score"].between(mine["q05"], mine["q95"]).mean()
    error = (mine["median"] - mine["score"]).abs().mean()
    return {"n": f"{len(mine)}", "inside": f"{inside:.0%}", "error": f"{error:.3f}"}


def pools(tables: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Return a table per pool of tasks, such as ``all``, the lowest CRPS on top; without pools, one per task."""
    scores, single = tables["scores.csv"], set(tables["predictions.csv"]["task"])
    pooled = [task for task in dict.fromkeys(scores["task"]) if task not in single]
    made = []
    for task in pooled or list(dict.fromkeys(scores["task"])):
        rows = scores[scores["task"] == task].sort_values("crps", kind="stable")
        kept = [column for column in COLUMNS if rows[column].notna().any()]
        texts = [
            (str(row[METHOD]), [_text(row[column], COLUMNS[column][1]) for column in kept])
            for row in rows.to_dict("records")
        ]
        made.append({"title": _title(task, bool(pooled)), "columns": [COLUMNS[c][0] for c in kept], "rows": texts})
    return made


def shown_method(tables: dict[str, pd.DataFrame]) -> str:
    """Return the method to draw: the first one that was sampled, else the first."""
    scores = tables["scores.csv"]
    sampled = scores.loc[scores["rhat"].notna(), METHOD]
    return str((sampled if len(sampled) else scores[METHOD]).iloc[0])


def _title(task: str, pooled: bool) -> str:
    return "All averaged tasks" if task == "all" else f"{'Tasks of' if pooled else 'Task'} {task}"


def _text(value: float, form: str) -> str:
    return "-" if pd.isna(value) else form.format(value)
