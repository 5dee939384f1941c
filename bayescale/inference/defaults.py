"""Defaults of fits: draws, chains, warm-up steps and seeds."""

from __future__ import annotations

from bayescale.errors import BayescaleError, ForecastError

CHAINS = 4
TUNE = 300

# A short run before, from which the coordinates of the main one are made; its draws are not kept.
PILOT_TUNE, PILOT_DRAWS = 150, 100

# Enough for R-hat of 1.010 and 800 effective draws of forecasts on `base-llms` (docs/model-notes.md).
DRAWS = 1600
# Minutes after which a fit without a number of draws ends, converged or not.
MAX_MINUTES = 30.0

# Target acceptances of NUTS: that of a fit, and those with which sampling until convergence starts again where too many
# transitions diverge (docs/model-notes.md).
TARGET_ACCEPTS = (0.8, 0.9, 0.95)

# The folds of the backtest have wider matrices, and a fold that did not converge spoils the comparison of methods.
BACKTEST_DRAWS = 4000

# A scan compares, and its specs are many: fewer draws than a fit that is reported from.
SCAN_DRAWS = 1300
# Draws in the page of a report: enough for two decimals of a score.
REPORT_DRAWS = 1000


def seed_or_new(random_seed: int | None, error: type[BayescaleError] = ForecastError) -> int:
    """Return the seed, or a new one if it is None, so that a result can record the seed it was made with.

    Anything but a whole number from 0 to 2^64 - 1 raises `error`.

    Examples
    --------
    >>> seed_or_new(1)
    1
    """
    import numpy as np

    if random_seed is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if not isinstance(random_seed, int | np.integer) or not 0 <= random_seed < 2**64:
        raise error(f"random_seed={random_seed!r}: a whole number from 0 to 2^64 - 1 is needed, or None.")
    return int(random_seed)
