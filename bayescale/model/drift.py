"""Drift: what capabilities gain over calendar time beside a straight line, a random walk in yearly steps.

A slope over dates says that all years to come are as the years seen. With a drift each year has a gain of its own::

    theta_mk ~ Normal(x_m' beta_k + alpha_fk + sum_j B_j(t_m) drift_jk, 1)       drift_jk ~ Normal(0, drift_sd)

t is the date of release in years from its centre, and B_j runs from 0 to 1 along year j: up from the centre for the
years after it, down for those before. All models of a year share its step, so that forecasts of later models grow
uncertain together. The walk goes on for `AHEAD` years after the last date of the data, and then stands still.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

DATE = "released"
AHEAD = 5

_STEP = re.compile(rf"{DATE}\[([+-]\d+)\]")


def step_names(dates: np.ndarray) -> list[str]:
    """Name the yearly steps that dates (model,), in years from their centre, need.

    Examples
    --------
    >>> step_names(np.array([-0.2, 0.3]))[:4]
    ['released[-1]', 'released[+1]', 'released[+2]', 'released[+3]']
    """
    first, last = np.floor(min(np.nanmin(dates), 0.0)), np.ceil(max(np.nanmax(dates), 0.0)) + AHEAD
    return [f"{DATE}[{step:+d}]" for step in range(int(first), int(last) + 1) if step]


def step_number(name: str) -> int | None:
    """Return the number of a step, counted from the centre; None where the name is not that of a step."""
    found = _STEP.fullmatch(name)
    return int(found[1]) if found else None


def along_step(name: str, date: Any) -> Any:
    """Return B_j at dates in years from their centre; None where the name is not that of a step.

    Examples
    --------
    >>> along_step("released[+2]", np.array([0.5, 1.25, 3.0])), along_step("released[-1]", np.array([-0.5, 2.0]))
    (array([0.  , 0.25, 1.  ]), array([0.5, 0. ]))
    """
    step = step_number(name)
    if step is None:
        return None
    return (date - step + 1 if step > 0 else step + 1 - date).clip(0, 1)
