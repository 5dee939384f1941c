"""Sample until the convergence diagnostics hold, or a budget of time ends."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bayescale._arviz import dataset, inference_data
from bayescale.errors import FitError
from bayescale.inference.convergence import diverges

if TYPE_CHECKING:
    from bayescale.inference.convergence import ConvergenceReport

# Draws of a chain at the first diagnosis, and how many times as many the next one has, at least and at most.
FIRST_CHECK, LEAST_GROWTH, MOST_GROWTH = 400, 1.25, 1.5
# Draws of a chain after which sampling ends in any case.
MOST_DRAWS = 20_000
# Draws of a chain without which nothing can be said.
LEAST_DRAWS = 4
# Above this share of divergent transitions sampling does not go on to see whether it falls: a chain stands still.
HOPELESS_SHARE = 1e-2


def next_check(draws: int, needed: int) -> int:
    """Return the draws per chain at the next diagnosis: `needed`, as the last one estimates, within bounds of growth.

    It does not depend on the speed of the machine, so that a seed gives the same draws unless the budget ends. The
    estimate is rough where chains have only begun to agree, and a diagnosis costs little beside half a run more.

    Examples
    --------
    >>> next_check(400, needed=560), next_check(400, needed=420), next_check(400, needed=5000)
    (560, 500, 600)
    """
    within = max(LEAST_GROWTH * draws, min(needed, MOST_GROWTH * draws))
    return min(10 * math.ceil(within / 10), MOST_DRAWS)


class _Run(NamedTuple):
    """Draws, their diagnosis unless the time ended before, and their target acceptance."""

    idata: Any
    report: ConvergenceReport | None
    target_accept: float

    @property
    def draws(self) -> int:
        return int(self.idata["posterior"].sizes["draw"])


def sample_until_converged(
    start: Callable[..., Any],
    diagnose: Callable[[Any], ConvergenceReport],
    *,
    targets: Sequence[float],
    max_minutes: float,
    tell: Callable[[str], None],
) -> tuple[Any, ConvergenceReport | None, float]:
    """Sample all chains at once until `diagnose` finds that they converged.

    Parameters
    ----------
    start : callable
        Takes ``draws`` and ``target_accept``, and starts the sampler in the background; returns nutpie's handle.
    diagnose : callable
        Takes the draws so far.
    targets : sequence of float
        Target acceptances: where too many transitions diverge, sampling starts again with the next.
    max_minutes : float
        Sampling ends after this time, warm-up included, converged or not.
    tell : callable
        Takes a sentence on how far sampling is, after each diagnosis.

    Returns
    -------
    idata : arviz.InferenceData or xarray.DataTree
        As many draws of each chain as the last diagnosis saw; where the budget ended, all that every chain has.
    report : ConvergenceReport or None
        The last diagnosis, if the chains converged.
    target_accept : float
        The target acceptance of these draws.

    Raises
    ------
    FitError
        When the budget ends during the warm-up.
    """
    ends = time.monotonic() + 60 * max_minutes

    def run(target_accept: float) -> _Run:
        handle = start(draws=MOST_DRAWS, target_accept=target_accept)
        most = HOPELESS_SHARE if target_accept != targets[-1] else 1.0
        return _Run(*_until_diagnosed(handle, diagnose, ends=ends, hopeless_share=most, tell=tell), target_accept)

    found = run(targets[0])
    for shorter in targets[1:]:
        if found.report is None or not diverges(found.report.divergences, found.report.draws):
            break
        tell(f"{found.report.divergences} of {found.report.draws} transitions diverged; again at {shorter}")
        again = run(shorter)
        # What the end of the budget cut short does not replace a longer run.
        if again.report is None and again.draws <= found.draws:
            break
        found = again
    if found.draws < LEAST_DRAWS:
        raise FitError(
            f"max_minutes={max_minutes:g} ended during the warm-up, with {found.draws} draws: give more minutes, or "
            "a number of draws."
        )
    converged = found.report is not None and found.report.converged
    return found.idata, found.report if converged else None, found.target_accept


def _until_diagnosed(
    handle: Any, diagnose: Callable[[Any], ConvergenceReport], *, ends: float, hopeless_share: float,
    tell: Callable[[str], None],
) -> tuple[Any, ConvergenceReport | None]:  # fmt: skip
    """Return the draws when more of them would mend nothing, with their diagnosis; without, when the time ends."""
    wanted, pause = FIRST_CHECK, 2.0
    since, before, rate = time.monotonic(), 0, 0.0
    try:
        while True:
            time.sleep(max(min(pause, ends - time.monotonic()), 0.0))
            late = time.monotonic() >= ends
            looked = time.monotonic()
            drawn = _drawn_by_all(_inspected(handle))
            # A look copies all draws: it takes a tenth of the time at most.
            longest = max(5.0, 10 * (time.monotonic() - looked))
            draws = drawn["posterior"].sizes["draw"]
            if draws > before:
                since, before, rate = looked, draws, (draws - before) / (looked - since)
            if draws >= wanted:
                here = first_draws(drawn, wanted)
                # Chains that go on take the processors from their own diagnosis, and their draws are not kept if it
                # is the last one.
                handle.pause()
                report = diagnose(here)
                hopeless = diverges(report.divergences, report.draws, hopeless_share)
                if report.long_enough or hopeless or wanted >= MOST_DRAWS:
                    return here, report
                handle.resume()
                since = time.monotonic()
                wanted = next_check(wanted, report.wanted_draws)
                tell(f"{draws} draws per chain, R-hat {report.rhat:.3f}, {report.ess:.0f} effective draws")
            if late:
                return drawn, None
            pause = float(np.clip((wanted - draws) / rate, 0.5, longest)) if rate else longest
    finally:
        # Also on Ctrl-C: chains go on in threads of their own otherwise.
        handle.cancel()


def _inspected(handle: Any) -> Any:
    """Return the draws so far."""
    with warnings.catch_warnings():
        # Where there are hardly any draws yet ArviZ 0.23 takes chains and draws to be in the wrong order.
        warnings.filterwarnings("ignore", message="More chains")
        return handle.inspect()


def _drawn_by_all(idata: Any) -> Any:
    """Return the draws that every chain has; shorter chains are padded with NaN."""
    energy = dataset(idata["sample_stats"])["energy"]
    return first_draws(idata, int(np.isfinite(energy.to_numpy().astype(float)).sum(axis=1).min()))


def first_draws(idata: Any, draws: int) -> Any:
    """Return the first `draws` of each chain."""
    groups = {name: dataset(idata[name]).isel(draw=slice(draws)) for name in ("posterior", "sample_stats")}
    groups["sample_stats"]["diverging"] = groups["sample_stats"]["diverging"].astype(bool)
    return inference_data(groups)
