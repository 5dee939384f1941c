"""Cases of a test of which `make test` runs the first ones, and `make test-heavy` the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def first_quick(cases: Iterable[Any], quick: int) -> list[Any]:
    """Return cases of `pytest.mark.parametrize`, all but the first `quick` of them heavy."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=() if place < quick else pytest.mark.heavy)
        for place, case in enumerate(cases)
    ]
