"""The equations of the report's page, run by V8 without a browser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
import pytest

from bayescale.report.live import LiveForecast
from bayescale.report.pack import arrays, pack

EQUATIONS = ("special.js", "model.js", "condition.js")


class Page:
    """What the page computes from a posterior; the arrays come as text, since V8 alone has no base64."""

    def __init__(self, live: LiveForecast | None = None, evals: Any = None, files: tuple[str, ...] = EQUATIONS) -> None:
        racer = pytest.importorskip("py_mini_racer", reason="V8 is not installed: pip install mini-racer")
        folder = resources.files("bayescale.report") / "page"
        self.context = racer.MiniRacer()
        self.context.eval("\n".join((folder / name).read_text("utf-8") for name in files))
        self.live = live
        if live is not None:
            held = {name: values.ravel().tolist() for name, values in arrays(live).items()}
            self.context.eval(
                f"var posterior = {json.dumps(pack(live, evals, 0.9))}; posterior.arrays = {json.dumps(held)};"
            )
            self.context.eval(
                "for (const k in posterior.arrays) posterior.arrays[k] = Float32Array.from(posterior.arrays[k]);"
            )

    def compute(self, expression: str) -> Any:
        return json.loads(self.context.eval(f"JSON.stringify({expression})"))

    def forecast(
        self, family: int, log10: list[float], given: Mapping[str, float], undisclosed: bool = False
    ) -> tuple[np.ndarray, float]:
        """Lower end, median and upper end (benchmark, 3), and effective draws."""
        assert self.live is not None
        names = self.live.draws.data.coords["benchmark"]
        known = [[names.index(name), score] for name, score in given.items()]
        query = json.dumps({"family": family, "values": log10, "given": known, "undisclosed": undisclosed})
        actual = self.compute(f"forecast(posterior, {query})")
        return np.array([[r["lower"], r["median"], r["upper"]] for r in actual["rows"]]), actual["effective"]
