"""The page "The model in 40 lines of PyMC": its code runs, and it is the model of the default spec."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytest

import bayescale as bs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "pymc.md"
AS_IT_IS = pytensor.compile.mode.Mode(linker="py", optimizer=None)


def density(model: pm.Model) -> Any:
    return pytensor.function(model.value_vars, model.logp(), mode=AS_IT_IS)


def test_the_model_on_the_page_has_the_density_of_the_default_spec() -> None:
    page: dict[str, Any] = {}
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len([line for line in code[1].splitlines() if line.strip()]) <= 40
    for block in code:
        exec(compile(block, PAGE.name, "exec"), page)

    written, package = page["model"], bs.build_model(bs.load_spec("default"), page["evals"])
    names = [variable.name for variable in package.value_vars]
    assert sorted(variable.name for variable in written.value_vars) == sorted(names)
    first, second = density(written), density(package)
    rng = np.random.default_rng(0)
    start = package.initial_point()
    for _ in range(3):
        point = {name: start[name] + 0.3 * rng.standard_normal(start[name].shape) for name in names}
        # The page leaves out the dim of covariates, of which there is one.
        ours = first(*(point[v.name].reshape(-1) if v.name == "slope" else point[v.name] for v in written.value_vars))
        assert ours == pytest.approx(float(second(*(point[v.name] for v in package.value_vars))), rel=1e-9)
