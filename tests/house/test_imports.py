"""Import time: nothing heavy is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import bayescale

HEAVY = ("pymc", "pytensor", "nutpie", "numba", "arviz", "matplotlib", "scipy", "pandas", "xarray", "jax")


STATEMENTS = [
    "import bayescale",
    "import bayescale.cli",
    "from bayescale.cli import main; assert main(['--help']) == 0",
    "from bayescale.cli import main; assert main(['fit', '--help']) == 0",
    "from bayescale.cli import main; assert main(['fit']) == 2",
    "from bayescale.cli import main; assert main(['backtest', '--help']) == 0",
    "from bayescale.cli import main; assert main(['prior', '--help']) == 0",
    "from bayescale.cli import main; assert main(['check']) == 2",
    "from bayescale.cli import main; assert main(['import', 'lm-eval', '--help']) == 0",
    "from bayescale.cli import main; assert main(['suggest', '--help']) == 0",
    "from bayescale.cli import completion as c; assert c.specs() and c.evals() and c.tasks()",
]


def test_nothing_heavy_is_loaded() -> None:
    """In one process: what the first statement loads that is heavy is said after it."""
    said = f"print('loaded:', *sorted(set({HEAVY!r}) & sys.modules.keys()), file=sys.stderr)"
    code = "\n".join(["import sys", *(f"{statement}\n{said}" for statement in STATEMENTS)])
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = [line.removeprefix("loaded:").split() for line in ran.stderr.splitlines() if line.startswith("loaded:")]
    assert dict(zip(STATEMENTS, loaded, strict=True)) == {statement: [] for statement in STATEMENTS}


@pytest.mark.heavy
def test_a_forecast_loads_no_model() -> None:
    """PyMC and PyTensor take seconds to import, which a forecast from a saved posterior does not need."""
    path = Path(__file__).parents[1] / "fixtures" / "posteriors" / "pymc-5.nc"
    code = f"""
import sys
from bayescale import Posterior
posterior = Posterior.load({str(path)!r})
print(posterior.forecast(posterior.evals.families[0], 1e24, random_seed=1))
assert not {{"arviz", "pymc", "pytensor", "nutpie"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


@pytest.mark.parametrize("name", bayescale.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(bayescale, name) is not None


@pytest.mark.heavy
def test_a_function_that_uses_the_package_reaches_workers() -> None:
    code = """
import joblib
import bayescale as bs

def factors(name):
    return bs.load_spec(name).factors

print(joblib.Parallel(n_jobs=2)(joblib.delayed(factors)(n) for n in ("one_factor", "two_factors")))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "[1, 2]", ran.stderr
