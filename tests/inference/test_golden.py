"""Golden summaries of `base-llms` under the default of version 0.1: coordinates change, the posterior does not.

`python tests/inference/test_golden.py` records them anew, from a fit of its own; do so only when the model is meant to
change.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bayescale as bs
from bayescale.inference.mixing import effective_draws

FILE = Path(__file__).parents[1] / "fixtures" / "golden-base-llms.json"
FORECASTS = [("Llama-3", 4e25), ("Qwen1.5", 1e25), (bs.NEW_FAMILY, 1e26)]
QUANTILES = (0.05, 0.5, 0.95)
DRAWS = 1000  # a chain
# The default spec of version 0.1, whose sampler made the summaries.
FIRST = bs.load_spec("default").replace(
    factors="many",
    loading_sds="factor",
    family_benchmark=True,
    uniqueness=False,
    rising=False,
    priors={"common_loading_sd": "HalfNormal(1)"},
)


def summaries(random_seed: int) -> dict[str, Any]:
    """Quantiles of expected scores, fitted and forecast, with the effective sample size of each (quantity,)."""
    posterior = bs.fit(FIRST, bs.load_evals("base-llms"), draws=DRAWS, random_seed=random_seed, progressbar=False)
    families, flops = zip(*FORECASTS, strict=True)
    forecast = posterior.forecast(family=list(families), flops=list(flops), random_seed=1).draws["expected_score"]
    fitted = posterior.expected_scores().to_numpy()
    values = np.concatenate(
        [a.reshape((*a.shape[:2], -1)) for a in (fitted, forecast.transpose("chain", "draw", ...).to_numpy())], axis=2
    )
    quantiles = np.quantile(values, QUANTILES, axis=(0, 1))
    return {
        "names": [
            f"{m} on {b}" for m in [*posterior.evals.model_names, *families] for b in posterior.evals.benchmark_names
        ],
        "quantiles": quantiles.round(6).tolist(),
        "sd": values.std(axis=(0, 1)).round(6).tolist(),
        "ess": np.minimum(*effective_draws(values)).round(0).tolist(),
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayescale.errors.ConvergenceWarning")
def test_the_posterior_of_base_llms_is_what_it_was() -> None:
    golden, actual = json.loads(FILE.read_text()), summaries(random_seed=2)
    assert actual["names"] == golden["names"]
    sd = np.array(golden["sd"])
    # A quantile's standard error is some 1.25 (median) to 2.1 (5%) sd over the root of the effective draws, for normal
    # values; skewed ones have more. Two independent estimates differ by root two of it. Of 3,600 such differences the
    # largest lies below 4.5 standard errors 97 times in 100 if all are normal.
    effective = np.minimum(golden["ess"], actual["ess"])
    for prob, ours, theirs in zip(QUANTILES, actual["quantiles"], golden["quantiles"], strict=True):
        error = (1.25 if prob == 0.5 else 2.1) * sd / np.sqrt(effective) * np.sqrt(2)
        z = np.abs(np.array(ours) - np.array(theirs)) / error
        assert np.quantile(z, 0.9) < 2.0, prob
        assert z.max() < 6.0, golden["names"][int(z.argmax())]


if __name__ == "__main__":
    FILE.write_text(json.dumps(summaries(random_seed=1)) + "\n", encoding="utf-8")
